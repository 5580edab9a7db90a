"""Connections to a database that several machines share: a rollback journal, and no shared memory.

The rollback journal is one file that stays (`journal_mode=PERSIST`). A network file system may tell a
machine for seconds that a file is not there, or empty, although another one has just filled it: then
a reader would not see that a writer died in the middle. A file that is always there, and is opened to
be looked at, is known as it is (close-to-open). It also costs the fewest calls.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final
from urllib.parse import quote

from core.adapters.sqlite.database import is_busy
from core.model.errors import HeldByOther

_BUSY: Final = "try again; if it stays so, stop what serves it alone (`memtrace serve`, a server of 0.2.0)"
JOURNAL_LIMIT: Final = 512 * 1024
"""Bytes to which the rollback journal is cut back."""
_HEADER: Final = 28
"""Bytes at its front that say whether it counts. SQLite clears them at every commit."""
_ZEROES: Final = bytes(1 << 16)


def connect(path: Path, *, busy_ms: int, cache_kib: int) -> sqlite3.Connection:
    """A connection to the file, which must be there and is taken out of the log mode where it is in it.

    Raises HeldByOther where that needs the file for oneself and others have it open; sqlite3.Error.
    """
    uri = f"file:{quote(str(path.absolute()))}?mode=rw"
    connection = sqlite3.connect(
        uri,
        uri=True,
        timeout=busy_ms / 1000,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        _leave_log(connection, path)
        for pragma in (
            "synchronous=EXTRA",
            f"journal_size_limit={JOURNAL_LIMIT}",
            "mmap_size=0",
            "foreign_keys=ON",
            f"cache_size=-{cache_kib}",
            "secure_delete=ON",  # as in the log mode
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _leave_log(connection: sqlite3.Connection, path: Path) -> None:
    """With the file to itself a connection reads a log without shared memory, which no network has."""
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    try:
        mode = connection.execute("PRAGMA journal_mode=PERSIST").fetchone()[0]
    except sqlite3.OperationalError as e:
        if not is_busy(e):
            raise
        mode = "wal"
    if mode != "persist":
        raise HeldByOther(f"{path} is in use: others keep it busy, or one wants it to itself", hint=_BUSY)
    connection.execute("PRAGMA locking_mode=NORMAL")
    connection.execute("SELECT 1 FROM sqlite_master").fetchone()  # from now on it keeps no lock


def journal_of(path: Path) -> Path:
    return path.with_name(path.name + "-journal")


def is_in_place(connection: sqlite3.Connection) -> bool:
    """Whether nobody took the file back into the log mode; inside a transaction."""
    return bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "persist")


def wipe_journal(connection: sqlite3.Connection, path: Path) -> None:
    """Overwrites what former transactions left in the rollback journal, durably.

    Keeps everybody from writing meanwhile. Raises sqlite3.Error, OSError.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        handle = os.open(journal_of(path), os.O_RDWR | os.O_CLOEXEC)
        try:
            size = os.fstat(handle).st_size
            for start in range(_HEADER, size, len(_ZEROES)):
                os.pwrite(handle, _ZEROES[: size - start], start)
            os.fsync(handle)
        finally:
            os.close(handle)
    finally:
        connection.execute("ROLLBACK")
