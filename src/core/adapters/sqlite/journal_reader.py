"""Reads of the journal: what is unsettled and visible, each in one snapshot."""

import sqlite3
from collections.abc import Sequence
from typing import Final, NamedTuple

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.graves import GraveBook
from core.adapters.sqlite.long_reads import LongReads
from core.adapters.sqlite.tail import read_rows, read_times, scan
from core.adapters.sqlite.tail_index import TailIndex
from core.model.deletion import Graves
from core.model.memory import Memory, MemoryFilter, Micros, Order, OrgId, Span, claim_key
from core.ports import Clock, Tail, TailRow, TailRows

ANYTHING: Final = MemoryFilter()
EVER: Final = Span(0, 2**62)
_NO_LIMIT: Final = 2**62
_MANY: Final = 10_000
"""Rows that one read looks at quickly: more, and it takes its turn. Fewer are never scanned for."""


class _Standing(NamedTuple):
    """An org's row of the ledger."""

    org_no: int
    unsettled: int
    settled_through: Micros
    version: int


class SqliteJournalReader:
    """Implements `JournalReader`. Without an index it may be used beside the process that appends."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        window: Micros,
        book: GraveBook,
        index: TailIndex | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._window = window
        self._book = book
        self._index = index
        self._long_reads = LongReads(database)

    async def tail(self, org_id: OrgId, filter: MemoryFilter, span: Span, order: Order, limit: int) -> Tail:
        now = self._clock.micros()
        # Taken before the snapshot: a time that was pruned by now was settled or deleted by then, and
        # the snapshot says so. The other way round a row could slip between.
        times = self._index.times(org_id, filter, span) if self._index else None

        def read(connection: sqlite3.Connection) -> Tail:
            standing = _standing(connection, org_id)
            if standing is None:  # it never wrote here: all there is lies in its store
                return Tail([], now)
            graves = self._book.of(connection, standing.org_no, org_id, standing.version)
            if (
                not standing.unsettled
            ):  # nothing waits: the store may be asked up to now, for other writers too
                return Tail([], max(standing.settled_through, now), graves)
            found = _found(connection, standing.org_no, times, filter, graves, span, order, limit)
            return Tail(found, standing.settled_through, graves)

        if _is_long(times, filter, limit):
            return await self._long_reads.read(org_id, read)
        return await self._database.read(read)

    async def tail_rows(self, org_id: OrgId, filter: MemoryFilter) -> TailRows:
        if self._index is None or filter != MemoryFilter(agent_ids=filter.agent_ids):
            tail = await self.tail(org_id, filter, EVER, "asc", _NO_LIMIT)
            rows = [TailRow(m.time, m.dedup_key, m.memory_type, m.event_type) for m in tail.memories]
            return TailRows(rows, tail.settled_through, tail.graves)
        now = self._clock.micros()
        times = self._index.times(org_id, filter, EVER)  # before the snapshot, as in `tail`

        def read(connection: sqlite3.Connection) -> TailRows:
            standing = _standing(connection, org_id)
            if standing is None:
                return TailRows([], now)
            graves = self._book.of(connection, standing.org_no, org_id, standing.version)
            if not standing.unsettled:
                return TailRows([], max(standing.settled_through, now), graves)
            found = read_rows(connection, standing.org_no, times, graves)
            return TailRows(found, standing.settled_through, graves)

        if len(times) > _MANY:
            return await self._long_reads.read(org_id, read)
        return await self._database.read(read)

    async def claimed_at(self, org_id: OrgId, dedup_key: str) -> Micros | None:
        alive_since = self._clock.micros() - self._window

        def read(connection: sqlite3.Connection) -> Micros | None:
            row = connection.execute(
                """SELECT claims.time FROM claims JOIN ledger USING (org_no)
                   WHERE org_id = ? AND key = ? AND (claims.time > ?
                         OR EXISTS (SELECT 1 FROM journal WHERE journal.time = claims.time))""",
                (org_id, claim_key(dedup_key), alive_since),
            ).fetchone()
            return row[0] if row else None

        return await self._database.read(read)


def _is_long(times: Sequence[Micros] | None, filter: MemoryFilter, limit: int) -> bool:
    """Whether many rows may have to be looked at for this many matches."""
    if times is None:
        return True
    one_series = MemoryFilter(session_id=filter.session_id, agent_ids=filter.agent_ids)
    finds_at_once = filter == one_series and not (filter.session_id and filter.agent_ids)
    return len(times) > _MANY and not (finds_at_once and limit <= _MANY)


def _standing(connection: sqlite3.Connection, org_id: OrgId) -> _Standing | None:
    row = connection.execute(
        "SELECT org_no, rows, settled_through, deletions_version FROM ledger WHERE org_id = ?", (org_id,)
    ).fetchone()
    return _Standing(*row) if row else None


def _found(
    connection: sqlite3.Connection,
    org_no: int,
    times: Sequence[Micros] | None,
    filter: MemoryFilter,
    graves: Graves,
    span: Span,
    order: Order,
    limit: int,
) -> list[Memory]:
    """Of the rows at these times; without them, of all rows in the span."""
    if times is None:
        return scan(connection, org_no, span, filter, graves, order, limit)
    if not times:
        return []
    if len(times) <= _MANY or filter.session_id or filter.agent_ids or filter == ANYTHING:
        return read_times(connection, org_no, times, filter, graves, order, limit)
    return scan(connection, org_no, Span(times[0], times[-1] + 1), filter, graves, order, limit)
