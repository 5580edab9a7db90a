"""What the tests of the integrations share: clients of a real server, and faults on the way to it."""

import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest
from memtrace import AsyncMemtrace, Memtrace

URL, KEY = os.environ["MEMTRACE_URL"], os.environ["MEMTRACE_API_KEY"]


class Losing(httpx.AsyncBaseTransport, httpx.BaseTransport):
    """Carries requests to the server, but for those it `refuses`, and `loses` answers after the deed."""

    def __init__(self) -> None:
        self.refuses: Callable[[httpx.Request], bool] = lambda request: False
        self.loses: Callable[[httpx.Request], bool] = lambda request: False
        self.seen: list[str] = []
        self._threads, self._tasks = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._begun(request)
        response = self._threads.handle_request(request)
        response.read()
        return self._judged(request, response)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._begun(request)
        response = await self._tasks.handle_async_request(request)
        await response.aread()
        return self._judged(request, response)

    def _begun(self, request: httpx.Request) -> None:
        self.seen.append(f"{request.method} {request.url.path}")
        if self.refuses(request):
            raise httpx.ConnectError("refused", request=request)

    def _judged(self, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if self.loses(request):
            raise httpx.ReadError("lost", request=request)
        return response

    def once(self, method: str) -> None:
        """Loses the answer of the next request of this method."""
        left = [method]

        def loses(request: httpx.Request) -> bool:
            return request.method == method and bool(left) and bool(left.pop())

        self.loses = loses

    async def aclose(self) -> None:
        await self._tasks.aclose()

    def close(self) -> None:
        self._threads.close()


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [t.name for t in threading.enumerate() if t not in before and t.name.startswith("memtrace")]
    assert not left, f"threads left behind: {left}"


@pytest.fixture
def agent_id() -> str:
    """An agent that no other test knows."""
    return f"agent_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def session_id() -> str:
    """A session that no other test knows."""
    return f"session_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def wire() -> Losing:
    """What stands between the clients and the server."""
    return Losing()


@pytest.fixture
async def client(wire: Losing) -> AsyncIterator[AsyncMemtrace]:
    async def at_once(seconds: float) -> None:
        """Nobody waits in a test."""

    async with AsyncMemtrace(URL, KEY, transport=wire, sleep=at_once) as opened:
        yield opened


@pytest.fixture
def threaded(wire: Losing) -> Iterator[Memtrace]:
    """The client for threads."""
    with Memtrace(URL, KEY, transport=wire, sleep=lambda seconds: None) as opened:
        yield opened
