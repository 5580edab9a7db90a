"""A database out of a backup, made ready to be served where it is now."""

import contextlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.adapters.sqlite.database import translated
from core.model.memory import Micros, OrgId
from core.model.tenant import FILE_SCHEME

_OF_ITS_TIME: Final = ("moves", "store_health", "flusher_report", "seedings")
"""What tells of processes that are no more, and of stores as they were then."""


def make_ready(path: Path, roots: Mapping[OrgId, str], now: Micros) -> None:
    """An up-to-date one, owned by nobody, and with the stores of these orgs in these folders.

    The stores may be newer than the database, so they are asked for everything up to now. One
    file, on disk, without a log. Raises DatabaseError.
    """
    with (
        translated(path),
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA synchronous=EXTRA")
        connection.execute("BEGIN IMMEDIATE")
        for table in table_names(connection).intersection(_OF_ITS_TIME):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("UPDATE leases SET owner = '', expires_at = 0")  # the fence goes on
        connection.execute(
            "UPDATE ledger SET settled_through = max(settled_through, ?) WHERE org_no > 0", (now,)
        )
        connection.executemany(
            "UPDATE arc_instances SET url = ? WHERE org_id = ?",
            [(FILE_SCHEME + root, org_id) for org_id, root in roots.items()],
        )
        connection.execute("COMMIT")


def table_names(connection: sqlite3.Connection) -> set[str]:
    """Of the main database of this connection."""
    rows = connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
    return {name for (name,) in rows}
