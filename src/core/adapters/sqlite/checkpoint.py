"""Keeps the write-ahead log short without making a commit pay for it.

PASSIVE checkpoints copy nearly all of the log on a thread and connection of their own; a RESTART in
the lane then copies what came meanwhile and lets the next commit begin the log anew.
"""

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from core.adapters.sqlite.database import Database, translated

_ROWS: Final = 20_000
_SECONDS: Final = 30.0
_ROUNDS: Final = 2
"""PASSIVE ones: the second copies what came during the first, so that the lane is held shortly."""


class Checkpointer:
    """`step` decides whether it is time; nothing it does blocks the event loop."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, "memtrace-checkpoint")
        with translated(database.path):
            self._connection = sqlite3.connect(database.path, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA synchronous=FULL")
        self._rows_done = 0
        self._done_at = 0.0

    async def step(self, committed_rows: int, now: float) -> bool:
        """Checkpoints after 20,000 rows, or after 30 s (`now` is monotonic) with any. True if it did."""
        fresh = committed_rows - self._rows_done
        if fresh < _ROWS and (now - self._done_at < _SECONDS or not fresh):
            return False
        self._rows_done = committed_rows
        self._done_at = now
        for _ in range(_ROUNDS):
            await asyncio.get_running_loop().run_in_executor(self._thread, self._passive)
        await self._restart()
        return True

    def _passive(self) -> None:
        with translated(self._database.path):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    async def _restart(self) -> None:
        """In the lane, and giving up at once where a reader still needs the old log."""
        await self._database.lane.entered()
        try:
            await self._database.on_writer_thread(self._restart_log)
        finally:
            self._database.lane.leave()

    def _restart_log(self) -> None:
        with translated(self._database.path), self._database.turns.held():
            self._database.writer.execute("PRAGMA busy_timeout=0")
            try:
                self._database.writer.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            finally:
                self._database.writer.execute("PRAGMA busy_timeout=5000")

    def close(self) -> None:
        """Waits for a checkpoint that runs; may be called twice."""
        self._thread.shutdown()
        self._connection.close()
