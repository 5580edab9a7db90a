"""Triggers and indices that others added to the file, kept out of the way of a migration and put back."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Final

_REBUILT: Final = ("api_keys", "sessions")
"""Tables whose indices go with them when 0001 rebuilds them."""
ORIGINALS: Final = (
    "idx_api_keys_prefix",
    "idx_api_keys_enabled",
    "idx_agents_org",
    "idx_sessions_org",
    "idx_sessions_agent",
    "idx_sessions_status",
    "idx_arc_instances_org",
)
"""The original's own indices, which are meant to go."""


@contextlib.contextmanager
def put_aside(connection: sqlite3.Connection) -> Iterator[None]:
    """Inside the caller's transaction: no foreign trigger fires meanwhile, and none is lost.

    A trigger that notes when a row was changed would falsify the times that a migration rewrites.
    An index that cannot be made again, because what it is about is gone, stays away.
    """
    triggers = _found(connection, "type = 'trigger'")
    indices = _found(connection, f"type = 'index' AND sql IS NOT NULL AND tbl_name IN {_REBUILT}")
    for name in triggers:
        connection.execute(f"DROP TRIGGER {_quoted(name)}")
    yield
    there = _found(connection, "type = 'index'")
    for name, sql in indices.items():
        if name not in there and name not in ORIGINALS:
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute(sql)
    for sql in triggers.values():
        connection.execute(sql)


def _found(connection: sqlite3.Connection, condition: str) -> dict[str, str]:
    return dict(connection.execute(f"SELECT name, sql FROM sqlite_master WHERE {condition}").fetchall())


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
