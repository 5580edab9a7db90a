"""The statements that ask a store for memories, as text: the same for DuckDB here and for Arc.

Arc finds the hours to read in the text of the first WHERE, so the two half-open time bounds
come first in it, as literals, and nothing before it says WHERE. `source` is what follows FROM.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from core.adapters.events.literal import literal, literal_within
from core.model.memory import (
    ERROR_EVENT,
    Exclusion,
    MemoryFilter,
    Micros,
    Order,
    OrgId,
    Position,
    Span,
    sessions_in,
)
from core.model.timewindow import LATEST, moment_of

ROOM: Final = 9_500
"""Bytes of a statement for Arc, which refuses 10,000."""

_FEW: Final = 8
"""Sessions that are left out one by one."""
_SESSIONS: Final = 16
"""In one clause where there is little room for clauses."""

DERIVED_KEY: Final = (
    "CASE WHEN coalesce(dedup_key, '') != '' THEN dedup_key ELSE left(sha256("
    "encode(coalesce(agent_id, '') || '|' || coalesce(event_type, '') || '|')"
    " || encode(coalesce(content, ''))[1:200]), 32) END"
)
"""The dedup key, or where a row has none the one that `default_dedup_key` makes of its content."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL, and whether it asks for everything the filter says.

    Where it does not (`is_exact` is False) there was no room: it finds too much, and the caller
    applies `MemoryFilter.matches` itself. `order` is how its rows come, for whoever wraps it.
    """

    text: str
    is_exact: bool = True
    order: str = ""


@dataclass(frozen=True, slots=True)
class Matching:
    """Which rows of which source: what all statements have in common.

    `room` is the number of bytes a whole statement may take, None where there is no limit.
    `pruned` is False where Arc is to look into every file: a quoted column is no bound to it.
    `keyed` is False where rows without a dedup key were seen: their identity is then computed
    from their content as `default_dedup_key` does, at the price of reading it.
    """

    source: str
    org_id: OrgId
    filter: MemoryFilter
    span: Span
    after: Position | None = None
    room: int | None = None
    keyed: bool = True
    pruned: bool = True

    @property
    def key(self) -> str:
        return "dedup_key" if self.keyed else DERIVED_KEY


def moment(time: Micros) -> str:
    """A time as a literal in the form that Arc's pruner recognises; clamped to 1970 … 9999."""
    return moment_of(min(max(time, 0), LATEST)).strftime("'%Y-%m-%dT%H:%M:%S.%fZ'")


def search(matching: Matching, order: Order, limit: int) -> Statement:
    """The first rows in (time, dedup key) order: columns in `schema.ROW` order."""
    direction = order.upper()
    head = (
        f"SELECT epoch_us(time) AS t, org_id, agent_id, session_id, memory_type, event_type, content,"
        f" metadata_json, tags_csv, {matching.key} AS k, TRY_CAST(importance AS DOUBLE) AS i, parent_id"
    )
    found = _statement(head, matching, f" ORDER BY time {direction}, k {direction} LIMIT {limit:d}")
    return replace(found, order=f"t {direction}, k {direction}")


def times(matching: Matching, order: Order, limit: int) -> Statement:
    """Only the times of what `search` would find: narrow, for deciding where to read on."""
    return _statement(
        "SELECT epoch_us(time) AS t", matching, f" ORDER BY time {order.upper()} LIMIT {limit:d}"
    )


def identities(matching: Matching) -> Statement:
    """(time, dedup key, memory type, event type), each once, in no order."""
    return _statement(_identity(matching), matching, "")


def earliest(source: str) -> Statement:
    """The oldest time of all rows, in microseconds; NULL where there is no row."""
    return Statement(f"SELECT epoch_us(min(time)) AS t FROM {source}")


def tally(matching: Matching, recent_since: Micros, *, distinct: bool = True) -> Statement:
    """Per memory type: type, count, recent, recent errors, newest time, rows without a key.

    `distinct` may be False where no memory is stored twice in the source: then keys are not even
    read, which are most of the bytes, and rows without one are not counted apart.
    """
    recent = f"t >= {recent_since:d}"
    inner = _identity(matching) if distinct else "SELECT epoch_us(time) AS t, memory_type, event_type"
    keyless = "count(CASE WHEN coalesce(k, '') = '' THEN 1 END)" if distinct else "0"
    # CASE and not FILTER (WHERE …): the first WHERE of the text must be the one with the times.
    head = (
        "SELECT memory_type, count(*) AS n,"
        f" count(CASE WHEN {recent} THEN 1 END) AS recent,"
        f" count(CASE WHEN {recent} AND event_type = '{ERROR_EVENT}' THEN 1 END) AS errors,"
        f" max(t) AS newest, {keyless} AS keyless FROM ({inner}"
    )
    return _statement(head, matching, ") AS found GROUP BY memory_type")


def _identity(matching: Matching) -> str:
    return f"SELECT DISTINCT epoch_us(time) AS t, {matching.key} AS k, memory_type, event_type"


def _statement(head: str, matching: Matching, tail: str) -> Statement:
    start = f"{head} FROM {matching.source} WHERE {' AND '.join(_bounds(matching))}"
    clauses = list(_clauses(matching))
    if matching.room is None:
        return Statement(" AND ".join([start, *clauses, *_content(matching.filter)]) + tail)
    room = matching.room - len(start.encode()) - len(tail.encode())
    is_exact = True
    for clause in clauses:
        cost = len(clause.encode()) + len(" AND ")
        if cost <= room:
            start, room = f"{start} AND {clause}", room - cost
        else:
            is_exact = False
    content, is_whole = _content_within(matching.filter, room)
    return Statement(start + content + tail, is_exact and is_whole)


def _bounds(matching: Matching) -> Iterator[str]:
    since, until, after = matching.span.since, matching.span.until, matching.after
    if after is not None and after.order == "desc":
        until = min(until, after.time + 1)
    elif after is not None:
        since = max(since, after.time)
    column = "time" if matching.pruned else '"time"'
    yield f"{column} >= {moment(since)}"
    yield f"{column} < {moment(until)}"
    yield f"org_id = {literal(matching.org_id)}"
    if after is not None:
        beyond = "<" if after.order == "desc" else ">"
        key = f"{matching.key} {beyond} {literal(after.dedup_key)}"
        # A row without a key is let through here, found out by the caller and asked for again.
        unkeyed = " OR coalesce(dedup_key, '') = ''" if matching.keyed else ""
        yield f"(epoch_us(time) != {after.time:d} OR {key}{unkeyed})"


def _clauses(matching: Matching) -> Iterator[str]:
    filter = matching.filter
    if filter.dedup_key:
        # As after a place: a row without a key is let through, found out, and asked for again.
        unkeyed = " OR coalesce(dedup_key, '') = ''" if matching.keyed else ""
        yield f"({matching.key} = {literal(filter.dedup_key)}{unkeyed})"
    if filter.session_id:
        yield f"session_id = {literal(filter.session_id)}"
    for column, values in (
        ("agent_id", filter.agent_ids),
        ("memory_type", filter.memory_types),
        ("event_type", filter.event_types),
    ):
        if values:
            yield _one_of(column, values)
    # Absent importance counts as 0.0, so a bound of zero or less asks nothing.
    if filter.min_importance is not None and filter.min_importance > 0:
        yield f"TRY_CAST(importance AS DOUBLE) >= {filter.min_importance!r}"
    for tag in filter.tags:
        yield f"contains(',' || tags_csv || ',', {literal(f',{tag},')})"
    yield from _left_out(filter.excluded, None if matching.room is None else _SESSIONS)


def _left_out(excluded: Sequence[Exclusion], at_once: int | None) -> Iterator[str]:
    """Each by itself; but sessions, of which there may be very many, in maps of so many."""
    sessions = sorted(sessions_in(excluded).items())
    sessions = sessions if len(sessions) > _FEW else []
    for exclusion in excluded:
        if not sessions or exclusion.agent_ids or not exclusion.session_id:
            yield f"NOT ({' AND '.join(_covered(exclusion))})"
    size = at_once or len(sessions) or 1
    for start in range(0, len(sessions), size):
        untils = ", ".join(
            f"{literal(session)}: {until:d}" for session, until in sessions[start : start + size]
        )
        yield f"NOT coalesce(epoch_us(time) < MAP {{{untils}}}[coalesce(session_id, '')], false)"


def _covered(exclusion: Exclusion) -> Iterator[str]:
    """Never NULL: a row without a session or agent has an empty one."""
    # As a number: a quoted time would be taken for a bound of the whole question.
    yield f"epoch_us(time) < {exclusion.until:d}"
    if exclusion.session_id:
        yield f"coalesce(session_id, '') = {literal(exclusion.session_id)}"
    if exclusion.agent_ids:
        yield _one_of("coalesce(agent_id, '')", exclusion.agent_ids)


def _one_of(column: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f"{column} = {literal(values[0])}"
    return f"{column} IN ({', '.join(literal(value) for value in values)})"


def _content(filter: MemoryFilter) -> Iterator[str]:
    if filter.content_contains:
        yield f"contains(content, {literal(filter.content_contains)})"


def _content_within(filter: MemoryFilter, room: int) -> tuple[str, bool]:
    if not filter.content_contains:
        return "", True
    shell = len(" AND contains(content, )")
    text, is_whole = literal_within(filter.content_contains, room - shell)
    return ("", False) if text == "''" else (f" AND contains(content, {text})", is_whole)
