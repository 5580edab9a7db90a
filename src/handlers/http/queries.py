"""What callers ask for, as the question that the read road answers."""

from typing import Final

from core.model.memory import MemoryFilter, MemoryQuery, Micros
from core.model.paging import MAX_OFFSET
from core.model.timewindow import parse_time
from handlers.http.checks import (
    MAX_EVENT_TYPES,
    MAX_NEEDLE_BYTES,
    checked_event_type,
    checked_id,
    checked_size,
    checked_tags,
    refuse,
)
from handlers.http.cursors import open_position
from handlers.http.given import ListQuery, SearchInput

SEARCH_LIMIT: Final = 50


def listed(
    given: ListQuery,
    now: Micros,
    *,
    agent_ids: tuple[str, ...] = (),
    session_id: str = "",
    since: str = "",
) -> MemoryQuery:
    """A list's question; agents and session, where they are given, come before those of the query string.

    `since` is the default of the parameter.
    """
    tags = [tag for tag in map(str.strip, given.tags.split(",")) if tag]
    return MemoryQuery(
        filter=MemoryFilter(
            agent_ids=agent_ids or _one(checked_id(given.agent_id, "agent_id")),
            session_id=session_id or checked_id(given.session_id, "session_id"),
            memory_types=_one(given.memory_type),
            event_types=_one(checked_event_type(given.event_type, "event_type")),
            tags=tuple(checked_tags(tags)),
        ),
        since=_time(given.since or since, now, "since"),
        until=_time(given.until, now, "until"),
        order=given.order,
        limit=given.limit,
        offset=_offset(given.offset),
        after=open_position(given.cursor) if given.cursor else None,
    )


def searched(given: SearchInput, now: Micros) -> MemoryQuery:
    """A search's question."""
    event_types = tuple(given.event_types or ())
    if len(event_types) > MAX_EVENT_TYPES:
        raise refuse("event_types", f"must hold at most {MAX_EVENT_TYPES} types")
    for index, event_type in enumerate(event_types):
        if not event_type:
            raise refuse(f"event_types[{index}]", "must not be empty")
        checked_event_type(event_type, f"event_types[{index}]")
    return MemoryQuery(
        filter=MemoryFilter(
            agent_ids=_one(checked_id(given.agent_id or "", "agent_id")),
            session_id=checked_id(given.session_id or "", "session_id"),
            memory_types=tuple(given.memory_types or ()),
            event_types=event_types,
            tags=tuple(checked_tags(given.tags or ())),
            content_contains=checked_size(given.content_contains or "", "content_contains", MAX_NEEDLE_BYTES),
            min_importance=given.min_importance if isinstance(given.min_importance, float | int) else None,
        ),
        since=_time(given.since or "", now, "since"),
        until=_time(given.until or "", now, "until"),
        order=given.order or "desc",
        limit=given.limit or SEARCH_LIMIT,
        after=open_position(given.cursor) if given.cursor else None,
    )


def _offset(offset: int) -> int:
    if offset > MAX_OFFSET:
        raise refuse(
            "offset",
            f"must be at most {MAX_OFFSET}",
            hint="page with `cursor`: send the `next_cursor` of the last answer",
        )
    return offset


def _one(value: str) -> tuple[str, ...]:
    return (value,) if value else ()


def _time(text: str, now: Micros, field: str) -> Micros | None:
    return parse_time(text, now, field) if text else None
