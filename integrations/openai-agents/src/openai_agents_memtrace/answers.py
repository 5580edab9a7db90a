"""What the tools tell a model: JSON that is short enough to read. No I/O."""

import json
from collections.abc import Sequence
from typing import Any, Final

from memtrace import Memory

from .transcript import ITEM_EVENT

MOST_CONTENT: Final = 4_000
"""Characters of one memory's content, and of its metadata."""
MOST_CHARACTERS: Final = 60_000
"""Characters of an answer, some 15,000 to 20,000 tokens of English."""


def memories(found: Sequence[Memory], *, has_more: bool) -> str:
    """The memories in their order.

    `has_more` says that some were left out; `cut` that a content goes on, or that metadata too large to
    show is left out. Items of conversations are not shown: the model has its own before it, and those of
    others are noise.
    """
    shown: list[dict[str, Any]] = []
    room = MOST_CHARACTERS
    for memory in found:
        if memory.event_type == ITEM_EVENT:
            continue
        one = _one(memory)
        room -= len(json.dumps(one, ensure_ascii=False))
        if room < 0:
            has_more = True
            break
        shown.append(one)
    return _json({"memories": shown, "count": len(shown), "has_more": has_more})


def stored(memory: Memory) -> str:
    """Says that it is kept."""
    return _json({"status": "stored", "id": memory.id})


def stored_before() -> str:
    """Says that an equal memory is there already, so that the model does not try again."""
    return _json({"status": "duplicate", "note": "an equal memory is there already; nothing to do"})


def _one(memory: Memory) -> dict[str, Any]:
    fits = len(_json(memory.metadata or {})) <= MOST_CONTENT
    one: dict[str, Any] = {
        "id": memory.id,
        "time": memory.time.isoformat(timespec="seconds"),
        "agent_id": memory.agent_id,
        "session_id": memory.session_id,
        "memory_type": memory.memory_type,
        "event_type": memory.event_type,
        "content": memory.content[:MOST_CONTENT],
        "cut": len(memory.content) > MOST_CONTENT or not fits or None,
        "tags": memory.tags,
        "importance": memory.importance,
        "metadata": memory.metadata if fits else None,
    }
    return {name: value for name, value in one.items() if value not in (None, [], {})}


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
