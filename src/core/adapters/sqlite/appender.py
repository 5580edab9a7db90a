"""Group commit of the one process that appends.

The event loop stages rows, one thread runs COMMIT and wakes the loop once. A request is
answered after its commit is durable, never before.
"""

import asyncio

from core.adapters.sqlite.database import Database, translated
from core.adapters.sqlite.grouping import MAX_LEAD, Groups
from core.adapters.sqlite.staging import Staging
from core.model.errors import ClockStepped
from core.model.memory import Micros
from core.ports import Clock
from core.telemetry import Metrics


class Appender(Groups):
    """`last` is the newest stamp ever given in this journal."""

    def __init__(
        self, database: Database, staging: Staging, clock: Clock, metrics: Metrics, last: Micros
    ) -> None:
        super().__init__(database, clock, metrics, last)
        self._staging = staging

    def _take_turn(self) -> None:
        if self._database.turns.try_take():
            self._stage()
        else:  # another process writes, or waits to: queue behind it, off the loop
            self._on_writer_thread(self._database.turns.take, self._stage_or_fail)

    def _stage_or_fail(self, error: BaseException | None) -> None:
        if error is None:
            self._stage()
        else:
            self._finish(self._next_group(), error)

    def _stage(self) -> None:
        group = self._next_group()
        now = self._clock.micros()
        connection = self._database.writer
        first = max(self._last + 1, now)
        try:
            if self._last > now + MAX_LEAD:
                raise ClockStepped()
            # Set before anything is staged: a stamp that was rolled back is never given again.
            self._last = first + sum(len(append.drafts) for append, _ in group) - 1
            with translated(self._database.path):
                connection.execute("BEGIN IMMEDIATE")
                self._staging.stage([append for append, _ in group], now, first)
        except BaseException as e:
            # Not at once: a group that fails without a wait would stage the next one from within,
            # and a long enough queue of them would overflow the stack.
            asyncio.get_running_loop().call_soon(self._finish, group, e)
            try:
                self._undo()
            finally:
                self._database.turns.release()
            # It is the group's error, not that of whoever has just left the lane to it.
            if not isinstance(e, Exception):
                raise
            return
        started = self._clock.monotonic()
        self._on_writer_thread(self._commit, lambda error: self._committed(group, error, started))

    def _commit(self) -> None:
        try:
            with translated(self._database.path):
                self._database.writer.execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        finally:
            self._database.turns.release()

    def _undo(self) -> None:
        """Org numbers learned in this transaction are gone with it."""
        self._staging.org_numbers.clear()
        if self._database.writer.in_transaction:
            self._database.writer.execute("ROLLBACK")
