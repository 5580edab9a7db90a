"""The journal in SQLite, as the one process that appends sees it."""

import sqlite3
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from core.adapters.sqlite.appender import Appender
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.graves import GraveBook
from core.adapters.sqlite.journal_reader import ANYTHING, EVER, SqliteJournalReader
from core.adapters.sqlite.journal_schema import as_json, chunks
from core.adapters.sqlite.staging import Staging, append_of
from core.adapters.sqlite.tail_index import TailIndex
from core.model.journal_limits import JournalLimits
from core.model.memory import Draft, MemoryFilter, Micros, Order, OrgId, Span
from core.ports import Clock, IdempotencyKey, Receipt, Tail, TailRows
from core.telemetry import Metrics

_PIECE: Final = 2_000
_WORTH_PRUNING: Final = 4_096
"""Times of one org in the index, beyond twice what is unsettled, that are worth looking them up."""


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
        self._index = TailIndex()
        book = GraveBook()
        self._reader = SqliteJournalReader(database, clock=clock, window=window, book=book, index=self._index)
        self._pruned_under: dict[OrgId, int] = {}
        """The version of each org's deletions at its last pruning."""
        staging = Staging(database.writer, self._index, book, limits, window, grace)
        self._appender = Appender(database, staging, clock, metrics, last=self._load())

    def _load(self) -> Micros:
        """Fills the index with what was unsettled at the last stop; returns the newest stamp known."""
        connection = self._database.writer
        last = 0
        for time, line in connection.execute("SELECT time, payload FROM journal ORDER BY time"):
            place = _place.decode(line)
            self._index.add(OrgId(place.org_id), time, place.session_id, place.agent_id)
            last = time
        gone: int = connection.execute(
            "SELECT max(max(settled_through, stamped_through)) FROM ledger"
        ).fetchone()[0]
        return max(last, gone)

    @property
    def committed_rows(self) -> int:
        return self._appender.committed_rows

    async def append(
        self, org_id: OrgId, drafts: Sequence[Draft], idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        return await self._appender.append(append_of(org_id, drafts, idempotency))

    async def tail(self, org_id: OrgId, filter: MemoryFilter, span: Span, order: Order, limit: int) -> Tail:
        return await self._reader.tail(org_id, filter, span, order, limit)

    async def tail_rows(self, org_id: OrgId, filter: MemoryFilter) -> TailRows:
        return await self._reader.tail_rows(org_id, filter)

    async def claimed_at(self, org_id: OrgId, dedup_key: str) -> Micros | None:
        return await self._reader.claimed_at(org_id, dedup_key)

    def indexed(self, org_id: OrgId) -> int:
        """How many times the index holds of this org: never fewer than are unsettled."""
        return self._index.size(org_id)

    async def prune(self) -> None:
        """Drops times of what is gone from the index where they are all, or more than those left."""
        orgs = self._index.orgs()
        # What is appended meanwhile is in a snapshot perhaps, and not among the times looked up in it.
        finished = self._appender.finished
        unsettled = await self._database.read(_unsettled) if orgs else {}
        for org_id in orgs:
            rows = unsettled.get(org_id, 0)
            if not rows:
                self._pruned_under.pop(org_id, None)
                self._index.prune(org_id, finished, ())
            elif self._index.size(org_id) >= 2 * rows + _WORTH_PRUNING:
                await self._prune(org_id)

    async def _prune(self, org_id: OrgId) -> None:
        finished, times = self._appender.finished, self._index.times(org_id, ANYTHING, EVER)
        known = self._pruned_under.get(org_id, 0)
        stale = await self._database.read(partial(_stale, org_id=org_id, times=times, known=known))
        if stale is not None:
            self._pruned_under[org_id], through, kept = stale
            self._index.prune(org_id, min(through, finished), kept)

    def close(self) -> None:
        """Refuses further appends; those under way are still answered."""
        self._appender.close()


def _unsettled(connection: sqlite3.Connection) -> dict[OrgId, int]:
    """How many memories are unsettled, of each org that has any."""
    return dict(connection.execute("SELECT org_id, rows FROM ledger WHERE rows > 0"))


def _stale(
    connection: sqlite3.Connection, org_id: OrgId, times: Sequence[Micros], known: int
) -> tuple[int, Micros, list[Micros]] | None:
    """The version of the org's deletions, how far the index may forget, and the stragglers before that.

    None when the org is gone.
    """
    row = connection.execute(
        "SELECT settled_through, deletions_version FROM ledger WHERE org_id = ?", (org_id,)
    ).fetchone()
    if row is None:
        return None
    through, version = row
    if version != known:  # deleted ones may be gone anywhere up to the newest that is committed
        through = max(through, connection.execute("SELECT max(time) FROM journal").fetchone()[0] or 0)
    stragglers: list[Micros] = []
    # In pieces: one list of a hundred thousand times would hold the interpreter for tens of milliseconds.
    for chunk in chunks(times[: bisect_right(times, through)], _PIECE):
        found = connection.execute(
            "SELECT time FROM journal WHERE time IN (SELECT value FROM json_each(?)) ORDER BY time",
            (as_json(chunk),),
        )
        stragglers += [time for (time,) in found]
    return version, through, stragglers
