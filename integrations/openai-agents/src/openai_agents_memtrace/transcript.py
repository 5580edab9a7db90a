"""How items of a conversation become memories, and memories items again. No I/O."""

import json
import logging
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from agents import TResponseInputItem
from memtrace import AddMemoryRequest, Memory

ITEM_EVENT: Final = "conversation_item"
MEMORY_TYPE: Final = "session"
MOST_ITEM_BYTES: Final = 8 * 1024 * 1024
"""The largest item that is taken, as JSON in UTF-8."""
PART_BYTES: Final = 240_000
"""Larger items are cut into parts: a memory holds 256 KB."""
_MOST_BODY_BYTES: Final = 3_500_000
_MOST_IN_A_BODY: Final = 1_000
_AROUND_A_MEMORY: Final = 1_000
"""Bytes of a request for all but the content, generously."""

log = logging.getLogger("openai_agents_memtrace")


@dataclass(frozen=True)
class StoredItem:
    """An item, and the memories that hold it, the first part first."""

    item: TResponseInputItem
    memory_ids: tuple[str, ...]


def to_memories(
    items: Sequence[TResponseInputItem], *, agent_id: str, session_id: str
) -> list[AddMemoryRequest]:
    """One memory an item, or several for a large one, in order; no two are duplicates of each other.

    Raises ValueError for an item beyond MOST_ITEM_BYTES, TypeError for one that JSON cannot hold.
    """
    return [
        memory
        for item in items
        for memory in _memories(_encoded(item), agent_id=agent_id, session_id=session_id)
    ]


def _encoded(item: TResponseInputItem) -> bytes:
    try:
        encoded = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:  # half a surrogate pair, as models cut them; escaped it survives
        encoded = json.dumps(item, separators=(",", ":")).encode()
    if len(encoded) > MOST_ITEM_BYTES:
        kind = item.get("type") or item.get("role")
        raise ValueError(
            f"an item ({kind}) has {len(encoded)} bytes as JSON; a session takes up to {MOST_ITEM_BYTES}"
        )
    return encoded


def _memories(encoded: bytes, *, agent_id: str, session_id: str) -> Iterator[AddMemoryRequest]:
    parts = list(_cut(encoded))
    name = f"item_{uuid.uuid4().hex}"
    for number, part in enumerate(parts):
        yield AddMemoryRequest(
            agent_id=agent_id,
            session_id=session_id,
            memory_type=MEMORY_TYPE,
            event_type=ITEM_EVENT,
            content=part,
            dedup_key=f"{name}.{number}",
            metadata={"item": name, "part": number, "parts": len(parts)} if len(parts) > 1 else None,
        )


def _cut(encoded: bytes) -> Iterator[str]:
    start = 0
    while len(encoded) - start > PART_BYTES:
        end = start + PART_BYTES
        while encoded[end] & 0xC0 == 0x80:  # never within a character
            end -= 1
        yield encoded[start:end].decode()
        start = end
    yield encoded[start:].decode()


def in_bodies(memories: Sequence[AddMemoryRequest]) -> Iterator[list[AddMemoryRequest]]:
    """Batches in order, each within what one request may carry."""
    body: list[AddMemoryRequest] = []
    size = 0
    for memory in memories:
        more = len(json.dumps(memory.content)) + _AROUND_A_MEMORY
        if body and (size + more > _MOST_BODY_BYTES or len(body) == _MOST_IN_A_BODY):
            yield body
            body, size = [], 0
        body.append(memory)
        size += more
    if body:
        yield body


class Assembler:
    """Gives items for memories that come the newest first.

    An item stands where its first part stands. One that is not whole, as after a write that broke off, is
    left out with a warning, and so is what is no item at all.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, dict[int, Memory]] = {}

    def take(self, memory: Memory) -> StoredItem | None:
        """The item that this memory completes, if any."""
        placed = memory.metadata or {}
        if "parts" not in placed:
            return _decoded([memory])
        parts = self._waiting.setdefault(str(placed["item"]), {})
        parts[int(placed["part"])] = memory
        if placed["part"] != 0:
            return None
        del self._waiting[str(placed["item"])]
        if len(parts) < int(placed["parts"]):
            log.warning("session item left out, %d of %s parts are there", len(parts), placed["parts"])
            return None
        return _decoded([parts[number] for number in sorted(parts)])


def _decoded(parts: Sequence[Memory]) -> StoredItem | None:
    try:
        item: Any = json.loads("".join(part.content for part in parts))
    except ValueError:
        item = None
    if not isinstance(item, dict):
        log.warning("session item left out, it is no JSON object: memory %s", parts[0].id)
        return None
    return StoredItem(cast(TResponseInputItem, item), tuple(str(part.id) for part in parts))
