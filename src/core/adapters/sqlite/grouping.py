"""Appends that wait are taken together: what arrives while one group is written is the next one."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.staging import Append
from core.model.errors import ShuttingDown
from core.model.memory import Micros
from core.ports import Clock, Receipt
from core.telemetry import Metrics

_MAX_ROWS: Final = 2_000
_MAX_BYTES: Final = 8 * 1024 * 1024
MAX_LEAD: Final = 1_000_000
"""A stamp never leads the wall clock by more than this."""

Waiting = tuple[Append, "asyncio.Future[list[Receipt]]"]


class Groups(ABC):
    """Lives on one event loop; `_take_turn`, called when the lane is ours, writes the next group."""

    def __init__(self, database: Database, clock: Clock, metrics: Metrics, last: Micros) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._last = last
        self._waiting: deque[Waiting] = deque()
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

    @abstractmethod
    def _take_turn(self) -> None: ...

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

    def _next_group(self) -> list[Waiting]:
        group: list[Waiting] = []
        rows = size = 0
        while self._waiting:
            drafts = self._waiting[0][0].drafts
            rows += len(drafts)
            size += sum(len(d.content) + len(d.metadata_json) for d in drafts)
            if group and (rows > _MAX_ROWS or size > _MAX_BYTES):
                break
            group.append(self._waiting.popleft())
        return group

    def _committed(self, group: list[Waiting], error: BaseException | None, started: float) -> None:
        rows = sum(len(append.receipts) for append, _ in group)
        self.committed_rows += rows
        self._metrics.observe("memtrace_commit_seconds", self._clock.monotonic() - started)
        self._metrics.observe("memtrace_commit_rows", rows)
        self._finish(group, error)

    def _finish(self, group: list[Waiting], error: BaseException | None) -> None:
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
