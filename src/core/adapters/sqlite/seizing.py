"""The database that is there, taken from everybody else, while another one takes its place."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from core.adapters.sqlite.comparing import compare, hand_over_deletions
from core.adapters.sqlite.database import translated
from core.model.backup import Comparison
from core.model.errors import DatabaseError, HeldByOther
from core.model.memory import Micros

_LOG_FILES = ("-wal", "-shm", "-journal")


@contextlib.contextmanager
def seized(path: Path) -> Iterator["SqliteSwap"]:
    """Until this is left no other process can use the database at `path`; it need not be there.

    Leaving the log mode needs the file for oneself, so an idle process that has it open is seen
    too; and it leaves one file without a log. Raises HeldByOther.
    """
    if not path.exists():
        yield SqliteSwap(path, None)
        return
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        yield SqliteSwap(path, connection if _is_ours_alone(connection, path) else None)


def _is_ours_alone(connection: sqlite3.Connection, path: Path) -> bool:
    """False where the file cannot be read at all."""
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as e:
        if e.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise HeldByOther(
                f"{path} is in use by another process",
                hint="stop the server and the flusher, and wait for commands that run",
            ) from e
        return False
    except sqlite3.DatabaseError:
        return False
    return True


class SqliteSwap:
    """Implements `DatabaseSwap`."""

    def __init__(self, path: Path, connection: sqlite3.Connection | None) -> None:
        self._path = path
        self._connection = connection

    @property
    def is_unreadable(self) -> bool:
        """Whether there is a file that is no database, or a damaged one."""
        return self._connection is None and self._path.exists()

    def compare(self, staged: Path) -> Comparison | None:
        if self._connection is None:
            return None
        with translated(self._path), _attached(self._connection, staged):
            return compare(self._connection)

    def hand_over_deletions(self, staged: Path, now: Micros) -> None:
        if self._connection is None:
            return
        with translated(self._path), _attached(self._connection, staged), _transaction(self._connection):
            hand_over_deletions(self._connection, now)

    def keep_aside(self, aside: Path) -> bool:
        """Gives the old database a second name, before it loses its own. False: there is none."""
        if not self._path.exists():
            self._move_logs(aside)
            return False
        with _on_disk(self._path):
            os.link(self._path, aside)
        if self._connection is None:
            self._move_logs(aside)  # of no use to the new one, and deadly for it
        return True

    def swap(self, staged: Path) -> None:
        """In one step and on disk: the staged database is in force."""
        with _on_disk(self._path):
            os.replace(staged, self._path)
            handle = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _move_logs(self, aside: Path) -> None:
        with _on_disk(self._path):
            for suffix in _LOG_FILES:
                log = self._path.with_name(self._path.name + suffix)
                if log.exists():
                    os.replace(log, aside.with_name(aside.name + suffix))


@contextlib.contextmanager
def _attached(connection: sqlite3.Connection, staged: Path) -> Iterator[None]:
    """The staged database as `backup`, beside the old one, which is `main`."""
    connection.execute("ATTACH ? AS backup", (str(staged),))
    try:
        yield
    finally:
        connection.execute("DETACH backup")


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def _on_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise DatabaseError(
            f"{path} cannot be replaced: {e.strerror or type(e).__name__}",
            hint="check the rights of its folder; its file system must have hard links",
        ) from e
