"""What is in the tables that the original had, in numbers: before and after a migration. Reads only.

Asks for nothing that an older file may lack, and reads no text that may be none.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final

from core.adapters.sqlite.keys import permissions_in
from core.adapters.sqlite.restored import table_names
from core.model.org_settings import BOUNDS

TABLES: Final = {
    "organizations": "orgs",
    "api_keys": "keys",
    "arc_instances": "bindings",
    "agents": "agents",
    "sessions": "sessions",
}
_TIMES: Final = {
    "organizations": ("created_at",),
    "api_keys": ("created_at", "expires_at"),
    "arc_instances": ("created_at",),
    "agents": ("created_at", "last_active_at"),
    "sessions": ("created_at", "updated_at", "closed_at"),
}
_NEEDED: Final = ("created_at",)
"""Becomes 1970 where it is missing; a session's last change becomes its creation."""
_TEXTS: Final = {
    "organizations": ("name", "settings_json"),
    "api_keys": ("name", "permissions"),
    "agents": ("name", "description", "config_json"),
    "sessions": ("agent_id", "metadata_json"),
}
_OBJECTS: Final = {
    "organizations": ("settings_json",),
    "agents": ("config_json",),
    "sessions": ("metadata_json",),
}
_READABLE: Final = "memtrace_time(CAST({0} AS BLOB)) IS NOT NULL"
_NO_OBJECT: Final = "CASE WHEN json_valid({0}) THEN json_type({0}) != 'object' ELSE trim({0}) != '' END"
_OWN_SETTINGS: Final = ", ".join(f"'{name}'" for name in BOUNDS)
_QUESTIONS: Final = {
    "settings_taken_away": f"""SELECT count(*) FROM organizations WHERE
        NOT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'store_health')
        AND CASE WHEN json_valid(CAST(settings_json AS TEXT)) THEN EXISTS (SELECT 1
            FROM json_each(CAST(settings_json AS TEXT)) AS m WHERE m.key IN ({_OWN_SETTINGS})) ELSE 0 END""",
    "keys_off": "SELECT count(*) FROM api_keys WHERE enabled IS NOT 1",
    "keys_renamed": """SELECT count(*) FROM api_keys k WHERE enabled = 1 AND EXISTS (SELECT 1 FROM api_keys f
        WHERE f.enabled = 1 AND f.org_id = k.org_id AND f.name = k.name AND f.id < k.id)""",
    "keys_orphaned": "SELECT count(*) FROM api_keys WHERE org_id NOT IN (SELECT id FROM organizations)",
    "sessions_without_agent": "SELECT count(*) FROM sessions WHERE agent_id NOT IN (SELECT id FROM agents)",
    "statuses_unknown": "SELECT count(*) FROM sessions WHERE status NOT IN ('active', 'closed')",
}


def counts(connection: sqlite3.Connection) -> dict[str, int]:
    """How many rows there are of each kind; the connection has the functions memtrace_*."""
    tables = table_names(connection)
    return {
        name: _count(connection, f"SELECT count(*) FROM {table}")
        for table, name in TABLES.items()
        if table in tables
    }


def findings(connection: sqlite3.Connection) -> dict[str, int]:
    """What a migration changes, or what a person should know, by name; the connection likewise."""
    found = {
        "times_rewritten": _sum(
            connection, _TIMES, f"{_READABLE} AND {{0}} IS NOT memtrace_time(CAST({{0}} AS BLOB))"
        ),
        "times_unreadable": _sum(
            connection, _TIMES, "{0} IS NOT NULL AND memtrace_time(CAST({0} AS BLOB)) IS NULL"
        ),
        "times_missing": _sum(connection, _of(_TIMES, _NEEDED), "{0} IS NULL"),
        "texts_repaired": _sum(
            connection, _TEXTS, "typeof({0}) = 'blob' OR NOT memtrace_is_text(CAST({0} AS BLOB))"
        ),
        "objects_unreadable": _sum(connection, _OBJECTS, _NO_OBJECT),
        "keys_without_permission": _powerless(connection),
    }
    for name, question in _QUESTIONS.items():
        try:
            found[name] = _count(connection, question)
        except sqlite3.OperationalError:  # an older file lacks what it is about
            found[name] = 0
    return found


def columns(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """Table → its columns, of the tables that the original had."""
    return {
        table: {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}
        for table in TABLES
        if table in table_names(connection)
    }


def objects(connection: sqlite3.Connection) -> set[str]:
    """Tables, indices, triggers and views by name; SQLite's and yoyo's own are left out."""
    names = connection.execute("SELECT type || ' ' || name FROM sqlite_master WHERE sql IS NOT NULL")
    return {name for (name,) in names if "sqlite_" not in name and "yoyo" not in name}


def _sum(connection: sqlite3.Connection, wanted: Mapping[str, tuple[str, ...]], condition: str) -> int:
    there = columns(connection)
    return sum(
        _count(connection, f"SELECT count(*) FROM {table} WHERE {condition.format(column)}")
        for table, column in _pairs(wanted)
        if column in there.get(table, ())
    )


def _pairs(wanted: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    return ((table, column) for table, names in wanted.items() for column in names)


def _of(wanted: Mapping[str, tuple[str, ...]], kept: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {table: tuple(name for name in names if name in kept) for table, names in wanted.items()}


def _powerless(connection: sqlite3.Connection) -> int:
    """Enabled keys whose permissions are words that nobody knows."""
    if not {"permissions", "enabled"} <= columns(connection).get("api_keys", set()):
        return 0
    rows = connection.execute(
        """SELECT CAST(permissions AS BLOB) FROM api_keys
           WHERE enabled = 1 AND trim(permissions) != ''"""
    )
    return sum(1 for (raw,) in rows if not permissions_in(raw.decode(errors="replace")))


def _count(connection: sqlite3.Connection, question: str) -> int:
    return int(connection.execute(question).fetchone()[0])
