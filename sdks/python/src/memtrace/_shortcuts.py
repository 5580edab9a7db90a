"""What `remember`, `decide` and `recall` stand for."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict, Unpack

from .models import AddMemoryRequest, ListOptions, MemoryType, Order


class DecisionFields(TypedDict, total=False):
    """What a decision may have besides agent, decision and reasoning."""

    session_id: str | None
    metadata: dict[str, Any] | None
    tags: list[str] | None
    dedup_key: str | None
    importance: float | None
    parent_id: str | None


class MemoryFields(DecisionFields, total=False):
    """What a memory may have besides agent and content."""

    memory_type: MemoryType
    event_type: str


class RecallFields(TypedDict, total=False):
    """What else narrows a recall."""

    session_id: str | None
    memory_type: str | None
    event_type: str | None
    tags: str | None
    until: str | None
    limit: int
    order: Order
    cursor: str | None


def remembered(agent_id: str, content: str, **fields: Unpack[MemoryFields]) -> AddMemoryRequest:
    """An episodic memory of a general event, where nothing else is said."""
    known: dict[str, Any] = {"memory_type": "episodic", "event_type": "general", **fields}
    return AddMemoryRequest(agent_id=agent_id, content=content, **known)


def decided(
    agent_id: str, decision: str, reasoning: str, **fields: Unpack[DecisionFields]
) -> AddMemoryRequest:
    """A decision; the reasoning joins its metadata."""
    known: dict[str, Any] = {**fields, "metadata": {**(fields.get("metadata") or {}), "reasoning": reasoning}}
    return AddMemoryRequest(
        agent_id=agent_id, memory_type="decision", event_type="decision", content=decision, **known
    )


def recalled(agent_id: str, since: str, **fields: Unpack[RecallFields]) -> ListOptions:
    """The newest hundred since then, where nothing else is said."""
    known: dict[str, Any] = {"order": "desc", "limit": 100, **fields}
    return ListOptions(agent_id=agent_id, since=since, **known)
