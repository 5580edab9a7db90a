"""A consistent copy of a database that others write to meanwhile, and what is in such a copy."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from core.adapters.sqlite.bindings import all_bindings
from core.adapters.sqlite.database import translated
from core.adapters.sqlite.inspection import inspect
from core.adapters.sqlite.migrate import migrate
from core.adapters.sqlite.restored import make_ready, table_names
from core.model.backup import DatabaseCounts
from core.model.errors import BackupUnusable, DatabaseError
from core.model.memory import Micros, OrgId
from core.model.tenant import SealedBinding
from core.ports.backup import Bound, DatabaseContents

_BUSY_SECONDS: Final = 5.0
_COUNTED: Final = {
    "orgs": "organizations",
    "keys": "api_keys",
    "agents": "agents",
    "sessions": "sessions",
    "bindings": "arc_instances",
    "claims": "claims",
    "unsettled": "journal",
    "deletions": "deletions",
}


class SqliteCopier:
    """Implements `DatabaseCopier`."""

    def copy(self, source: Path, target: Path) -> None:
        """`VACUUM INTO`: one read transaction, so writers go on, and no free page comes along.

        The log cannot be begun anew while it runs, so it grows by what is written meanwhile.
        """
        if not source.is_file():
            raise DatabaseError(f"there is no database {source}", hint="check auth.db_path")
        with translated(source), _opened(source) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
        handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def describe(self, copy: Path) -> DatabaseContents:
        """Also of a database that is not up to date, the original's among them."""
        with translated(copy), _opened(copy) as connection:
            tables = table_names(connection)
            counts = {
                name: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                for name, table in _COUNTED.items()
                if table in tables
            }
            return DatabaseContents(
                migrations=_migrations(connection) if "_yoyo_migration" in tables else [],
                counts=DatabaseCounts(**counts),
                names=_names(connection) if "organizations" in tables else {},
                bound=_bound(connection) if "arc_instances" in tables else [],
            )

    def bring_up_to_date(self, copy: Path) -> list[SealedBinding]:
        migrate(copy)
        with translated(copy), _opened(copy) as connection:
            return all_bindings(connection)

    def make_ready(self, copy: Path, roots: Mapping[OrgId, str], now: Micros) -> None:
        make_ready(copy, roots, now)

    def check(self, copy: Path) -> None:
        try:
            report = inspect(copy)
        except DatabaseError as e:
            raise BackupUnusable("the database in the backup cannot be read") from e
        assert report is not None
        if report.damage:
            raise BackupUnusable(f"the database in the backup is damaged: {report.damage[0]}")
        if report.unknown:
            raise BackupUnusable(
                f"the backup was made by a newer Memtrace: {report.unknown[-1]} is not known here",
                hint="restore it with that version",
            )


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        yield connection


def _migrations(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT migration_id FROM _yoyo_migration ORDER BY migration_id")
    return [name for (name,) in rows]


def _names(connection: sqlite3.Connection) -> dict[OrgId, str]:
    rows = connection.execute("SELECT id, name FROM organizations ORDER BY id")
    return {OrgId(org_id): name for org_id, name in rows}


def _bound(connection: sqlite3.Connection) -> list[Bound]:
    """Only columns that every version has."""
    rows = connection.execute("SELECT org_id, url, database, measurement FROM arc_instances ORDER BY org_id")
    return [Bound(OrgId(org_id), *where) for org_id, *where in rows]
