"""Which databases and measurements there are, by the folders. Blocking, and quick."""

import re
from pathlib import Path
from typing import Final

from local.arc.engine import Answer, Column
from local.arc.files import Files
from local.arc.gate import Refused, name_fault
from local.arc.masking import masked, unmasked, without_comments

MARKER: Final = ".arc-database"
"""The file that makes a database of an empty folder."""
_DATABASES: Final = re.compile(r"\s*SHOW\s+DATABASES\s*;?\s*", re.I | re.A)
_TABLES: Final = re.compile(
    r"\s*SHOW\s+(?:TABLES|MEASUREMENTS)(?:\s+FROM\s+[\"'`]?([\w.-]+)[\"'`]?)?\s*;?\s*", re.I | re.A
)
_TABLE_COLUMNS: Final = (
    Column("database", "VARCHAR"),
    Column("table_name", "VARCHAR"),
    Column("storage_path", "VARCHAR"),
    Column("file_count", "BIGINT"),
    Column("total_size_mb", "DOUBLE"),
)


def databases(files: Files) -> list[str]:
    return _folders(files.root)


def measurements(files: Files, database: str) -> list[str]:
    return _folders(files.root / database)


def shown(files: Files, sql: str, database: str) -> Answer | None:
    """The answer to SHOW DATABASES and SHOW TABLES; None for every other statement. Raises Refused."""
    hidden, masks = masked(sql.replace("`", '"'))
    plain = unmasked(without_comments(hidden), masks)
    if _DATABASES.fullmatch(plain):
        return Answer((Column("database", "VARCHAR"),), [(name,) for name in databases(files)])
    tables = _TABLES.fullmatch(plain)
    if tables is None:
        return None
    database = tables[1] or database or "default"
    if why := name_fault(database):
        raise Refused(f"invalid database name: {why}")
    return Answer(_TABLE_COLUMNS, [_table(files, database, name) for name in measurements(files, database)])


def _table(files: Files, database: str, measurement: str) -> tuple[str, str, str, int, float]:
    paths = files.all(database, measurement)
    folder = files.measurement(database, measurement)
    size = sum(path.stat().st_size for path in paths)
    return database, measurement, f"{folder}/**/*.parquet", len(paths), size / (1 << 20)


def _folders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith((".", "_")))
