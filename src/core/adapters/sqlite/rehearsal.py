"""Brings a copy of the database up to date, to see what that would do: the file itself is not touched."""

import contextlib
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import quote

from core.adapters.sqlite import survey
from core.adapters.sqlite.bindings import all_bindings
from core.adapters.sqlite.database import translated
from core.adapters.sqlite.migrate import FOLDER, applied_in, lend_functions, migrate, names_in
from core.adapters.sqlite.seeding import unseeded
from core.adapters.sqlite.strangers import ORIGINALS
from core.adapters.sqlite.upgrading import is_empty
from core.model.errors import DatabaseError
from core.model.upgrade import Rehearsal

_LOGS: Final = ("-wal", "-journal")
_MOST_PROBLEMS: Final = 5


def rehearse(path: Path, work: Path, folder: Path = FOLDER) -> Rehearsal:
    """What an upgrade would do and come to; `work` is an empty folder with room for a copy. Blocks.

    Raises DatabaseError when the file cannot be read or is no database. What keeps the upgrade
    itself from working is told in the answer.
    """
    copy = work / "copy.db"
    with translated(path):
        snapshot(path, copy)
        with contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
            lend_functions(connection)
            applied = applied_in(connection)
            damage = _damage(connection)
            before = _Look(connection)
            is_original = not applied and "organizations" in before.columns
    known = names_in(folder)
    unknown = tuple(sorted(applied.difference(known)))
    empty = not damage and is_empty(copy)
    failure = None if damage or unknown else _migrated(copy, folder)
    rehearsed = Rehearsal(
        damage=damage,
        missing=tuple(name for name in known if name not in applied),
        unknown=unknown,
        is_empty=empty,
        is_original=is_original,
        counts=before.counts,
        findings=before.findings,
        failure=failure,
    )
    if damage or unknown or failure:
        return rehearsed
    return _outcome(copy, work, folder, before, rehearsed)


def snapshot(path: Path, copy: Path) -> None:
    """A copy of the database as its last commit left it, changing nothing beside it either."""
    logs = [path.with_name(path.name + suffix) for suffix in _LOGS]
    try:
        # Without a log nobody has it open, and not even a log is made for reading.
        mode = "mode=ro" if any(log.exists() for log in logs) else "mode=ro&immutable=1"
        with (
            contextlib.closing(
                sqlite3.connect(f"file:{quote(str(path.absolute()))}?{mode}", uri=True)
            ) as source,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.OperationalError:
        # What an unclean stop left has to be played back, which needs a file that may be written.
        for file, suffix in ((path, ""), *zip(logs, _LOGS, strict=True)):
            if file.exists():
                shutil.copyfile(file, copy.with_name(copy.name + suffix))


class _Look:
    """What there was before."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.counts = survey.counts(connection)
        self.findings = survey.findings(connection)
        self.columns = survey.columns(connection)
        self.objects = survey.objects(connection)


def _damage(connection: sqlite3.Connection) -> tuple[str, ...]:
    checked = [str(row[0]) for row in connection.execute(f"PRAGMA integrity_check({_MOST_PROBLEMS})")]
    return tuple(line for line in checked if line != "ok")


def _migrated(copy: Path, folder: Path) -> str | None:
    try:
        migrate(copy, folder)
    except DatabaseError as e:
        return e.message.replace(f"the database {copy}", "it")
    return None


def _outcome(copy: Path, work: Path, folder: Path, before: _Look, rehearsed: Rehearsal) -> Rehearsal:
    """What the migrated copy is like."""
    new = work / "new.db"
    migrate(new, folder)
    with translated(copy), contextlib.closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        lend_functions(connection)
        after = _Look(connection)
        strangers = before.objects - _objects_in(new) - {f"index {name}" for name in ORIGINALS}
        gone = strangers - after.objects
        gone |= {
            f"column {table}.{column}"
            for table, names in before.columns.items()
            for column in names - after.columns[table]
        }
        return replace(
            rehearsed,
            damage=_damage(connection),
            failure=_difference(before.counts, after.counts),
            bindings=tuple(all_bindings(connection)),
            unseeded=len(unseeded(connection)),
            lost=tuple(sorted(gone)),
            kept=tuple(sorted(strangers & after.objects)),
            dangling=sum(1 for _ in connection.execute("PRAGMA foreign_key_check")),
        )


def _difference(before: dict[str, int], after: dict[str, int]) -> str | None:
    lost = [f"{count} {name} became {after[name]}" for name, count in before.items() if after[name] != count]
    return "; ".join(lost) or None


def _objects_in(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return survey.objects(connection)
