"""One SQLite file that several processes write to, also from several machines (NFS, Amazon EFS).

Nothing is kept from one transaction to the next but the connection and SQLite's own cache, which
SQLite checks. Each transaction finds out first whether the file is still the one that was opened, and
its tables still those that this program knows.
"""

import asyncio
import contextlib
import os
import queue
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from core.adapters.sqlite.database import CACHE_KIB, Database, busy, is_busy, translated
from core.adapters.sqlite.enduring import to_its_end
from core.adapters.sqlite.journal_schema import content_gone
from core.adapters.sqlite.migrate import refuse_outdated
from core.adapters.sqlite.rollback import connect, is_in_place, journal_of, wipe_journal
from core.adapters.sqlite.waiting_turns import WaitingTurns
from core.model.errors import DatabaseError, HeldByOther

T = TypeVar("T")
_LONGEST_BUSY: Final = 2.0
"""Seconds for which SQLite waits for a lock, however patient we are for our turn."""
_TRIES: Final = (False, False, True)
"""Whether it is the last one."""


@dataclass(slots=True)
class _Seat:
    """Room for a connection, and what it was opened on."""

    cache_kib: int
    connection: sqlite3.Connection | None = None
    file: tuple[int, int] | None = None
    schema: int = -1

    def undo(self) -> None:
        """Ends a transaction that is open, with the connection where it has to be."""
        if self.connection is None:
            return
        try:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
        except sqlite3.Error:
            self.leave()

    def leave(self) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


class SharedDatabase(Database):
    """Opens the file with the first transaction, and again whenever it was replaced; never makes it.

    Every transaction is over when `read` or `write` returns, raises or is cancelled, so a process may
    be suspended between two of them. A write waits `patience` seconds for its turn, and
    what is not its own for about as long. Both raise DatabaseError, also while the file is missing or
    not of this program's version.
    """

    def __init__(self, path: Path, *, patience: float, readers: int = 2, cache_kib: int = CACHE_KIB) -> None:
        self._patience = patience
        self._seats: queue.SimpleQueue[_Seat] = queue.SimpleQueue()
        self.when_replaced: Final[list[Callable[[], None]]] = []
        """Called when the file is another one than before: what was remembered of it may be wrong."""
        self._file: tuple[int, int] | None = None
        super().__init__(path, synchronous="extra", readers=readers, cache_kib=cache_kib)

    def _open(self, cache_kib: int) -> None:
        self._writer_seat = _Seat(cache_kib)
        for _ in range(self._readers):
            self._seats.put(_Seat(cache_kib // 4))

    def _turns_at(self, path: Path) -> WaitingTurns:
        return WaitingTurns(path, self._patience)

    async def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `Database.read`. A cancelled caller waits for the end of a read that began."""
        return await to_its_end(asyncio.ensure_future(super().read(work)))

    async def at_rest(self) -> None:
        """Returns when no write of this process is under way, nor waits."""
        await self.lane.entered()
        self.lane.leave()

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        seat = self._seats.get()
        try:
            with translated(self.path), self._transaction(seat, "BEGIN") as connection:
                return work(connection)
        finally:
            self._seats.put(seat)

    def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        seat = self._writer_seat
        with translated(self.path), self.turns.held():
            with self._transaction(seat, "BEGIN IMMEDIATE") as connection:
                known = content_gone(connection)
                result = work(connection)
                is_wiped = content_gone(connection) != known
                connection.execute("COMMIT")
            if is_wiped:
                self._wipe(seat)
            return result

    def write_here(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `write`, on the writer's thread, for who holds the lane. Blocks."""
        return self._write(work)

    @contextlib.contextmanager
    def _transaction(self, seat: _Seat, begin: str) -> Iterator[sqlite3.Connection]:
        connection = self._begun(seat, begin)
        try:
            yield connection
        except sqlite3.Error as e:
            if not is_busy(e):  # whatever it was, a new connection has nothing of it
                seat.leave()
            raise
        finally:
            seat.undo()

    def _begun(self, seat: _Seat, begin: str) -> sqlite3.Connection:
        """The seat's connection in a transaction, on the file that is in force.

        One that a network or a replaced file broke is made anew: nothing was asked of it yet.
        """
        for is_last in _TRIES:
            try:
                connection = seat.connection or self._seated(seat)
                connection.execute(begin)
                if self._is_current(seat, connection):
                    return connection
            except sqlite3.Error as e:
                if is_busy(e):
                    seat.undo()
                    raise
                if is_last:
                    seat.leave()
                    raise
            except BaseException:
                seat.leave()
                raise
            seat.leave()
        raise busy(f"the database {self.path} is being replaced")

    def _seated(self, seat: _Seat) -> sqlite3.Connection:
        seat.file = _file_at(self.path)
        busy_ms = round(1000 * min(self._patience, _LONGEST_BUSY))
        try:
            connection = connect(self.path, busy_ms=busy_ms, cache_kib=seat.cache_kib)
        except HeldByOther as e:
            raise DatabaseError(e.message, hint=e.hint, retry_after=1) from e
        seat.connection = connection
        try:
            connection.execute("BEGIN")
            refuse_outdated(connection, self.path)
            seat.schema = _schema(connection)
            connection.execute("ROLLBACK")
        except BaseException:
            seat.leave()
            raise
        if self._file not in (None, seat.file):
            for forget in self.when_replaced:
                forget()
        self._file = seat.file
        return connection

    def _is_current(self, seat: _Seat, connection: sqlite3.Connection) -> bool:
        """Asked first in a transaction: from then on nobody can change the answer."""
        return (
            _schema(connection) == seat.schema
            and is_in_place(connection)
            and _file_at(self.path) == seat.file
        )

    def _wipe(self, seat: _Seat) -> None:
        """What is deleted is to be nowhere. Should this not come to pass, the next deletion does it."""
        if seat.connection is not None and journal_of(self.path).exists():
            with contextlib.suppress(sqlite3.Error, OSError):
                wipe_journal(seat.connection, self.path)

    def _disconnect(self) -> None:
        for _ in range(self._readers):
            self._seats.get().leave()
        self._writer_seat.leave()


def _schema(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA schema_version").fetchone()[0])


def _file_at(path: Path) -> tuple[int, int]:
    try:
        about = os.stat(path)
    except OSError as e:
        raise DatabaseError(
            f"there is no database {path}: {e.strerror}",
            hint="the flusher and `memtrace migrate` make it; check auth.db_path, and that it is mounted",
        ) from e
    return about.st_dev, about.st_ino
