"""Carries calls to the server and answers back, for asyncio and trio."""

from __future__ import annotations

import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

import anyio
import httpx
from typing_extensions import Self

from ._answers import value_of
from ._calls import Call, sent_with
from ._connecting import (
    DEFAULT_RETRIES,
    DEFAULT_TIMEOUT,
    Headers,
    address,
    build_headers,
    key,
    without_secrets,
)
from ._paging import Page, following, smaller
from ._retries import Retries
from .exceptions import BufferedWriteError, InvalidResponseError, MemtraceError

if TYPE_CHECKING:
    from .async_buffered import AsyncBufferedWriter

T = TypeVar("T")
P = TypeVar("P", bound=Page)


class AsyncConnection:
    """One server and one key. Connections are kept and used again; tasks of one event loop may share it."""

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float | httpx.Timeout | None = DEFAULT_TIMEOUT,
        max_retries: int = DEFAULT_RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
        http_client: httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[object]] = anyio.sleep,
    ):
        """Address and key come from MEMTRACE_URL and MEMTRACE_API_KEY where they are not given.

        `timeout` is in seconds, for each of connecting, sending and receiving, and for each attempt. An
        `http_client` of yours keeps its own timeout and transport, and is not closed here.
        """
        self._url = address(base_url)
        headers = build_headers(key(api_key))
        self._owned = http_client is None
        self._headers = Headers() if http_client is None else headers
        self._client = http_client or httpx.AsyncClient(
            base_url=self._url, headers=headers, timeout=timeout, transport=transport
        )
        self._retries = Retries(max_retries)
        self._sleep = sleep
        self._writers: WeakSet[AsyncBufferedWriter] = WeakSet()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({without_secrets(self._url)!r})"

    async def close(self) -> None:
        """Closes buffered writers, then connections. Raises BufferedWriteError for what was not written."""
        async with AsyncExitStack() as stack:
            if self._owned:
                stack.push_async_callback(self._client.aclose)
            for writer in list(self._writers):
                stack.push_async_callback(writer.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        try:
            await self.close()
        except BufferedWriteError as e:
            if not args or args[0] is None or isinstance(args[1], Exception):
                raise
            # In the place of an interrupt or a cancellation it could be taken for an error to go on after.
            warnings.warn(str(e), RuntimeWarning, stacklevel=2)

    async def _run(self, call: Call[T], sleep: Callable[[float], Awaitable[object]] | None = None) -> T:
        url = call.path if self._owned else self._url + call.path
        # By the method's own name, where tests put theirs in its place.
        send = getattr(self._client, call.method.lower())
        options = sent_with(call, self._headers)
        attempt = 0
        while True:
            try:
                return value_of(await send(url, **options), call.read)
            except httpx.DecodingError as e:
                raise InvalidResponseError(f"the answer cannot be decoded: {e}") from e
            except (MemtraceError, httpx.TransportError) as e:
                wait = self._retries.wait_after(attempt, e)
                if wait is None:
                    raise
            await (sleep or self._sleep)(wait)
            attempt += 1

    async def _iterate(self, call: Call[P], rows: Callable[[P], list[T]]) -> AsyncIterator[T]:
        going: Call[P] | None = call
        while going is not None:
            try:
                page = await self._run(going)
            except MemtraceError as e:
                going = smaller(going, e)
                continue
            found = rows(page)
            for row in found:
                yield row
            going = following(going, page, len(found))
