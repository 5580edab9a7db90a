"""Puts a history and claims into a stopped `memtrace dev` installation, as if they had been written to it.

The store gets the files that merging leaves: one a day where the day is over and small, else one an hour.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import duckdb

from bench.history import History, select
from bench.targets import BenchError
from core.adapters.events.choosing import Policy
from core.adapters.events.durable import publish, sync_file
from core.adapters.events.layout import DAY, HOUR, Place, day_of, hour_of, place_of
from core.adapters.events.literal import literal
from core.adapters.events.writing import DAY_ROW_GROUP, ROW_GROUP, parquet_options, unique
from core.model.errors import HeldByOther
from core.model.memory import Micros
from core.model.tenant import DEFAULT_ORG, Binding
from handlers.holding import held

_MERGED_AFTER: Final = HOUR
_CLAIMS_WITHIN: Final = 20 * HOUR
"""The oldest seeded claim: none runs out of its window while it is measured."""


def seed_history(data: Path, wanted: History) -> int:
    """Writes the rows' files and advances what counts as settled past them. The number of files."""
    with _stopped(data) as database:
        place = place_of(bound(data))
        files = _write_files(place, wanted)
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute(
                "UPDATE ledger SET settled_through = max(settled_through, ?) WHERE org_id = ?",
                (wanted.end, wanted.org_id),
            )
    return files


def seed_claims(data: Path, count: int) -> None:
    """Adds claims of keys that nobody has, settled, stamped within the last hours."""
    now = time.time_ns() // 1000
    with _stopped(data) as database, closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT OR IGNORE INTO ledger (org_id, settled_through) VALUES (?, ?)", (DEFAULT_ORG, now)
        )
        (org_no,) = connection.execute(
            "SELECT org_no FROM ledger WHERE org_id = ?", (DEFAULT_ORG,)
        ).fetchone()
        connection.executemany(
            "INSERT INTO claims (org_no, key, time) VALUES (?, ?, ?)",
            ((org_no, key, now - _CLAIMS_WITHIN * i // count) for i, key in enumerate(_keys(count))),
        )
        connection.execute("UPDATE ledger SET claims = claims + ? WHERE org_no IN (?, 0)", (count, org_no))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _keys(count: int) -> list[bytes]:
    """In order, so that the table is filled from one end to the other: far quicker, and the same table."""
    return sorted(os.urandom(16) for _ in range(count))


@contextmanager
def _stopped(data: Path) -> Iterator[Path]:
    """The installation's database, while no server can start on it."""
    database = data / "memtrace.db"
    if not database.exists():
        raise BenchError(f"{data} holds no installation: run `memtrace dev --data {data}` once, and stop it")
    try:
        with held(database.absolute()):
            yield database
    except HeldByOther as e:
        raise BenchError(f"stop the server first: {e.message}") from e


def bound(data: Path) -> Binding:
    """The binding of `org_default`. Raises BenchError when it is to no embedded store."""
    with closing(sqlite3.connect(data / "memtrace.db")) as connection:
        row = connection.execute(
            "SELECT id, url, database, measurement FROM arc_instances WHERE org_id = ?", (DEFAULT_ORG,)
        ).fetchone()
    if row is None or not row[1].startswith("file:"):
        raise BenchError("org_default is not bound to an embedded store")
    return Binding(row[0], DEFAULT_ORG, row[1], row[2], row[3], 0)


def _write_files(place: Place, wanted: History) -> int:
    place.staging.mkdir(parents=True, exist_ok=True)
    with closing(duckdb.connect(config={"threads": 2, "memory_limit": "1GB"})) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files = 0
        for day in range(day_of(wanted.start), wanted.end, DAY):
            files += _write_day(connection, place, wanted, day)
    return files


def _write_day(connection: duckdb.DuckDBPyConnection, place: Place, wanted: History, day: Micros) -> int:
    """One file when merging would have made one, else one an hour."""
    if day + DAY + _MERGED_AFTER <= wanted.end:
        staged = _stage(connection, place, wanted, (day, day + DAY), DAY_ROW_GROUP)
        if staged is None:
            return 0
        if staged.stat().st_size <= Policy().day_bytes:
            _publish(staged, place.day_folder(day), place, wanted.end)
            return 1
        staged.unlink()
    files = 0
    for hour in range(day, min(day + DAY, hour_of(wanted.end - 1) + HOUR), HOUR):
        staged = _stage(connection, place, wanted, (hour, hour + HOUR), ROW_GROUP)
        if staged is not None:
            _publish(staged, place.hour_folder(hour), place, wanted.end)
            files += 1
    return files


def _stage(
    connection: duckdb.DuckDBPyConnection,
    place: Place,
    wanted: History,
    span: tuple[Micros, Micros],
    row_group: int,
) -> Path | None:
    """The rows of the span in a file that no reader sees yet; None when there are none."""
    numbers = wanted.numbers(*span)
    if not numbers:
        return None
    target = place.staging / f"bench_{unique()}.tmp"
    connection.execute(
        f"COPY ({select(wanted, numbers)}) TO {literal(str(target))} ({parquet_options(row_group)})"
    )
    sync_file(target)
    return target


def _publish(staged: Path, folder: Path, place: Place, now: Micros) -> None:
    publish(staged, folder / place.merged_name(now, unique()), place.root)
