"""A small API Gateway on this machine: HTTP in, a function invoked, HTTP out."""

import asyncio
import secrets
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from local.gateway.answer import Answer, answer_of, broken, late, message
from local.gateway.request import Request, Stage, event_of
from local.gateway.words import worded
from local.lambda_runtime.outcome import EventTooLarge, Outcome, Throttled

MOST_BODY_BYTES: Final = 10 * 1024 * 1024
SECONDS: Final = 29.0
_Receive = Callable[[], Awaitable[Any]]
_Send = Callable[[Any], Awaitable[None]]


class Invoked(Protocol):
    """A function, as a gateway calls it."""

    async def invoke(self, payload: bytes, trace: str = "") -> Outcome:
        """Raises Throttled or EventTooLarge."""
        ...


class Gateway:
    """The ASGI application. A function that is late runs on by itself; `close` waits for none of those."""

    def __init__(self, function: Invoked, stage: Stage | None = None, *, seconds: float = SECONDS) -> None:
        self._function = function
        self._stage = stage or Stage()
        self._seconds = seconds
        self._late: set[asyncio.Task[Outcome]] = set()

    async def __call__(self, scope: Mapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        request_id = str(uuid.uuid4())
        answer = await self._answer(scope, receive, request_id)
        if answer.is_own and self._stage.is_worded:
            answer = worded(answer, request_id)
        await _send(send, scope["method"], answer, request_id)

    async def close(self) -> None:
        """Gives up what is late."""
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)

    async def _answer(self, scope: Mapping[str, Any], receive: _Receive, request_id: str) -> Answer:
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        path = self._stage.inner(raw.decode("latin-1"))
        body = await _body(receive)
        if body is None:
            return message(413, "Request Entity Too Large")
        if path is None:
            return message(403, "Missing Authentication Token")
        request = Request(
            id=request_id,
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
            body=body,
            client_ip=(scope.get("client") or ("127.0.0.1", 0))[0],
            trace=_trace(),
            at=datetime.now(UTC),
        )
        return await self._invoked(request)

    async def _invoked(self, request: Request) -> Answer:
        version = self._stage.version
        work = asyncio.create_task(self._function.invoke(event_of(request, self._stage), request.trace))
        self._late.add(work)
        work.add_done_callback(self._ended)
        done, _ = await asyncio.wait({work}, timeout=self._seconds)
        if not done:
            return late(version)
        try:
            return answer_of(work.result(), version)
        except EventTooLarge:
            return message(413, "Request Too Long")
        except Throttled:
            return message(500, "Internal server error") if version == 1 else broken(version)

    def _ended(self, work: "asyncio.Task[Outcome]") -> None:
        self._late.discard(work)
        if not work.cancelled():
            work.exception()  # taken, in case the answer was given before


def _trace() -> str:
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"


async def _body(receive: _Receive) -> bytes | None:
    """None where it is too large; read to its end all the same, so that the answer is heard."""
    parts, size, more = [], 0, True
    while more:
        got = await receive()
        if got["type"] == "http.disconnect":
            break
        part = got.get("body", b"")
        size += len(part)
        if size <= MOST_BODY_BYTES:
            parts.append(part)
        more = got.get("more_body", False)
    return b"".join(parts) if size <= MOST_BODY_BYTES else None


async def _send(send: _Send, method: str, answer: Answer, request_id: str) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    headers += [(b"x-amzn-requestid", request_id.encode()), (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
