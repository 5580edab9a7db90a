"""Upgrades a database in place: nobody else uses it, a copy of it is kept, and then it is migrated.

The copy is whole and on disk before anything changes. A database that is new and empty has no copy.
"""

import contextlib
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import not_
from pathlib import Path
from typing import Final

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_fixed

from core.adapters.sqlite.database import translated
from core.adapters.sqlite.migrate import FOLDER, Probe, migrate, own_like, unwatched
from core.adapters.sqlite.restored import table_names
from core.model.errors import DatabaseError, HeldByOther
from core.model.memory import OrgId
from core.model.tenant import SealedBinding

_ELSEWHERE: Final = "`memtrace migrate --copy-to FOLDER` put the copy elsewhere"
_PART: Final = ".part"
_TRIES: Final = 40
_BETWEEN_TRIES: Final = 0.05
"""Seconds. Others may look at the file for a moment; whoever stays is using it."""
SPARE: Final = 16 << 20
"""Bytes that are to be left on the disk."""


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What was done."""

    applied: list[str]
    copy: Path | None
    """The database as it was before; None where it was up to date, empty, or no copy was wanted."""


def upgrade(
    path: Path,
    now: datetime,
    *,
    keep_copy: bool = True,
    copy_folder: Path | None = None,
    approve: Callable[[list[SealedBinding]], None] = lambda _: None,
    folder: Path = FOLDER,
    probe: Probe = unwatched,
) -> Upgraded:
    """Applies what is missing, all of it or nothing; may be repeated, and by several processes at once.

    `approve` is given the bindings that there are before anything is done, and may raise. Blocks.
    Raises DatabaseError or HeldByOther, and then the database is as it was; a copy that serves
    nobody is removed.
    """
    kept: list[Path] = []

    def before(missing: Sequence[str]) -> None:
        if is_empty(path):
            return
        approve(_bindings(path))
        refuse_while_in_use(path)
        if keep_copy:
            name = f"{path.name}.before-{missing[0]}-{now:%Y%m%dT%H%M%SZ}"
            kept.append(copied(path, copy_folder or path.parent, name, probe))

    try:
        applied = migrate(path, folder, before=before, probe=probe)
    except DatabaseError:  # nothing was applied
        for copy in kept:
            copy.unlink(missing_ok=True)
        raise
    if applied:
        _hide_from_others(path)
    return Upgraded(applied, kept[0] if kept else None)


def _hide_from_others(path: Path) -> None:
    """The original left its file readable for everybody; from now on there are memories in it."""
    about = path.stat()
    if os.geteuid() in (0, about.st_uid) and stat.S_IMODE(about.st_mode) & 0o007 == stat.S_IROTH:
        path.chmod(stat.S_IMODE(about.st_mode) & ~0o007)


def _bindings(path: Path) -> list[SealedBinding]:
    """With the key that reads and writes alone, which every version keeps alike."""
    with translated(path), contextlib.closing(sqlite3.connect(path)) as connection:
        if "arc_instances" not in table_names(connection):
            return []
        rows = connection.execute(
            """SELECT id, org_id, url, database, measurement,
                   CAST(api_key_cipher AS BLOB), CAST(api_key_nonce AS BLOB) FROM arc_instances"""
        )
        return [
            SealedBinding(binding_id, OrgId(org_id), url, database, measurement, 0, cipher, nonce)
            for binding_id, org_id, url, database, measurement, cipher, nonce in rows
        ]


def is_empty(path: Path) -> bool:
    """Whether there is nothing in it that could be lost."""
    with translated(path), contextlib.closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return all("yoyo" in name for (name,) in tables)


def refuse_while_in_use(path: Path) -> None:
    """Returns when no other process has the file open, also one that does nothing with it.

    An original that still runs has, and so has a server or flusher of an older version. Raises HeldByOther.
    """
    with (
        translated(path),
        contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection,
    ):
        is_logged = connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        trying = Retrying(
            retry=retry_if_result(not_),
            stop=stop_after_attempt(_TRIES),
            wait=wait_fixed(_BETWEEN_TRIES),
            retry_error_callback=lambda _: False,
        )
        if trying(_is_ours_alone, connection):
            if is_logged:  # as it was: a shared file is never to have a log
                connection.execute("PRAGMA journal_mode=WAL")
            return
    raise HeldByOther(
        f"{path} is in use by another process, and is to be brought up to date",
        hint="stop whatever uses it (a server of Memtrace 0.2.0 too), and wait for commands that run",
    )


def _is_ours_alone(connection: sqlite3.Connection) -> bool:
    """Leaving the log mode needs the file for oneself. Raises sqlite3.Error for other reasons."""
    try:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as e:
        if e.sqlite_errorname.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return False
        raise
    return True


def copied(path: Path, folder: Path, name: str, probe: Probe) -> Path:
    """A whole copy (mode 0600, one file) of this name in the folder, on disk when this returns.

    Raises DatabaseError where there is no room, where it cannot be written, or where what was
    copied is damaged; nothing is left of it then.
    """
    with _writable(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.iterdir():
            if left.name.startswith(f"{path.name}.before-") and left.name.endswith(_PART):
                left.unlink()  # of a process that was killed
    if (lacking := lacking_room(path, folder)) is not None:
        raise DatabaseError(lacking, hint=f"free some space, or let {_ELSEWHERE}")
    part = folder / f"{name}{_PART}"
    try:
        with _writable(folder):
            os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            own_like(part, path)
        probe("copy.begun")
        _fill(path, part)
        probe("copy.filled")
        return _named(part, folder / name)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _fill(path: Path, part: Path) -> None:
    """Page by page, in one read transaction; what is in a log comes along."""
    with (
        contextlib.closing(sqlite3.connect(path)) as source,
        contextlib.closing(sqlite3.connect(part, isolation_level=None)) as target,
    ):
        target.execute("PRAGMA journal_mode=OFF")
        target.execute("PRAGMA synchronous=OFF")
        with translated(path), _explained(part.parent):
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
            damage = target.execute("PRAGMA quick_check(1)").fetchone()[0]
            _forget_free_pages(target)
    if damage != "ok":
        raise DatabaseError(
            f"the database {path} is damaged: {damage}",
            hint="restore a copy of it from before; nothing was changed",
        )


def _forget_free_pages(target: sqlite3.Connection) -> None:
    """What was deleted is not kept by the copy either, where there is room to write it anew."""
    if target.execute("PRAGMA freelist_count").fetchone()[0]:
        with contextlib.suppress(sqlite3.OperationalError):
            target.execute("VACUUM")


def _named(part: Path, target: Path) -> Path:
    """The finished copy under its name, which was free, durably."""
    number, free = 2, target
    while os.path.lexists(free):
        free = target.with_name(f"{target.name}-{number}")
        number += 1
    with _writable(target.parent):
        for what in (part, part.parent):
            handle = os.open(what, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            if what is part:
                os.replace(part, free)
    return free


def room_needed(path: Path) -> int:
    """Bytes of a copy: the database with its log."""
    log = path.with_name(path.name + "-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def lacking_room(path: Path, folder: Path) -> str | None:
    """Why there is no room for a copy in the folder, and for a migration that writes every page anew."""
    size = room_needed(path)
    is_one_disk = folder.stat().st_dev == path.parent.stat().st_dev
    for where, needed in ((folder, size + size * is_one_disk), (path.parent, size)):
        free = shutil.disk_usage(where).free
        if free < needed + SPARE:
            return (
                f"bringing {path} up to date needs {_megabytes(needed + SPARE)} at {where},"
                f" and {_megabytes(free)} are free"
            )
    return None


def _megabytes(count: int) -> str:
    return f"{count / (1 << 20):.0f} MB"


@contextlib.contextmanager
def _writable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise _no_copy(folder, e.strerror or type(e).__name__) from e


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """What keeps a copy from being written is no fault of the database."""
    try:
        yield
    except sqlite3.OperationalError as e:
        if e.sqlite_errorname.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
            raise _no_copy(folder, str(e)) from e
        raise


def _no_copy(folder: Path, why: str) -> DatabaseError:
    return DatabaseError(
        f"no copy of the database could be made in {folder} before bringing it up to date: {why}",
        hint=f"check its rights and room, or let {_ELSEWHERE}",
    )
