"""Pages of memories within a number of tokens: what does not fit comes with the next cursor.

A page is always what one request answered, asked again for fewer memories where it was too long:
so its cursor is exact. A memory that is too long by itself comes in parts.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from core.model.errors import InvalidCursor
from core.model.excerpt import safe_cut
from core.model.tokens import HUNDREDTHS, estimate, reach
from handlers.mcp.calls import Api, Call, JsonObject, Refusal, refused
from handlers.mcp.results import MemoryFound

PAGE_TOKENS: Final = 11_000
"""Of one form of a result. There are two, as text and structured, and quotes within the text cost:
together they stay below 25,000."""
MOST_ASKED: Final = 150
"""More memories than this never fit."""
_FRAME: Final = 150
"""Tokens for what stands round the memories, cursor included."""
_MARK: Final = "part."
_PARTS: Final = msgspec.json.Decoder(tuple[str, int, str])

Ask = Callable[[int, str], Awaitable[tuple[list[JsonObject], str]]]
"""Asks for so many memories after this cursor: the memories, and the cursor after them."""


class Page(NamedTuple):
    """Memories that fit, and where to go on; empty at the end."""

    memories: list[MemoryFound]
    next_cursor: str


async def page_of(api: Api, ask: Ask, limit: int, cursor: str) -> Page:
    """As much of at most `limit` memories as fits. Raises Refusal."""
    if cursor.startswith(_MARK):
        return await _next_part(api, cursor)
    wanted = min(limit, MOST_ASKED)
    while True:
        try:
            memories, after = await ask(wanted, cursor)
        except Refusal as e:
            if wanted == 1 or e.fields.get("field") != "limit":
                raise
            wanted = max(1, wanted // 4)  # more than an answer may be: behind Lambda 6 MB
            continue
        fitting = await asyncio.to_thread(_fitting, memories)  # some 10 ms for a full page
        if fitting == len(memories):
            return Page([_shown(one) for one in memories], after)
        if fitting == 0 and wanted == 1:
            return await asyncio.to_thread(_part, memories[0], 0, after)
        wanted = max(1, fitting)


async def _next_part(api: Api, cursor: str) -> Page:
    id, start, after = _opened(cursor)
    memory = await api.ask(Call(method="GET", route="/api/v1/memories/{id}", path={"id": id}))
    if start > len(memory["content"]):
        raise refused(InvalidCursor())
    return await asyncio.to_thread(_part, memory, start, after)


def _part(memory: JsonObject, start: int, after: str) -> Page:
    """As much of the content, from there on, as fits beside the rest of the memory."""
    content: str = memory["content"]
    head = {**memory, "content": ""}
    left_out = _cost(_shown(head)) > PAGE_TOKENS // 2
    if left_out:
        del head["metadata"]
    rest = _shown(head)
    end = _end(content, start, PAGE_TOKENS - _FRAME - _cost(rest))
    is_all = start == 0 and end == len(content)
    shown = msgspec.structs.replace(
        rest,
        content=content[start:end],
        metadata_left_out=left_out,
        content_from=msgspec.UNSET if is_all else start,
        content_length=msgspec.UNSET if is_all else len(content),
    )
    return Page([shown], _sealed(memory["id"], end, after) if end < len(content) else after)


def _end(content: str, start: int, budget: int) -> int:
    """Where a part ends that costs no more, written as JSON; later than where it starts."""
    window = content[start : start + budget * HUNDREDTHS]
    size = reach(window, budget * HUNDREDTHS)
    while size > 1 and (cost := estimate(_json(window[:size]))) > budget:
        size = min(size - 1, size * budget // cost)
    end = start + max(1, size)
    cut = safe_cut(content, end)
    return cut if cut > start else end


def _fitting(memories: list[JsonObject]) -> int:
    """How many of them, from the first on, fit one page."""
    left = PAGE_TOKENS - _FRAME
    for number, memory in enumerate(memories):
        content = memory["content"]
        if reach(content, left * HUNDREDTHS) < len(content):
            return number
        left -= _cost(_shown(memory))
        if left < 0:
            return number
    return len(memories)


def _shown(memory: Mapping[str, Any]) -> MemoryFound:
    """What a model gets of a memory of the REST API."""
    return msgspec.convert(dict(memory), MemoryFound)


def _cost(memory: MemoryFound) -> int:
    return estimate(msgspec.json.encode(memory).decode())


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _sealed(id: str, start: int, after: str) -> str:
    content = msgspec.json.encode((id, start, after))
    return _MARK + base64.urlsafe_b64encode(content).decode().rstrip("=")


def _opened(cursor: str) -> tuple[str, int, str]:
    sealed = cursor.removeprefix(_MARK)
    try:
        content = base64.b64decode(sealed + "=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
        id, start, after = _PARTS.decode(content)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise refused(InvalidCursor()) from None
    if start < 1:
        raise refused(InvalidCursor())
    return id, start, after
