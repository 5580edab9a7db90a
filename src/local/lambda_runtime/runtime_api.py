"""The Runtime API of one sandbox: where its runtime asks for work, and says what became of it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.lambda_runtime.outcome import MOST_RESULT_BYTES, Outcome, too_large

ARN: Final = "arn:aws:lambda:us-east-1:123456789012:function:memtrace-edge"
_ROOT: Final = "/2018-06-01/runtime/"
_Scope = Mapping[str, Any]
_Receive = Callable[[], Awaitable[Any]]
_Send = Callable[[Any], Awaitable[None]]


@dataclass(slots=True)
class Invocation:
    """One event on its way through a sandbox."""

    request_id: str
    payload: bytes
    deadline_ms: int
    trace: str
    outcome: "asyncio.Future[Outcome]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def end(self, outcome: Outcome) -> None:
        """The first word counts."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)


class RuntimeApi:
    """The ASGI application of one sandbox: four endpoints, one invocation at a time."""

    def __init__(self) -> None:
        self.init_error: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.idle: Final = asyncio.Event()
        """Set while the runtime waits for work: then a sandbox may be frozen."""
        self._work: asyncio.Queue[Invocation | None] = asyncio.Queue()
        self._current: Invocation | None = None

    def give(self, invocation: Invocation) -> None:
        """The next thing that the runtime is told to do."""
        self.idle.clear()
        self._work.put_nowait(invocation)

    def close(self) -> None:
        """There is no more work, and nobody who would do it."""
        self._work.put_nowait(None)

    async def __call__(
        self, scope: Mapping[str, Any], receive: Callable[[], Awaitable[Any]], send: _Send
    ) -> None:
        path = scope["path"]
        if not path.startswith(_ROOT):
            await _reply(send, 404)
            return
        door = path.removeprefix(_ROOT)
        body = await _body(receive) if scope["method"] == "POST" else b""
        if scope["method"] == "GET" and door == "invocation/next":
            await self._next(send)
        elif scope["method"] == "POST" and door == "init/error":
            if not self.init_error.done():
                self.init_error.set_result(Outcome(body, failed=True))
            await _reply(send, 202)
        elif scope["method"] == "POST" and door.startswith("invocation/"):
            await self._told(door.removeprefix("invocation/"), body, send)
        else:
            await _reply(send, 404)

    async def _next(self, send: _Send) -> None:
        self._current = None
        self.idle.set()
        work = self._current = await self._work.get()
        if work is None:
            await _reply(send, 410)
            return
        headers = {
            "content-type": "application/json",
            "lambda-runtime-aws-request-id": work.request_id,
            "lambda-runtime-deadline-ms": str(work.deadline_ms),
            "lambda-runtime-invoked-function-arn": ARN,
            "lambda-runtime-trace-id": work.trace,
        }
        await _reply(send, 200, work.payload, headers)

    async def _told(self, door: str, body: bytes, send: _Send) -> None:
        request_id, _, what = door.partition("/")
        current = self._current
        if current is None or current.request_id != request_id or what not in ("response", "error"):
            await _reply(send, 400)
            return
        if what == "response" and len(body) > MOST_RESULT_BYTES:
            current.end(too_large(len(body)))
            await _reply(send, 413)
            return
        await _reply(send, 202)
        current.end(Outcome(body, failed=what == "error"))


async def _body(receive: _Receive) -> bytes:
    parts, more = bytearray(), True
    while more:
        message = await receive()
        parts += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(parts)


async def _reply(
    send: _Send, status: int, body: bytes = b'{"status":"OK"}', headers: Mapping[str, str] | None = None
) -> None:
    told = {"content-length": str(len(body)), **(headers or {})}
    named = [(name.encode(), value.encode()) for name, value in told.items()]
    await send({"type": "http.response.start", "status": status, "headers": named})
    await send({"type": "http.response.body", "body": body})
