"""The journal in SQLite, as the one process that appends sees it."""

import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from core.adapters.sqlite.appender import Appender
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.journal_schema import as_json, chunks
from core.adapters.sqlite.staging import JournalLimits, Staging, append_of
from core.adapters.sqlite.tail import read_rows, read_times, scan
from core.adapters.sqlite.tail_index import TailIndex
from core.model.memory import Draft, MemoryFilter, Micros, Order, OrgId, Span, claim_key
from core.ports import Clock, IdempotencyKey, Receipt, Tail, TailRow, TailRows
from core.telemetry import Metrics

_ANY: Final = MemoryFilter()
_EVERYTHING: Final = Span(0, 2**62)
_NO_LIMIT: Final = 2**62
_PIECE: Final = 2_000
_WORTH_PRUNING: Final = 4_096
"""Times of one org in the index that are worth a look at the ledger."""


class _Place(msgspec.Struct):
    org_id: str
    session_id: str
    agent_id: str


_place: Final = msgspec.json.Decoder(_Place)


class SqliteJournal:
    """Implements `Journal`. Only one process may have it open; `memtrace serve` sees to that."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        metrics: Metrics,
        limits: JournalLimits,
        window: Micros,
        grace: Micros,
    ) -> None:
        self._database = database
        self._clock = clock
        self._window = window
        self._index = TailIndex()
        staging = Staging(database.writer, self._index, limits, window, grace)
        self._appender = Appender(database, staging, clock, metrics, last=self._load())

    def _load(self) -> Micros:
        """Fills the index with what was unsettled at the last stop; returns the newest stamp known."""
        connection = self._database.writer
        last = 0
        for time, line in connection.execute("SELECT time, payload FROM journal ORDER BY time"):
            place = _place.decode(line)
            self._index.add(OrgId(place.org_id), time, place.session_id, place.agent_id)
            last = time
        settled: int = connection.execute("SELECT max(settled_through) FROM ledger").fetchone()[0]
        return max(last, settled)

    @property
    def committed_rows(self) -> int:
        return self._appender.committed_rows

    async def append(
        self, org_id: OrgId, drafts: Sequence[Draft], idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        return await self._appender.append(append_of(org_id, drafts, idempotency))

    async def tail(self, org_id: OrgId, filter: MemoryFilter, span: Span, order: Order, limit: int) -> Tail:
        now = self._clock.micros()
        # Taken before the snapshot: a time that was pruned by now was settled by then, and the
        # snapshot's `settled_through` says so. The other way round a row could slip between.
        times = self._index.times(org_id, filter, span)

        def read(connection: sqlite3.Connection) -> Tail:
            place = _place_in_ledger(connection, org_id)
            if place is None:  # it never wrote here: all there is lies in its store
                return Tail([], now)
            org_no, unsettled, settled_through = place
            if not unsettled:  # nothing waits: the store may be asked up to now, for other writers too
                return Tail([], max(settled_through, now))
            if not times:
                return Tail([], settled_through)
            if filter.session_id or filter.agent_ids or filter == _ANY:
                found = read_times(connection, org_no, times, filter, order, limit)
            else:
                found = scan(connection, org_no, Span(times[0], times[-1] + 1), filter, order, limit)
            return Tail(found, settled_through)

        return await self._database.read(read)

    async def tail_rows(self, org_id: OrgId, filter: MemoryFilter) -> TailRows:
        if filter != MemoryFilter(agent_ids=filter.agent_ids):
            tail = await self.tail(org_id, filter, _EVERYTHING, "asc", _NO_LIMIT)
            rows = [TailRow(m.time, m.dedup_key, m.memory_type, m.event_type) for m in tail.memories]
            return TailRows(rows, tail.settled_through)
        now = self._clock.micros()
        times = self._index.times(org_id, filter, _EVERYTHING)  # before the snapshot, as in `tail`

        def read(connection: sqlite3.Connection) -> TailRows:
            place = _place_in_ledger(connection, org_id)
            if place is None:
                return TailRows([], now)
            org_no, unsettled, settled_through = place
            if not unsettled:
                return TailRows([], max(settled_through, now))
            return TailRows(read_rows(connection, org_no, times), settled_through)

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

    def indexed(self, org_id: OrgId) -> int:
        """How many times the index holds of this org: never fewer than are unsettled."""
        return self._index.size(org_id)

    async def prune(self) -> None:
        """Drops settled times from the index where they are more than those left."""
        for org_id in self._index.orgs():
            if self._index.size(org_id) < _WORTH_PRUNING:
                continue
            times = self._index.times(org_id, _ANY, _EVERYTHING)
            stale = await self._database.read(partial(_stale, org_id=org_id, times=times))
            if stale is not None:
                self._index.prune(org_id, *stale)

    def close(self) -> None:
        """Refuses further appends; those under way are still answered."""
        self._appender.close()


def _place_in_ledger(connection: sqlite3.Connection, org_id: OrgId) -> tuple[int, int, Micros] | None:
    """The org's number, how many memories are unsettled, and how far all are settled."""
    row: tuple[int, int, Micros] | None = connection.execute(
        "SELECT org_no, rows, settled_through FROM ledger WHERE org_id = ?", (org_id,)
    ).fetchone()
    return row


def _stale(
    connection: sqlite3.Connection, org_id: OrgId, times: Sequence[Micros]
) -> tuple[Micros, list[Micros]] | None:
    """How far the index may forget, and the stragglers before that; None when it is not worth it."""
    row = connection.execute(
        "SELECT rows, settled_through FROM ledger WHERE org_id = ?", (org_id,)
    ).fetchone()
    if row is None:
        return times[-1], []
    unsettled, through = row
    if len(times) < 2 * unsettled + _WORTH_PRUNING:
        return None
    stragglers: list[Micros] = []
    # In pieces: one list of a hundred thousand times would hold the interpreter for tens of milliseconds.
    for chunk in chunks(times[: bisect_right(times, through)], _PIECE):
        found = connection.execute(
            "SELECT time FROM journal WHERE time IN (SELECT value FROM json_each(?)) ORDER BY time",
            (as_json(chunk),),
        )
        stragglers += [time for (time,) in found]
    return through, stragglers
