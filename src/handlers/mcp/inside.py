"""MCP in the server's own process: one HTTP request in, one answer out, nothing kept in between.

Tools call the handlers of the REST API directly: the same services, checks, permissions and limits.
"""

import asyncio
from collections.abc import MutableMapping
from functools import cache
from typing import Any, Final
from urllib.parse import urlencode

import mcp_types as types
import msgspec
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from core import telemetry
from core.model.errors import InvalidRequest, MemtraceError
from handlers.http.ask import Ask, Reply
from handlers.http.doors import Doors
from handlers.http.endpoint import Endpoint, permit
from handlers.http.errors import error_reply, is_for_operators
from handlers.http.routes import ROUTES
from handlers.mcp.calls import Call, JsonObject, refusal_of
from handlers.mcp.server import server_of

_API: Final = "memtrace.api"
_PATH: Final = "/mcp"
_UNTOLD: Final = frozenset({b"x-api-key", b"authorization", b"cookie"})
"""Headers that are nobody's business behind the door."""


class _Inside:
    """The API for the caller of one request, who was authenticated and admitted."""

    def __init__(self, doors: Doors, ask: Ask) -> None:
        self._doors = doors
        self._ask = ask

    async def ask(self, call: Call) -> JsonObject:
        endpoint = _endpoints()[call.method, call.route]
        given = Ask(
            principal=self._ask.principal,
            params=call.path,
            query=urlencode(call.query).encode(),
            body=b"" if call.body is None else msgspec.json.encode(call.body),
            headers={},
        )
        try:
            permit(endpoint, given.principal)
            reply = await endpoint.handler(self._doors, given)
        except MemtraceError as e:
            raise self._refusal(e) from None
        answer: JsonObject = msgspec.json.decode(reply.body)
        return answer

    def _refusal(self, error: MemtraceError) -> Exception:
        request_id = self._ask.request_id.decode()
        if is_for_operators(error):
            telemetry.warning(
                "request_failed",
                code=error.code,
                reason=error.message,
                request_id=request_id,
                org_id=self._ask.principal.org_id,
                route=f"POST {_PATH}",
            )
        reply = error_reply(error, request_id)
        waits = dict(reply.headers).get(b"retry-after")
        return refusal_of(msgspec.json.decode(reply.body), int(waits) if waits else None)


async def answered(doors: Doors, ask: Ask) -> Reply:
    """The answer to one message, as the SDK's own HTTP transport gives it. Raises InvalidRequest."""
    _check_message(ask.body)
    manager = StreamableHTTPSessionManager(
        app=_server(),
        json_response=True,
        stateless=True,
        max_request_body_size=len(ask.body) + 1,
    )
    exchange = _Exchange(ask.body)
    async with manager.run():
        await manager.handle_request(_scope(doors, ask), exchange.receive, exchange.send)
    return exchange.reply()


def _check_message(body: bytes) -> None:
    """Before the SDK does: it would answer with what its checks print, parts of the body among that.

    What is no JSON at all is left to it.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return
    try:
        types.jsonrpc_message_adapter.validate_python(value, by_name=False)
    except ValueError:
        raise InvalidRequest(
            "the body is not one message of JSON-RPC 2.0", hint="send several in requests of their own"
        ) from None


@cache
def _server() -> Server[Any]:
    return server_of(lambda context: context.request.scope[_API])


@cache
def _endpoints() -> dict[tuple[str, str], Endpoint]:
    return {(one.method, one.path): one for one in ROUTES}


def _scope(doors: Doors, ask: Ask) -> MutableMapping[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": _PATH,
        "raw_path": _PATH.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name, value) for name, value in ask.headers.items() if name not in _UNTOLD],
        "client": None,
        "server": None,
        _API: _Inside(doors, ask),
    }


class _Exchange:
    """A request that is here already, and room for its answer."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._status = 500
        self._headers: dict[bytes, bytes] = {}
        self._answer = b""

    async def receive(self) -> dict[str, Any]:
        body, self._body = self._body, None
        if body is None:
            await asyncio.get_running_loop().create_future()  # nobody hangs up: that ends the whole request
        assert body is not None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = dict(message["headers"])
        else:
            self._answer += message.get("body", b"")

    def reply(self) -> Reply:
        content_type = self._headers.get(b"content-type", b"application/json")
        return Reply(self._status, self._answer, content_type=content_type)
