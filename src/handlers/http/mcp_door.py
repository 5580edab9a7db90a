"""`POST /mcp`: where MCP's streamable HTTP comes in. What speaks MCP is loaded when somebody does."""

import asyncio
import re
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import msgspec

from core.model.errors import Forbidden, InvalidRequest, NotFound
from handlers.http.ask import Ask, Reply
from handlers.http.doors import Doors
from handlers.http.endpoint import Endpoint

_INSIDE: Final = "handlers.mcp.inside"
_NEEDED: Final = "mcp"
_INVALID_REQUEST: Final = -32600
_INTERNAL_ERROR: Final = -32603
_is_loopback: Final = re.compile(
    rb"https?://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE
).fullmatch


class Message(msgspec.Struct):
    """One message of JSON-RPC 2.0."""

    jsonrpc: str
    method: str = ""


async def post(doors: Doors, ask: Ask) -> Reply:
    """The answer to one message of JSON-RPC, as JSON: no session, no stream, any server will do."""
    _check_origin(doors, ask)
    if not ask.headers.get(b"content-type", b"").lower().startswith(b"application/json"):
        raise InvalidRequest("the Content-Type must be application/json")
    inside = await _loaded()
    reply: Reply = await inside.answered(doors, ask)
    return reply


def _check_origin(doors: Doors, ask: Ask) -> None:
    """A page in a browser may not come in under a name that was bent to lead here (DNS rebinding).

    Programs send no Origin. `*` in server.cors_origins names nobody.
    """
    origin = ask.headers.get(b"origin")
    if origin is None or origin.decode("latin-1") in doors.origins or _is_loopback(origin):
        return
    raise Forbidden(
        "pages of this origin may not speak MCP here", hint="server.cors_origins lists those that may"
    )


async def _loaded() -> Any:
    """Off the loop: loading takes half a second, and others are served meanwhile."""
    if find_spec(_NEEDED) is None:
        raise NotFound("this server speaks no MCP", hint="install memtrace-server with the extra `mcp`")
    return await asyncio.to_thread(import_module, _INSIDE)


def reworded(reply: Reply) -> Reply:
    """An error as clients of MCP read it: one of JSON-RPC, with ours in its data. The status stays."""
    ours: dict[str, Any] = msgspec.json.decode(reply.body)
    hint = f" ({ours['hint']})" if "hint" in ours else ""
    code = _INTERNAL_ERROR if reply.status >= 500 else _INVALID_REQUEST
    error = {"code": code, "message": f"{ours['error']}{hint}", "data": ours}
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": None, "error": error})
    return Reply(reply.status, body, reply.headers)


MCP: Final = Endpoint(
    method="POST",
    path="/mcp",
    permission="any",
    handler=post,
    summary="Speak MCP: one message of JSON-RPC in, one out",
    takes=(Message,),
    rewords=reworded,
)
"""Served beside the routes of the REST API, and none of them."""
