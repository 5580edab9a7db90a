"""Keeps the write-ahead log short without making a commit pay for it.

PASSIVE checkpoints copy nearly all of the log on a thread and connection of their own; a RESTART in
the lane then copies what came meanwhile and lets the next commit begin the log anew. After a
deletion it is a TRUNCATE instead, so that no copy of what was deleted stays in the log.
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal

from core.adapters.sqlite.database import Database, translated

_ROWS: Final = 20_000
_SECONDS: Final = 30.0
_CLEAN_EVERY: Final = 5.0
"""Seconds between two emptyings of the log, however much is deleted."""
_PATIENCE_MS: Final = 100
"""How long emptying it waits for readers, while nobody writes."""
_ROUNDS: Final = 2
"""PASSIVE ones: the second copies what came during the first, so that the lane is held shortly."""


_Mode = Literal["RESTART", "TRUNCATE"]


class Checkpointer:
    """`step` and `clean` decide whether it is time; nothing it does blocks the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, "memtrace-checkpoint")
        with translated(database.path):
            self._connection = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA synchronous=FULL")
        self._rows_done = 0
        self._done_at = 0.0
        self._cleaned = 0
        self._clean_at = 0.0

    async def step(self, committed_rows: int, now: float) -> bool:
        """Checkpoints after 20,000 rows, or after 30 s (`now` is monotonic) with any. True if it did."""
        fresh = committed_rows - self._rows_done
        if fresh < _ROWS and (now - self._done_at < _SECONDS or not fresh):
            return False
        self._rows_done = committed_rows
        self._done_at = now
        await self._copy()
        await self._in_lane("RESTART", 0)
        return True

    async def clean(self, now: float) -> bool:
        """Empties the log where something was deleted since it was emptied last, here or by another process.

        True when nothing deleted is left in it. False when that has to be tried again: a reader still
        needs it, or the last time is less than 5 s ago (`now` is monotonic).
        """
        deleted = await self._database.read(_deleted)
        if deleted == self._cleaned:
            return True
        if now < self._clean_at:
            return False
        self._clean_at = now + _CLEAN_EVERY
        await self._copy()
        if not await self._in_lane("TRUNCATE", _PATIENCE_MS):
            return False
        self._cleaned = deleted
        return True

    async def _copy(self) -> None:
        for _ in range(_ROUNDS):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._passive)

    def _passive(self) -> None:
        with translated(self._database.path):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    async def _in_lane(self, mode: _Mode, patience_ms: int) -> bool:
        """In the lane, and giving up soon where a reader still needs the old log; whether it was done."""
        await self._database.lane.entered()
        try:
            return await self._database.on_writer_thread(partial(self._checkpoint, mode, patience_ms))
        finally:
            self._database.lane.leave()

    def _checkpoint(self, mode: _Mode, patience_ms: int) -> bool:
        with translated(self._database.path), self._database.turns.held():
            self._database.writer.execute(f"PRAGMA busy_timeout={patience_ms}")
            try:
                busy = self._database.writer.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
            finally:
                self._database.writer.execute("PRAGMA busy_timeout=5000")
            return not busy

    def close(self) -> None:
        """Waits for a checkpoint that runs; may be called twice."""
        self._thread.shutdown()
        self._connection.close()


def _deleted(connection: sqlite3.Connection) -> int:
    """Grows with every deletion that took something out of the journal."""
    found = connection.execute("SELECT deletions_version FROM ledger WHERE org_no = 0").fetchone()
    return int(found[0])
