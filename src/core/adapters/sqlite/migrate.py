"""Brings the database file up to date with the numbered SQL files beside this module.

yoyo-migrations is imported only when something is missing. Its own lock, a row that a killed
process leaves behind, is not relied on: whoever migrates holds the file's turn (`turns.py`).
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from core.adapters.sqlite import foreign_values
from core.adapters.sqlite.database import translated
from core.adapters.sqlite.strangers import put_aside
from core.adapters.sqlite.waiting_turns import WaitingTurns
from core.model.errors import DatabaseError

FOLDER: Final = Path(__file__).parent / "migrations"
_JOURNAL: Final = "0002_journal"
_DELETIONS: Final = "0004_deletions"
_PATIENCE: Final = 600.0
"""Seconds for which a process waits while another one migrates."""
_SMALL: Final = 1 << 30
"""Bytes of a database that is written anew in seconds."""
_FUNCTIONS: Final = {
    "memtrace_time": foreign_values.time_text,
    "memtrace_is_text": foreign_values.is_text,
    "memtrace_text": foreign_values.readable_text,
    "memtrace_escaped": foreign_values.escaped_text,
}
Probe = Callable[[str], None]
"""Called at named points, so that a test can end the process there."""


def unwatched(_: str) -> None:
    """A probe that does nothing."""


def migrate(
    path: Path,
    folder: Path = FOLDER,
    *,
    before: Callable[[Sequence[str]], None] = lambda _: None,
    probe: Probe = unwatched,
) -> list[str]:
    """Applies all that is missing, in order, in one transaction with its marks; returns their names.

    Makes the file (mode 0600) and its folder (0700) when there are none. `before` is called with
    what is missing when nobody else can migrate any more. May be repeated, and by several processes
    at once. Blocks. Raises DatabaseError, with nothing applied at all, when the file is no
    database or cannot be written, when a migration fails, or when a newer Memtrace has been here.
    """
    _make(path)
    _refuse_unwritable(path)
    known = names_in(folder)
    if not _missing(path, known):
        return []
    with translated(path), _turn(path):
        missing = _missing(path, known)  # another process may have been quicker
        if missing:
            before(missing)
            if _JOURNAL not in missing and _DELETIONS in missing:
                _forget_free_pages(path)
            _apply(path, folder, probe)
        return missing


def names_in(folder: Path) -> list[str]:
    """The migrations that there are, in order."""
    return sorted(file.stem for file in folder.glob("*.sql"))


def summary(name: str, folder: Path = FOLDER) -> str:
    """What a migration is about: the first sentence of its file."""
    text = ""
    for line in (folder / f"{name}.sql").read_text().splitlines():
        if not line.startswith("--") or "depends:" in line:
            break
        text += line.removeprefix("--")
    return text.partition(". ")[0].strip().rstrip(".")


def own_like(path: Path, model: Path) -> None:
    """What root makes for another user's database is that user's, as SQLite does with its own files."""
    if os.geteuid() == 0:
        owner = model.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


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


def unwritable(path: Path) -> Path | None:
    """What an upgrade would have to write and this user may not: the file or its folder."""
    return next((w for w in (path, path.parent) if not os.access(w, os.W_OK, effective_ids=True)), None)


def _refuse_unwritable(path: Path) -> None:
    if (what := unwritable(path)) is not None:
        raise DatabaseError(
            f"{what} may not be written by this user",
            hint="run as the user who owns the database, or give its file and its folder to this one",
        )


def _missing(path: Path, known: list[str]) -> list[str]:
    return _left_out(_applied(path), path, known)


def refuse_outdated(connection: sqlite3.Connection, path: Path, folder: Path = FOLDER) -> None:
    """Raises DatabaseError where this database is not of this program's version."""
    if missing := _left_out(applied_in(connection), path, names_in(folder)):
        raise DatabaseError(
            f"the database {path} is not up to date: {missing[0]} is missing",
            hint="start the flusher of this version, or run `memtrace migrate`",
        )


def _left_out(applied: set[str], path: Path, known: list[str]) -> list[str]:
    unknown = sorted(applied.difference(known))
    if unknown:
        raise DatabaseError(
            f"the database {path} was made by a newer Memtrace: {unknown[-1]} is not known here",
            hint="run that version, or restore a backup made before it",
        )
    return [name for name in known if name not in applied]


def _applied(path: Path) -> set[str]:
    with translated(path), contextlib.closing(sqlite3.connect(path)) as connection:
        return applied_in(connection)


def applied_in(connection: sqlite3.Connection) -> set[str]:
    """The migrations that this database had."""
    marks = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_yoyo_migration'").fetchone()
    if marks is None:
        return set()
    return {row[0] for row in connection.execute("SELECT migration_id FROM _yoyo_migration")}


@contextlib.contextmanager
def _turn(path: Path) -> Iterator[None]:
    lock = path.with_name(path.name + ".turn")
    try:
        turns = WaitingTurns(lock, _PATIENCE)
        turns.make()
        for made in (lock, lock.with_name(lock.name + ".gate")):
            own_like(made, path)
    except OSError as e:
        raise DatabaseError(
            f"{e.filename or lock} cannot be made or used: {e.strerror}",
            hint="check the rights of the folder, and that the disk is not full",
        ) from e
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


def _apply(path: Path, folder: Path, probe: Probe) -> None:
    """All of them and their marks together: yoyo's `apply_migrations` has transactions for each."""
    import yoyo  # type: ignore[import-untyped]
    from yoyo.exceptions import (  # type: ignore[import-untyped]
        BadMigration,
        LockTimeout,
        MigrationConflict,
    )

    try:
        with yoyo.get_backend("sqlite:///" + quote(str(path.absolute()))) as backend:
            _prepare(backend.connection)
            backend.break_lock()  # of a process that died while it prepared the marks
            backend.ensure_internal_schema_updated()
            wanted = backend.to_apply(yoyo.read_migrations(str(folder)))
            with _first_error(), backend.transaction(), put_aside(backend.connection):
                _apply_each(backend, wanted, probe)
            probe("migrate.committed")
    except (BadMigration, LockTimeout, MigrationConflict) as e:
        raise DatabaseError(f"the database {path} cannot be brought up to date: {e}") from e


@contextlib.contextmanager
def _first_error() -> Iterator[None]:
    """SQLite takes a whole transaction back where the disk is full; yoyo then misses its savepoints."""
    try:
        yield
    except sqlite3.Error as e:
        first: BaseException = e
        while isinstance(first.__context__, sqlite3.Error):
            first = first.__context__
        raise first from None


def _apply_each(backend: Any, wanted: Any, probe: Probe) -> None:
    for migration in wanted:
        migration.process_steps(backend, "apply")
        backend.mark_one(migration, log=False)
        probe(f"migrate.{migration.id}")


def _prepare(connection: sqlite3.Connection) -> None:
    """Tables are rebuilt under their names, whatever views or rows of others refer to them."""
    connection.execute("PRAGMA legacy_alter_table=ON")
    connection.execute("PRAGMA foreign_keys=OFF")
    lend_functions(connection)


def lend_functions(connection: sqlite3.Connection) -> None:
    """What the migrations call memtrace_*."""
    for name, function in _FUNCTIONS.items():
        connection.create_function(name, 1, function, deterministic=True)
