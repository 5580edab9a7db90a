"""What a database needs to be shared by several writing processes, and is rid of when it is not.

The marks in the file decide what a process that was told nothing does with it.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from core.adapters.sqlite.database import translated
from core.adapters.sqlite.mounts import filesystem_of, is_network
from core.adapters.sqlite.rollback import connect, journal_of, wipe_journal
from core.adapters.sqlite.waiting_turns import WaitingTurns

Mode = Literal["wal", "shared"]
_MOUNTS: Final = Path("/proc/self/mountinfo")
_PATIENCE: Final = 60.0
_BUSY_MS: Final = 5_000
_CACHE_KIB: Final = 2_048
_INDEX: Final = "journal_org"
"""Of an org's rows. The log mode's one process knows them by heart, and no append there pays for it."""
_MAKE_INDEX: Final = f"CREATE INDEX IF NOT EXISTS {_INDEX} ON journal (org_no)"
_HAS_INDEX: Final = f"SELECT 1 FROM sqlite_master WHERE name = '{_INDEX}'"
_CHANGE_NOTHING: Final = "UPDATE ledger SET org_no = org_no WHERE org_no = 0"


def mode_of(path: Path) -> Mode:
    """How a database is opened where no setting says it: shared on a network file system, or as it was last.

    Raises DatabaseError for what is no database.
    """
    with contextlib.suppress(OSError):
        if is_network(filesystem_of(PurePosixPath(path.parent.resolve()), _MOUNTS.read_text())):
            return "shared"
    return "shared" if path.is_file() and _has_index(path) else "wal"


def leave_log(path: Path) -> None:
    """Takes a file that is there out of the log mode.

    Blocks. Raises HeldByOther, and changes nothing, while another process has it open in that mode.
    """
    if path.is_file():
        with translated(path):
            connect(path, busy_ms=_BUSY_MS, cache_kib=_CACHE_KIB).close()


def make_shared(path: Path) -> None:
    """Gives an up-to-date database what shared use needs; may be repeated, and by several at once.

    Blocks. Raises DatabaseError.
    """
    with (
        translated(path),
        contextlib.closing(connect(path, busy_ms=_BUSY_MS, cache_kib=_CACHE_KIB)) as connection,
    ):
        if connection.execute(_HAS_INDEX).fetchone() and journal_of(path).exists():
            return
        with _turn(path):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_MAKE_INDEX)
            connection.execute(_CHANGE_NOTHING)  # so that the rollback journal is there from now on
            connection.execute("COMMIT")
            wipe_journal(connection, path)


def make_unshared(path: Path) -> None:
    """Takes away what only shared use needs, where it is there. Blocks. Raises DatabaseError.

    Nobody may share it any more: those who do find out with their next transaction.
    """
    if not path.is_file() or not _has_index(path):
        return
    with translated(path), _turn(path), contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP INDEX IF EXISTS {_INDEX}")


def _has_index(path: Path) -> bool:
    with translated(path), contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(_HAS_INDEX).fetchone() is not None


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    turns = WaitingTurns(path.with_name(path.name + ".turn"), _PATIENCE)
    with contextlib.closing(turns), turns.held():
        yield
