"""One SQLite file: one writer, a few readers, and turns between processes.

All of a process's writes go through one connection, one transaction at a time; reads run on
threads with connections of their own, each in one snapshot. Processes that share the file take
turns (`turns.py`) instead of relying on SQLite's busy handler, which is unfair.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Literal, TypeVar

from core.adapters.sqlite.enduring import to_its_end
from core.adapters.sqlite.lane import Lane
from core.adapters.sqlite.turns import Turns
from core.adapters.sqlite.worker import Worker
from core.model.errors import DatabaseError

T = TypeVar("T")
Synchronous = Literal["normal", "full", "extra"]
_BUSY_MS: Final = 5_000
CACHE_KIB: Final = 16_384
"""Of the writer; each reader has a quarter."""


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """The seam: no sqlite3 error leaves this adapter."""
    try:
        yield
    except sqlite3.Error as e:
        if is_busy(e):
            raise busy(f"others use the database {path} for too long: {e}") from e
        raise DatabaseError(
            f"the database {path} cannot be used: {e}",
            hint="check that the file is writable, not damaged, and that the disk is not full",
        ) from e


def busy(message: str) -> DatabaseError:
    """The error of whoever may come again at once."""
    return DatabaseError(message, hint="try again; many write to it, or one does for long", retry_after=1)


def is_busy(error: sqlite3.Error) -> bool:
    """Whether it says no more than that others were quicker."""
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


class Database:
    """Opens the file at once (raises DatabaseError); `close` may be called twice."""

    def __init__(
        self, path: Path, *, synchronous: Synchronous = "full", readers: int = 2, cache_kib: int = CACHE_KIB
    ) -> None:
        self.path: Final = path
        self._synchronous = synchronous
        self._readers = readers
        self._idle: queue.SimpleQueue[sqlite3.Connection] = queue.SimpleQueue()
        with translated(path):
            self._open(cache_kib)
        self.turns: Final = self._turns_at(path.with_name(path.name + ".turn"))
        self.lane: Final = Lane()
        """Whose turn it is with the writer connection, within this process."""
        self.writer_thread: Final = Worker("memtrace-writer")
        self._reader_threads = ThreadPoolExecutor(readers, "memtrace-reader")
        self._admits = threading.Event()
        self._admits.set()
        self._closed = False

    def _open(self, cache_kib: int) -> None:
        self.writer = self._connect(cache_kib)
        for connection in [self._connect(cache_kib // 4) for _ in range(self._readers)]:
            self._idle.put(connection)

    def _turns_at(self, path: Path) -> Turns:
        return Turns(path)

    def _connect(self, cache_kib: int) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={self._synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA cache_size=-{cache_kib}")
        # Pages. Far above what the checkpointer lets grow, so that no commit pays for a
        # checkpoint while a server runs; a bound all the same (1 GB) where none does.
        connection.execute("PRAGMA wal_autocheckpoint=250000")
        # What is deleted is overwritten, also in pages that become free: FAST would leave those as they
        # are, and a settled memory's text in them for anyone to find. Measured: settling 300 byte
        # memories goes at 94,000 a second instead of 119,000, of 8 KB at 20,000 instead of 51,000.
        connection.execute("PRAGMA secure_delete=ON")
        return connection

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` on a reader thread, in one snapshot that includes every commit made before."""
        return await asyncio.get_running_loop().run_in_executor(self._reader_threads, self._read, work)

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        self._admits.wait()
        connection = self._idle.get()
        try:
            with translated(self.path):
                connection.execute("BEGIN")
                try:
                    return work(connection)
                finally:
                    connection.execute("ROLLBACK")
        finally:
            self._idle.put(connection)

    @contextlib.contextmanager
    def without_readers(self, patience: float) -> Iterator[bool]:
        """Within, no read of this process is under way, and those that come wait for the end of it.

        False where one that ran took longer than `patience` seconds. Blocks: for one thread at a time.
        """
        held: list[sqlite3.Connection] = []
        until = time.monotonic() + patience
        self._admits.clear()
        try:
            with contextlib.suppress(queue.Empty):
                while len(held) < self._readers:
                    held.append(self._idle.get(timeout=max(0.0, until - time.monotonic())))
            yield len(held) == self._readers
        finally:
            for connection in held:
                self._idle.put(connection)
            self._admits.set()

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` in one immediate transaction, durable when this returns; it alone writes.

        An error from `work` rolls back. A cancelled caller does not stop a transaction that began.
        """
        await self.lane.entered()
        try:
            return await self.on_writer_thread(lambda: self._write(work))
        finally:
            self.lane.leave()

    async def on_writer_thread(self, work: Callable[[], T]) -> T:
        """Runs `work` there; whoever calls this holds the lane. A cancelled caller waits for its end."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            try:
                result = work()
            except BaseException as e:  # noqa: BLE001  carried to whoever waits
                loop.call_soon_threadsafe(future.set_exception, e)
            else:
                loop.call_soon_threadsafe(future.set_result, result)

        self.writer_thread.submit(run)
        # The lane must not be left, and the connection used, before the work has ended.
        return await to_its_end(future)

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with translated(self.path), self.turns.held():
            self.writer.execute("BEGIN IMMEDIATE")
            try:
                result = work(self.writer)
                self.writer.execute("COMMIT")
            except BaseException:
                if self.writer.in_transaction:
                    self.writer.execute("ROLLBACK")
                raise
            return result

    def close(self) -> None:
        """Waits for what runs, then closes every connection."""
        if self._closed:
            return
        self._closed = True
        self.writer_thread.close()
        self._reader_threads.shutdown()
        self._disconnect()
        self.turns.close()

    def _disconnect(self) -> None:
        for _ in range(self._readers):
            self._idle.get().close()
        self.writer.close()
