"""What a caller wants remembered, checked and put into the form of the stored columns."""

from collections.abc import Sequence

from core.model.errors import InvalidRequest
from core.model.memory import Draft, default_dedup_key
from handlers.http.checks import (
    MAX_BATCH,
    MAX_CONTENT_BYTES,
    MAX_DEDUP_KEY_BYTES,
    checked_event_type,
    checked_id,
    checked_size,
    checked_tags,
    compact_json,
    is_id,
    refuse,
)
from handlers.http.given import MemoryInput, MemoryOrBatch

Given = MemoryInput | MemoryOrBatch


def draft_of(given: Given) -> Draft:
    """The draft of one memory. Raises InvalidRequest naming the field."""
    agent_id, content = given.agent_id, given.content
    if not agent_id:
        raise refuse("agent_id", "is required")
    if not is_id(agent_id):
        checked_id(agent_id, "agent_id")
    if not content:
        raise refuse("content", "is required")
    event_type = given.event_type or "general"
    return Draft(
        agent_id,
        checked_id(given.session_id or "", "session_id"),
        given.memory_type or "episodic",
        checked_event_type(event_type, "event_type"),
        checked_size(content, "content", MAX_CONTENT_BYTES),
        compact_json(given.metadata, "metadata") if given.metadata else "",
        ",".join(checked_tags(given.tags)) if given.tags else "",
        checked_size(given.dedup_key, "dedup_key", MAX_DEDUP_KEY_BYTES)
        if given.dedup_key
        else default_dedup_key(agent_id, event_type, content),
        given.importance or 0.0,
        checked_id(given.parent_id or "", "parent_id"),
    )


def drafts_of(memories: Sequence[MemoryInput]) -> list[Draft]:
    """All the drafts of a batch. Raises InvalidRequest naming the first bad memory's index and field."""
    if not 0 < len(memories) <= MAX_BATCH:
        raise refuse("memories", f"must hold 1 to {MAX_BATCH} memories")
    drafts: list[Draft] = []
    for index, given in enumerate(memories):
        try:
            drafts.append(draft_of(given))
        except InvalidRequest as e:
            raise _of_memory(index, e) from None
    return drafts


def _of_memory(index: int, error: InvalidRequest) -> InvalidRequest:
    where = f"memories[{index}]."
    inner = InvalidRequest(f"{where}{error.message}", hint=error.hint, index=index)
    inner.fields |= {**error.fields, "field": f"{where}{error.fields['field']}"}
    return inner
