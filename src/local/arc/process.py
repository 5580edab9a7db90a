"""What of a double lives as long as one process of Arc does: buffers, caches, the open log."""

import asyncio
from typing import Final

from core.ports import Clock
from local.arc.accounts import Accounts
from local.arc.buffers import Buffers
from local.arc.engine import Engine
from local.arc.faults import Faults
from local.arc.files import Files
from local.arc.log import Log
from local.arc.partitions import Partitions
from local.arc.settings import ArcSettings


class Process:
    """Made at each start, after which nothing of the one before it is left but files."""

    def __init__(
        self, settings: ArcSettings, *, clock: Clock, engine: Engine, faults: Faults, accounts: Accounts
    ) -> None:
        self.settings: Final = settings
        self.clock: Final = clock
        self.engine: Final = engine
        self.faults: Final = faults
        self.accounts: Final = accounts
        self.started_at: Final = clock.monotonic()
        self.stopping: Final = asyncio.Event()
        self.fatal = ""
        """Why it would have died, had it been Arc; it answers nothing then."""
        self.files: Final = Files(settings.root, settings.data / "tmp")
        self.partitions: Final = Partitions(self.files, clock)
        self._log: Final = Log(settings.data / "wal", clock) if settings.wal else None
        self.buffers: Final = Buffers(
            settings,
            clock=clock,
            engine=engine,
            files=self.files,
            faults=faults,
            log=self._log,
            died=self._die,
        )

    async def recover(self) -> None:
        """Buffers again what the log holds from before, flushed or not; the log has none of it then."""
        if self._log is None:
            return
        for database, record in self._log.replay(self.clock.micros()):
            await self.buffers.add(database, [record], logged=False)

    async def write_out(self) -> None:
        """Runs until it would have died: wakes when the oldest buffer is old enough."""
        while not self.fatal:
            self.buffers.filled.clear()
            due = self.buffers.next_due()
            if due is None:
                await self.buffers.filled.wait()
                continue
            await asyncio.sleep(max(due, 0.001))
            await self.buffers.flush_due()

    def stop(self) -> None:
        """After the buffers were written out: the log is not needed any more."""
        if self._log is not None:
            self._log.purge()

    def crash(self, unsynced: int) -> None:
        """Loses what waits in memory; of the log, as many of its last entries as were not written yet."""
        self.buffers.drop(unsynced)
        if self._log is not None:
            self._log.close()

    def _die(self, why: str) -> None:
        self.fatal = self.fatal or why
        self.buffers.drop()
