"""Lets requests fail as they were asked to: before, while and after they are answered."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.arc.answers import MSGPACK
from local.arc.faults import Fault
from local.arc.process import Process
from local.arc.rendering import Moment, error_as_json, error_as_msgpack
from local.arc.serving import hang_up, reset, transport_of

_NOW: Final = Moment(0, "2026-01-01T00:00:00Z")
_GARBAGE: Final = b"\xc1<html>upstream connect error or disconnect/reset before headers</html>"


class Faulting:
    """Around everything: a process that died resets whatever comes."""

    def __init__(self, app: ASGIApp, process: Process) -> None:
        self._app = app
        self._process = process

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._process.buffers.flush_due()
        if self._process.fatal:
            await reset(scope)
            return
        fault = self._process.faults.take(scope["path"])
        if fault is None:
            await self._app(scope, receive, send)
        else:
            await self._fail(fault, scope, receive, send)

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case "reset":
                await reset(scope)
            case "status":
                await _read_all(receive)
                await _status(fault, scope["path"])(scope, receive, send)
            case "slow":
                await self._late(fault, scope, receive, send)
            case "cut_rows":
                scope.setdefault("state", {})["cut_rows"] = fault.rows
                await self._app(scope, receive, send)
            case _:
                await self._done(fault, scope, receive, send)

    async def _late(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_all(receive)
        if await _patient(receive, fault.seconds, self._process.stopping):
            await self._app(scope, _replayed(body), send)
        else:
            await reset(scope)

    async def _done(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        """The request is carried out; its answer has an accident."""
        body = await _read_all(receive)
        answer = _Kept()
        await self._app(scope, _replayed(body), answer.send)
        match fault.kind:
            case "reset_after":
                await reset(scope)
            case "slow_after":
                if await _patient(receive, fault.seconds, self._process.stopping):
                    await answer.repeat(send)
                else:
                    await reset(scope)
            case "garbage":
                await Response(_GARBAGE, media_type="text/html")(scope, receive, send)
            case "truncated":
                await answer.repeat(send, half=True)
                await hang_up(scope)
            case "done_twice":
                answer = _Kept()
                await self._app(scope, _replayed(body), answer.send)
                await answer.repeat(send)
            case _:
                await answer.repeat(send)
                transport_of(scope).write(answer.raw)


class _Kept:
    """An answer that waits."""

    def __init__(self) -> None:
        self._start: Message = {}
        self._body: bytes = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        else:
            self._body += message.get("body", b"")

    @property
    def raw(self) -> bytes:
        """As it stands on the wire."""
        status = self._start["status"]
        head = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
        for name, value in self._start["headers"]:
            head += b"%s: %s\r\n" % (name, value)
        return bytes(head + b"\r\n" + self._body)

    async def repeat(self, send: Send, *, half: bool = False) -> None:
        start: dict[str, Any] = dict(self._start)
        body = self._body
        if half and not body:
            # An answer without a body: what it announces does not come.
            start |= {"status": 200, "headers": [(b"content-length", b"100")]}
        await send(start)
        await send(
            {
                "type": "http.response.body",
                "body": body[: len(body) // 2] if half else body,
                "more_body": half,
            }
        )


def _status(fault: Fault, path: str) -> Response:
    """In the shape that the door itself would have used."""
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    if path.startswith("/api/v1/query/msgpack"):
        body = error_as_msgpack(fault.error, _NOW)
        return Response(body, fault.status, headers, MSGPACK)
    if path.startswith("/api/v1/query"):
        return Response(error_as_json(fault.error, _NOW), fault.status, headers, "application/json")
    return JSONResponse({"error": fault.error}, fault.status, headers)


async def _read_all(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)


async def _patient(receive: Receive, seconds: float, stopping: asyncio.Event) -> bool:
    """Waits so long, or until the client has gone or the server is to stop: whether it was the first."""
    ends = {asyncio.ensure_future(_gone(receive)), asyncio.ensure_future(stopping.wait())}
    done, _ = await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for end in ends:
        end.cancel()
    await asyncio.wait(ends)
    return not done


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _replayed(body: bytes) -> Receive:
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    return receive
