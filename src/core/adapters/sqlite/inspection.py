"""Looks at a database file and changes nothing in it."""

import contextlib
import sqlite3
from pathlib import Path

from core.adapters.sqlite.database import translated
from core.adapters.sqlite.migrate import FOLDER
from core.model.memory import Micros
from core.ports import DatabaseReport

_MOST_PROBLEMS = 3


def inspect(path: Path, folder: Path = FOLDER) -> DatabaseReport | None:
    """What a doctor asks of the file; None when there is none. Blocks for as long as reading it takes.

    Raises DatabaseError when it cannot be read or is no database.
    """
    if not path.exists():
        return None
    with translated(path), contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA query_only=ON")
        checked = [str(row[0]) for row in connection.execute(f"PRAGMA quick_check({_MOST_PROBLEMS})")]
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        applied = _applied(connection) if "_yoyo_migration" in tables else set()
        known = {file.stem for file in folder.glob("*.sql")}
        return DatabaseReport(
            damage=tuple(line for line in checked if line != "ok"),
            missing=tuple(sorted(known - applied)),
            unknown=tuple(sorted(applied - known)),
            newest=_newest(connection) if "journal" in tables else None,
        )


def _applied(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT migration_id FROM _yoyo_migration")}


def _newest(connection: sqlite3.Connection) -> Micros | None:
    times = connection.execute(
        "SELECT max(time) FROM journal UNION ALL SELECT max(settled_through) FROM ledger"
    )
    return max((time for (time,) in times if time), default=None)
