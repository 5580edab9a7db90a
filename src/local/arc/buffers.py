"""Rows between the answer to their write and the file that shows them: in memory, seen by nobody."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from core.ports import Clock
from local.arc.columns import Batch, batch_of, joined
from local.arc.engine import Engine, QueryFailed
from local.arc.faults import Faults
from local.arc.files import Files
from local.arc.log import Log
from local.arc.records import Record
from local.arc.settings import ArcSettings

Key = tuple[str, str]


class FlushFailed(Exception):
    """Rows that were acknowledged are gone, in the words of Arc."""


@dataclass(slots=True)
class Stats:
    """Counted from the start of the process."""

    buffered: int = 0
    written: int = 0
    flushes: int = 0
    errors: int = 0
    last_error: str = ""
    """Why rows were lost last: Arc only logs it."""


@dataclass(slots=True)
class _Buffer:
    since: float
    signature: tuple[tuple[str, str], ...]
    batches: list[Batch] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(batch.rows for batch in self.batches)


class Buffers:
    """One buffer per (database, measurement); written out by age, size and change of columns."""

    def __init__(
        self,
        settings: ArcSettings,
        *,
        clock: Clock,
        engine: Engine,
        files: Files,
        faults: Faults,
        log: Log | None,
        died: Callable[[str], None],
    ) -> None:
        """`died` is called where Arc's process would have ended."""
        self._settings: Final = settings
        self._clock: Final = clock
        self._engine: Final = engine
        self._files: Final = files
        self._faults: Final = faults
        self._log: Final = log
        self._died: Final = died
        self._buffers: dict[Key, _Buffer] = {}
        self._writing: Final = asyncio.Lock()
        self.stats: Final = Stats()
        self.filled: Final = asyncio.Event()

    @property
    def active(self) -> int:
        return len(self._buffers)

    async def add(self, database: str, records: list[Record], *, logged: bool = True) -> None:
        """Record by record: those before one that fails stay. Raises Inconvertible."""
        for record in records:
            batch = batch_of(record)
            if self._log is not None and logged:
                self._log.append(database, record.measurement, batch)
            await self._put((database, record.measurement), batch)
        await self.flush_due()

    async def _put(self, key: Key, batch: Batch) -> None:
        buffer = self._buffers.get(key)
        if buffer is not None and buffer.signature != batch.signature:
            await self._quietly([key])
            buffer = self._buffers.get(key)
        if buffer is None:
            buffer = self._buffers[key] = _Buffer(self._clock.monotonic(), batch.signature)
            self.filled.set()
        buffer.batches.append(batch)
        self.stats.buffered += batch.rows
        if buffer.rows >= self._settings.buffer_rows:
            await self._quietly([key])

    def next_due(self) -> float | None:
        """Seconds until the oldest buffer is old enough; None while all are empty."""
        if not self._buffers:
            return None
        oldest = min(buffer.since for buffer in self._buffers.values())
        return oldest + self._settings.buffer_age - self._clock.monotonic()

    async def flush_due(self) -> None:
        """Writes out what is old enough; what fails is lost, and only the counters tell."""
        now = self._clock.monotonic()
        age = self._settings.buffer_age
        await self._quietly([key for key, buffer in self._buffers.items() if now - buffer.since >= age])

    async def flush(self) -> None:
        """Writes out everything. Raises FlushFailed (the rest was written)."""
        failed: FlushFailed | None = None
        for key in list(self._buffers):
            try:
                await self._write_out(key)
            except FlushFailed as e:
                failed = e
        if failed is not None:
            raise failed

    async def _quietly(self, keys: list[Key]) -> None:
        for key in keys:
            try:
                await self._write_out(key)
            except FlushFailed:
                continue  # Arc logs it

    async def _write_out(self, key: Key) -> None:
        async with self._writing:
            buffer = self._buffers.pop(key, None)
            if buffer is None:
                return
            try:
                await self._write(key, joined(buffer.batches))
            except FlushFailed as e:
                self.stats.errors += 1
                self.stats.last_error = str(e)
                raise

    async def _write(self, key: Key, batch: Batch) -> None:
        if self._faults.take_flush():
            raise FlushFailed("failed to write to storage: made to fail")
        if not batch.columns.get("time"):
            raise FlushFailed("no time data in batch")
        if batch.is_fatal:
            self._died("a column without a name was written out")
            raise FlushFailed("the process ended")
        now = self._clock.micros()
        try:
            await self._engine.run(lambda s: self._files.write(s, *key, batch, now))
        except (QueryFailed, OSError, OverflowError) as e:
            raise FlushFailed(f"failed to write to storage: {e}") from e
        self.stats.written += batch.rows
        self.stats.flushes += 1

    def drop(self, unsynced: int = 0) -> None:
        """As a crash does: what waits is gone, and of the log its last entries, where there is one."""
        self._buffers.clear()
        if self._log is not None:
            self._log.forget(unsynced)
