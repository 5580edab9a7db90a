"""The twelve columns as a store keeps them, and a stored row as a memory.

A row may come from another writer (the original Memtrace, through Arc): NULLs stand for empty
values then, and a row without a dedup key gets the one its content would have been given.
"""

from collections.abc import Sequence
from typing import Any, Final

from core.model.memory import COLUMNS, Memory, Tally, default_dedup_key

TYPES: Final = {
    name: {"time": "TIMESTAMP WITH TIME ZONE", "importance": "DOUBLE"}.get(name, "VARCHAR")
    for name in COLUMNS
}
"""Column → DuckDB type, in column order: what every file of ours holds, and nothing else."""

JSON_COLUMNS: Final = ", ".join(
    f"{name}: '{'BIGINT' if name == 'time' else type}'" for name, type in TYPES.items()
)
"""The columns of the NDJSON lines (`core.model.memory.encode`): times are whole microseconds."""

FROM_JSON: Final = ", ".join("make_timestamptz(time) AS time" if c == "time" else c for c in COLUMNS)
"""What turns such a line into a stored row."""

EMPTY: Final = ", ".join(f"NULL::{type} AS {name}" for name, type in TYPES.items())
"""One row with every column in its right type, for giving files of other writers the columns they lack."""

NO_TYPE: Final = "episodic"
"""What a row without a memory type counts as: the default of the API."""
_KEY: Final = 9


def has_no_key(row: Sequence[Any]) -> bool:
    """Whether this row of `sql.search` was stored without a dedup key."""
    return not row[_KEY]


def memory_of(row: Sequence[Any]) -> Memory:
    """A row of `sql.search` (columns in their order, `time` as microseconds) as a memory."""
    time, org, agent, session, kind, event, content, metadata, tags, key, importance, parent = row
    agent, event, content = agent or "", event or "", content or ""
    return Memory(
        time,
        org,
        agent,
        session or "",
        kind or NO_TYPE,
        event,
        content,
        metadata or "",
        tags or "",
        key or default_dedup_key(agent, event, content),
        float(importance or 0.0),
        parent or "",
    )


def tally_of(row: Sequence[Any]) -> Tally:
    """A row of `sql.tally`: the counts of one memory type."""
    kind, count, recent, errors, newest, _ = row
    by_type = {kind or NO_TYPE: count}
    return Tally(total=count, by_type=by_type, recent=recent, recent_errors=errors, last=newest)
