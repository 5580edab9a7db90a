"""The journal in SQLite where several processes append to one file.

What one process keeps in memory the file has to say: the newest stamp, what is unsettled, the numbers
of orgs. All of it is read inside the transaction that writes.
"""

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Final

from core.adapters.sqlite.enduring import to_its_end
from core.adapters.sqlite.graves import GraveBook
from core.adapters.sqlite.grouping import MAX_LEAD, Groups
from core.adapters.sqlite.journal_reader import SqliteJournalReader
from core.adapters.sqlite.journal_schema import newest_stamp
from core.adapters.sqlite.shared import SharedDatabase
from core.adapters.sqlite.staging import Append, Staging, append_of
from core.adapters.sqlite.tail_index import TailIndex
from core.model.errors import ClockStepped
from core.model.journal_limits import JournalLimits
from core.model.memory import Draft, Micros, OrgId
from core.ports import Clock, IdempotencyKey, Receipt
from core.telemetry import Metrics


class SharedJournal(SqliteJournalReader):
    """Implements `Journal`, in as many processes at once as there are.

    Nothing of an append is under way when it returns, raises or was cancelled. Raises DatabaseError,
    with nothing stored, where its turn does not come.
    """

    def __init__(
        self,
        database: SharedDatabase,
        *,
        clock: Clock,
        metrics: Metrics,
        limits: JournalLimits,
        window: Micros,
        grace: Micros,
    ) -> None:
        book = GraveBook()
        database.when_replaced.append(book.forget)
        super().__init__(database, clock=clock, window=window, book=book)
        self._groups: Final = _SharedGroups(database, book, clock, metrics, limits, window, grace)

    async def append(
        self, org_id: OrgId, drafts: Sequence[Draft], idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        return await self._groups.append(append_of(org_id, drafts, idempotency))

    def close(self) -> None:
        """Refuses further appends; those under way are still answered."""
        self._groups.close()


class _SharedGroups(Groups):
    """A group is staged and committed on the writer's thread: each statement may ask another machine."""

    def __init__(
        self,
        database: SharedDatabase,
        book: GraveBook,
        clock: Clock,
        metrics: Metrics,
        limits: JournalLimits,
        window: Micros,
        grace: Micros,
    ) -> None:
        super().__init__(database, clock, metrics, 0)
        self._shared = database
        self._stage_on = partial(_staged, book=book, limits=limits, window=window, grace=grace)

    async def append(self, append: Append) -> list[Receipt]:
        try:
            return await super().append(append)
        except asyncio.CancelledError:
            await to_its_end(asyncio.ensure_future(self._shared.at_rest()))
            raise

    def _take_turn(self) -> None:
        group = self._next_group()
        if not group:  # all who waited have given up
            asyncio.get_running_loop().call_soon(self._finish, group, None)
            return
        started = self._clock.monotonic()
        appends = [append for append, _ in group]
        self._on_writer_thread(
            lambda: self._shared.write_here(partial(self._stage, appends)),
            lambda error: self._committed(group, error, started),
        )

    def _stage(self, appends: Sequence[Append], connection: sqlite3.Connection) -> None:
        now = self._clock.micros()
        last = self._newest(connection, now + MAX_LEAD)
        first = max(last + 1, now)
        self._last = first + sum(len(append.drafts) for append in appends) - 1
        self._stage_on(connection).stage(appends, now, first)

    def _newest(self, connection: sqlite3.Connection, latest: Micros) -> Micros:
        """The stamp to go on from. Raises ClockStepped where memories are stamped later than `latest`.

        What one org deleted may end later, by the clock of whoever deleted it: that stops this org alone.
        """
        newest: Micros | None = connection.execute("SELECT max(time) FROM journal").fetchone()[0]
        last = max(self._last, newest or 0)
        if last > latest:
            raise ClockStepped()
        known = newest_stamp(connection)
        return max(last, known) if known <= latest else last


def _staged(
    connection: sqlite3.Connection, *, book: GraveBook, limits: JournalLimits, window: Micros, grace: Micros
) -> Staging:
    """Remembers no org's number, and its index is nobody's: the file has one."""
    return Staging(connection, TailIndex(), book, limits, window, grace)
