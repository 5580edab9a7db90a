"""Lines that are no message: each is answered, for a client whose call is dropped waits in vain."""

import json
from contextlib import suppress
from typing import Any, Final, Protocol

import anyio
import mcp_types as types
from mcp.shared.message import SessionMessage

Item = SessionMessage | Exception
_NO_MESSAGE: Final = "the line is not one message of JSON-RPC 2.0"
_UNREADABLE: Final = "the line is no JSON, or holds text that is no Unicode"


class Incoming(Protocol):
    """What was read, in order; a line that is no message as the error that it made."""

    def __aiter__(self) -> "Incoming": ...
    async def __anext__(self) -> Item: ...


class Outgoing(Protocol):
    """Where messages go."""

    async def send(self, item: SessionMessage, /) -> None: ...
    async def aclose(self) -> None: ...


async def answered(incoming: Incoming, outgoing: Outgoing, onward: Outgoing) -> None:
    """Hands messages onward until there are no more, and closes that. What is none is answered here.

    Ends also where nobody listens any more.
    """
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await _hand_on(incoming, outgoing, onward)


async def _hand_on(incoming: Incoming, outgoing: Outgoing, onward: Outgoing) -> None:
    try:
        async for item in incoming:
            if isinstance(item, SessionMessage):
                await onward.send(item)
            elif error := error_of(item):
                await outgoing.send(SessionMessage(error))
    finally:
        await onward.aclose()


def error_of(fault: Exception) -> types.JSONRPCError | None:
    """An error for this line, under the id of what was asked where there is one. None for an empty line.

    Nothing of the line is in it but the id.
    """
    code, words, line = types.INVALID_REQUEST, _NO_MESSAGE, _whole(fault)
    if isinstance(line, str):
        if not line.strip():
            return None
        code, words, line = types.PARSE_ERROR, _UNREADABLE, _leniently(line)
    asked = line.get("id") if isinstance(line, dict) else None
    known = asked if isinstance(asked, str | int) and not isinstance(asked, bool) else None
    return types.JSONRPCError(jsonrpc="2.0", id=known, error=types.ErrorData(code=code, message=words))


def _whole(fault: Exception) -> Any:
    """What the line held, as the errors of the SDK's checks tell it: its text where that is no JSON."""
    found = fault.errors(include_url=False) if hasattr(fault, "errors") else []
    of_all = ("json_invalid", "model_type", "missing")
    return next((one["input"] for one in found if one["type"] in of_all and len(one["loc"]) < 3), None)


def _leniently(line: str) -> Any:
    """Half a surrogate pair, as programs that cut texts leave it, is JSON to most and to pydantic none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
