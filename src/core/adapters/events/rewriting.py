"""Many Parquet files into one, each memory once, sorted by session and time. Blocking: for worker threads."""

from collections.abc import Sequence
from pathlib import Path

from core.adapters.events.choosing import Task
from core.adapters.events.engine import Cursor, Fault
from core.adapters.events.literal import literal
from core.adapters.events.schema import TYPES
from core.adapters.events.sources import plain_source
from core.adapters.events.sql import DERIVED_KEY
from core.adapters.events.writing import DAY_ROW_GROUP, ROW_GROUP, parquet_options
from core.model.errors import StoreUnreachable
from core.model.memory import COLUMNS


def foreign_files(cursor: Cursor, paths: Sequence[str]) -> list[str]:
    """Those that hold other columns than ours, or cannot be opened: a merge would lose something."""
    return [path for path in paths if not is_ours(cursor, path)]


def is_ours(cursor: Cursor, path: str) -> bool:
    """Whether the file holds our columns and nothing else. Raises Fault when the file system fails."""
    try:
        columns = cursor.rows(
            f"SELECT name, duckdb_type FROM parquet_schema({literal(path)}) WHERE duckdb_type IS NOT NULL"
        )
    except Fault as e:
        if e.kind != "data":
            raise
        return False
    return sorted(columns) == sorted(TYPES.items())


def rewrite(cursor: Cursor, task: Task, target: Path) -> int:
    """Writes the task's rows to a new file and answers how many there are; repeats are left out.

    Raises Fault, or StoreUnreachable when the file does not hold what was read.
    """
    source = plain_source([file.path for file in task.sources])
    total, keyless = cursor.rows(
        f"SELECT count(*), count(CASE WHEN coalesce(dedup_key, '') = '' THEN 1 END) FROM {source}"
    )[0]
    identity = f"time, org_id, {DERIVED_KEY if keyless else 'dedup_key'}"
    # Hashes, as the keys themselves would fill the memory; where two collide, a repeat is looked
    # for in vain, nothing else.
    distinct = cursor.rows(f"SELECT count(DISTINCT hash({identity})) FROM {source}")[0][0]
    once = f" QUALIFY row_number() OVER (PARTITION BY {identity}) = 1" if distinct < total else ""
    options = parquet_options(DAY_ROW_GROUP if task.is_day else ROW_GROUP)
    written = cursor.count(
        f"COPY (SELECT {', '.join(COLUMNS)} FROM {source}{once} ORDER BY session_id, time)"
        f" TO {literal(str(target))} ({options})"
    )
    if not distinct <= written <= total:
        raise StoreUnreachable(f"a merge of {total} rows, {distinct} of them distinct, wrote {written}")
    return written
