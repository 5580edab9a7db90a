"""Keeps the write-ahead log short without making a commit pay for it.

PASSIVE checkpoints copy nearly all of the log on a thread and connection of their own; a RESTART in
the lane then copies what came meanwhile and lets the next commit begin the log anew. After a
deletion it is a TRUNCATE instead, so that no copy of what was deleted stays in the log.

Reads may follow one another so closely that one of them always needs the old log, which would then
grow for ever: from some size on they are held for a moment.
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal

from core.adapters.sqlite.database import Database, translated
from core.adapters.sqlite.journal_schema import content_gone
from core.adapters.sqlite.turns import Turns

_ROWS: Final = 20_000
_SECONDS: Final = 30.0
_CLEAN_EVERY: Final = 5.0
"""Seconds between two emptyings of the log, however much is deleted."""
_PATIENCE_MS: Final = 100
"""How long emptying it waits for readers, while nobody writes."""
_LARGE: Final = 512 << 20
"""Bytes of log from which on readers are held, rather than let it grow."""
_LONGEST_READ: Final = 10.0
"""Seconds for which those that run are waited for then."""
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
            self._page_size: int = self._connection.execute("PRAGMA page_size").fetchone()[0]
        self._turns = Turns(database.path.with_name(database.path.name + ".turn"))
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
        left = await self._in_lane("RESTART", 0)
        if left * self._page_size > _LARGE:
            await self._without_readers("RESTART")
        return True

    async def clean(self, now: float) -> bool:
        """Empties the log where something was deleted since it was emptied last, here or by another process.

        True when nothing deleted is left in it. False when that has to be tried again: a reader still
        needs it, or the last time is less than 5 s ago (`now` is monotonic).
        """
        deleted = await self._database.read(content_gone)
        if deleted == self._cleaned:
            return True
        if now < self._clean_at:
            return False
        self._clean_at = now + _CLEAN_EVERY
        await self._copy()
        if await self._in_lane("TRUNCATE", _PATIENCE_MS) and await self._without_readers("TRUNCATE"):
            return False
        self._cleaned = deleted
        return True

    async def _copy(self) -> None:
        for _ in range(_ROUNDS):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._passive)

    def _passive(self) -> None:
        with translated(self._database.path):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    async def _in_lane(self, mode: _Mode, patience_ms: int) -> int:
        """In the lane, and giving up soon where a reader still needs the old log; how many pages are left."""
        await self._database.lane.entered()
        try:
            return await self._database.on_writer_thread(partial(self._checkpoint, mode, patience_ms))
        finally:
            self._database.lane.leave()

    def _checkpoint(self, mode: _Mode, patience_ms: int) -> int:
        with translated(self._database.path), self._database.turns.held():
            self._database.writer.execute(f"PRAGMA busy_timeout={patience_ms}")
            try:
                return _left(self._database.writer, mode)
            finally:
                self._database.writer.execute("PRAGMA busy_timeout=5000")

    async def _without_readers(self, mode: _Mode) -> int:
        """The same with this process's readers held, on our own connection; how many pages are left."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._checkpoint_alone, mode)

    def _checkpoint_alone(self, mode: _Mode) -> int:
        with self._database.without_readers(_LONGEST_READ):
            self._passive()
            with translated(self._database.path), self._turns.held():
                self._connection.execute(f"PRAGMA busy_timeout={_PATIENCE_MS}")
                return _left(self._connection, mode)

    def close(self) -> None:
        """Waits for a checkpoint that runs; may be called twice."""
        self._thread.shutdown()
        self._connection.close()
        self._turns.close()


def _left(connection: sqlite3.Connection, mode: _Mode) -> int:
    """Checkpoints; the pages in a log that could not begin anew, 0 where it can."""
    busy, pages, _ = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return max(int(pages), 1) if busy else 0
