"""Brings the database file up to date with the numbered SQL files beside this module.

yoyo-migrations is imported only when something is missing. Its own lock, a row that a killed
process leaves behind, is not relied on: whoever migrates holds the file's turn (`turns.py`).
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from core.adapters.sqlite.database import translated
from core.adapters.sqlite.turns import Turns
from core.model.errors import DatabaseError

FOLDER: Final = Path(__file__).parent / "migrations"
_JOURNAL: Final = "0002_journal"
_DELETIONS: Final = "0004_deletions"
_SMALL: Final = 1 << 30
"""Bytes of a database that is written anew in seconds."""


def migrate(path: Path, folder: Path = FOLDER) -> list[str]:
    """Applies what is missing, in order, each with its mark in one transaction; returns their names.

    Makes the file (mode 0600) and its folder (0700) when there are none. May be repeated, and by
    several processes at once. Blocks. Raises DatabaseError, with nothing half applied, when the
    file is no database, when a migration fails, or when a newer Memtrace has been here.
    """
    _make(path)
    known = sorted(file.stem for file in folder.glob("*.sql"))
    if not _missing(path, known):
        return []
    with translated(path), _turn(path):
        missing = _missing(path, known)  # another process may have been quicker
        if missing:
            if _JOURNAL not in missing and _DELETIONS in missing:
                _forget_free_pages(path)
            _apply(path, folder)
        return missing


def _make(path: Path) -> None:
    """Never opens a file that is there: closing it would drop SQLite's locks in this process."""
    if path.is_file():
        return
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process may have been quicker
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except OSError as e:
        raise DatabaseError(
            f"the database {path} cannot be made: {e.strerror}",
            hint="set auth.db_path to a file in a folder that the service may write",
        ) from e
    if not path.is_file():
        raise DatabaseError(f"the database {path} is not a file")


def _missing(path: Path, known: list[str]) -> list[str]:
    applied = _applied(path)
    unknown = sorted(applied.difference(known))
    if unknown:
        raise DatabaseError(
            f"the database {path} was made by a newer Memtrace: {unknown[-1]} is not known here",
            hint="run that version, or restore a backup made before it",
        )
    return [name for name in known if name not in applied]


def _applied(path: Path) -> set[str]:
    with translated(path), contextlib.closing(sqlite3.connect(path)) as connection:
        marks = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_yoyo_migration'").fetchone()
        if marks is None:
            return set()
        return {row[0] for row in connection.execute("SELECT migration_id FROM _yoyo_migration")}


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    turns = Turns(path.with_name(path.name + ".turn"))
    try:
        with turns.held():
            yield
    finally:
        turns.close()


def _forget_free_pages(path: Path) -> None:
    """Writes the file anew, without the texts that settled memories left in pages no longer used.

    Only where that is quick, and there is room: a start does not fail of it.
    """
    if path.stat().st_size > _SMALL:
        return
    with (
        contextlib.suppress(sqlite3.OperationalError),
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        connection.execute("VACUUM")


def _apply(path: Path, folder: Path) -> None:
    """Each migration and its mark together: yoyo's `apply_migrations` marks in a second transaction."""
    import yoyo  # type: ignore[import-untyped]
    from yoyo.exceptions import (  # type: ignore[import-untyped]
        BadMigration,
        LockTimeout,
        MigrationConflict,
    )

    try:
        with yoyo.get_backend("sqlite:///" + quote(str(path.absolute()))) as backend:
            backend.break_lock()  # of a process that died while it prepared the marks
            backend.ensure_internal_schema_updated()
            for migration in backend.to_apply(yoyo.read_migrations(str(folder))):
                with backend.transaction():
                    migration.process_steps(backend, "apply")
                    backend.mark_one(migration, log=False)
    except (BadMigration, LockTimeout, MigrationConflict) as e:
        raise DatabaseError(f"the database {path} cannot be brought up to date: {e}") from e
