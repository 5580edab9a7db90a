"""Group commit: what arrives while one transaction commits is the next transaction.

The event loop stages rows, one thread runs COMMIT and wakes the loop once. A request is
answered after its commit is durable, never before.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from core.adapters.sqlite.database import Database, translated
from core.adapters.sqlite.staging import Append, Staging
from core.model.errors import ClockStepped, ShuttingDown
from core.model.memory import Micros
from core.ports import Clock, Receipt
from core.telemetry import Metrics

_MAX_ROWS: Final = 2_000
_MAX_BYTES: Final = 8 * 1024 * 1024
_MAX_LEAD: Final = 1_000_000
"""A stamp never leads the wall clock by more than this."""

_Waiting = tuple[Append, "asyncio.Future[list[Receipt]]"]


class Appender:
    """Lives on one event loop; `last` is the newest stamp ever given in this journal."""

    def __init__(
        self, database: Database, staging: Staging, clock: Clock, metrics: Metrics, last: Micros
    ) -> None:
        self._database = database
        self._staging = staging
        self._clock = clock
        self._metrics = metrics
        self._last = last
        self._waiting: deque[_Waiting] = deque()
        self._entered = False
        self._closed = False
        self.committed_rows = 0
        """Rows committed since the start, for the checkpointer."""
        self.finished = last
        """What is stamped up to here is committed, or never will be."""

    async def append(self, append: Append) -> list[Receipt]:
        """The receipts, once they are durable. A caller that is cancelled may have been stored.

        Unless it still waited: then nothing of it is kept, so that what waits is bounded by who does.
        """
        if self._closed:
            raise ShuttingDown()
        future: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()
        self._waiting.append((append, future))
        if not self._entered:
            self._entered = True
            self._database.lane.enter(self._take_turn)
        try:
            return await future
        except asyncio.CancelledError:
            self._waiting = deque(one for one in self._waiting if one[1] is not future)
            raise

    def close(self) -> None:
        """Refuses what comes from now on; what waits is still committed."""
        self._closed = True

    def _take_turn(self) -> None:
        if self._database.turns.try_take():
            self._stage()
        else:  # another process writes, or waits to: queue behind it, off the loop
            self._on_writer_thread(self._database.turns.take, self._stage_or_fail)

    def _on_writer_thread(
        self, work: Callable[[], None], then: Callable[[BaseException | None], None]
    ) -> None:
        loop = asyncio.get_running_loop()

        def run() -> None:
            error: BaseException | None = None
            try:
                work()
            except BaseException as e:  # noqa: BLE001  carried to the loop, which answers with it
                error = e
            loop.call_soon_threadsafe(then, error)

        self._database.writer_thread.submit(run)

    def _stage_or_fail(self, error: BaseException | None) -> None:
        if error is None:
            self._stage()
        else:
            self._finish(self._next_group(), error)

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        rows = size = 0
        while self._waiting:
            drafts = self._waiting[0][0].drafts
            rows += len(drafts)
            size += sum(len(d.content) + len(d.metadata_json) for d in drafts)
            if group and (rows > _MAX_ROWS or size > _MAX_BYTES):
                break
            group.append(self._waiting.popleft())
        return group

    def _stage(self) -> None:
        group = self._next_group()
        now = self._clock.micros()
        connection = self._database.writer
        first = max(self._last + 1, now)
        try:
            if self._last > now + _MAX_LEAD:
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

    def _committed(self, group: list[_Waiting], error: BaseException | None, started: float) -> None:
        rows = sum(len(append.receipts) for append, _ in group)
        self.committed_rows += rows
        self._metrics.observe("memtrace_commit_seconds", self._clock.monotonic() - started)
        self._metrics.observe("memtrace_commit_rows", rows)
        self._finish(group, error)

    def _finish(self, group: list[_Waiting], error: BaseException | None) -> None:
        """Answers the group, then lets others have the lane before the next one."""
        for append, future in group:
            if future.done():
                continue
            if failed := error or append.error:
                future.set_exception(failed)
            else:
                future.set_result(append.receipts)
        self.finished = self._last
        self._entered = bool(self._waiting)
        self._database.lane.leave()
        if self._entered:
            self._database.lane.enter(self._take_turn)
