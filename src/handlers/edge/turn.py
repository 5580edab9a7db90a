"""One turn of the application: one request, within the time that Lambda leaves, and nothing after it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from core import telemetry
from core.model.errors import DeadlineExceeded
from handlers.edge.events import HttpEvent
from handlers.http.errors import error_reply

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
AtRest = Callable[[], Coroutine[Any, Any, None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SLACK: Final = 1.0
"""Seconds before Lambda's own end by which an answer is given."""
_SLACK_SHARE: Final = 0.2
"""Of a time too short for that."""
_ENDING: Final = 0.2
"""Seconds for work to end once it is told to."""
_PATIENCE: Final = b"x-request-timeout"
_ID: Final = b"x-request-id"


@dataclass(frozen=True, slots=True)
class Turn:
    """The request, and how many seconds Lambda leaves for it."""

    event: HttpEvent
    remaining: float

    @property
    def seconds(self) -> float:
        """In which an answer must be there."""
        return max(0.0, self.remaining - min(_SLACK, self.remaining * _SLACK_SHARE))

    @property
    def asked(self) -> float:
        """In which the caller wants one; 0 where it says nothing, or no number: the application tells it."""
        try:
            asked = float(self.event.headers.get(_PATIENCE.decode(), ""))
        except ValueError:
            return 0.0
        return asked if asked > 0 else 0.0

    @property
    def patience(self) -> float:
        """The shorter of the two."""
        return min(self.asked or self.seconds, self.seconds)


class TurnTaker:
    """An ASGI application round ours. `turn` is set before each request: a sandbox has one at a time."""

    def __init__(self, app: App, at_rest: AtRest) -> None:
        """`at_rest` returns when nothing outside of tasks is half-way."""
        self._app = app
        self._at_rest = at_rest
        self.turn: Turn | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, whatever the application does, and leaves no task behind that could be ended."""
        assert self.turn is not None
        turn = self.turn
        ends = asyncio.get_running_loop().time() + turn.patience
        answering = _Answering(send)
        work = asyncio.create_task(_prepared(self._app, scope, receive, answering, turn), name="request")
        await asyncio.wait({work}, timeout=turn.seconds + _ENDING)
        if not answering.is_begun:
            work.cancel()
            await asyncio.wait({work}, timeout=_ENDING)
        if not answering.is_begun:
            await answering.tell_late(turn)
        await _nothing_left(ends, self._at_rest)


class _Answering:
    """Passes an answer on, and knows whether there was one. What comes after a late answer goes nowhere."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_begun = False
        self._is_closed = False

    async def __call__(self, message: Any) -> None:
        if not self._is_closed:
            self.is_begun = True
            await self._send(message)

    async def tell_late(self, turn: Turn) -> None:
        self._is_closed = True
        seconds = max(turn.seconds, 0.0)
        error = DeadlineExceeded(f"the request was not answered within {seconds:.3g} seconds")
        reply = error_reply(error, turn.event.request_id)
        headers = [
            (b"content-type", reply.content_type),
            (_ID, turn.event.request_id.encode()),
            *reply.headers,
        ]
        await self._send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await self._send({"type": "http.response.body", "body": reply.body})


async def _prepared(app: App, scope: Scope, receive: Receive, send: Send, turn: Turn) -> None:
    headers = {bytes(name): bytes(value) for name, value in scope["headers"]}
    headers.setdefault(_ID, turn.event.request_id.encode())
    if _PATIENCE not in headers or turn.asked > turn.seconds:
        headers[_PATIENCE] = b"%.3f" % max(turn.seconds, 0.001)
    prepared = {**scope, "headers": list(headers.items()), "raw_path": turn.event.path.encode()}
    await app(prepared, receive, send)


async def _nothing_left(ends: float, at_rest: AtRest) -> None:
    """Waits for what the request started and did not wait for; what takes too long is told to end."""
    left = _others() | {asyncio.create_task(at_rest(), name="at rest")}
    left = await _still(left, ends - asyncio.get_running_loop().time())
    for task in left:
        task.cancel()
    left = await _still(left, _ENDING)
    if left:
        telemetry.error("work_left_behind", names=sorted(task.get_name() for task in left))


async def _still(tasks: set[asyncio.Task[Any]], seconds: float) -> set[asyncio.Task[Any]]:
    """Those that are not done by then. Nobody else asks what became of the others."""
    if not tasks:
        return tasks
    done, left = await asyncio.wait(tasks, timeout=max(0.0, seconds))
    for task in done:
        if not task.cancelled():
            task.exception()
    return left


def _others() -> set[asyncio.Task[Any]]:
    current = asyncio.current_task()
    return {task for task in asyncio.all_tasks() if task is not current}
