"""What differs between the database that is there (`main`) and the one to take its place (`backup`)."""

import sqlite3
from typing import Final

from core.adapters.sqlite.graves import OTHER_CHANGE
from core.adapters.sqlite.journal_schema import DELIVERED
from core.adapters.sqlite.restored import table_names
from core.model.backup import Comparison, Difference, Named
from core.model.memory import Micros

_FIRST: Final = 20
"""Of each kind, so many are named."""
_COMPARED: Final = {"organizations", "api_keys", "arc_instances", "agents", "sessions"}
_QUESTIONS: Final = {
    "revived_keys": """SELECT org_id, id, name FROM backup.api_keys b WHERE enabled = 1 AND NOT EXISTS
        (SELECT 1 FROM main.api_keys m WHERE m.key_hash = b.key_hash AND m.enabled = 1)""",
    "revived_orgs": """SELECT id, id, name FROM backup.organizations b WHERE NOT EXISTS
        (SELECT 1 FROM main.organizations m WHERE m.id = b.id)""",
    "revived_agents": """SELECT org_id, id, name FROM backup.agents b WHERE NOT EXISTS
        (SELECT 1 FROM main.agents m WHERE m.id = b.id)""",
    "revived_sessions": """SELECT org_id, id, agent_id FROM backup.sessions b WHERE status = 'active'
        AND NOT EXISTS (SELECT 1 FROM main.sessions m WHERE m.id = b.id AND m.status = 'active')""",
    "changed_bindings": """SELECT org_id, id, url FROM backup.arc_instances b WHERE NOT EXISTS
        (SELECT 1 FROM main.arc_instances m WHERE m.org_id = b.org_id AND m.url = b.url
            AND m.database = b.database AND m.measurement = b.measurement
            AND m.api_key_cipher = b.api_key_cipher)""",
    "lost_keys": """SELECT org_id, id, name FROM main.api_keys m WHERE enabled = 1 AND NOT EXISTS
        (SELECT 1 FROM backup.api_keys b WHERE m.key_hash = b.key_hash AND b.enabled = 1)""",
    "lost_orgs": """SELECT id, id, name FROM main.organizations m WHERE NOT EXISTS
        (SELECT 1 FROM backup.organizations b WHERE m.id = b.id)""",
    "lost_agents": """SELECT org_id, id, name FROM main.agents m WHERE NOT EXISTS
        (SELECT 1 FROM backup.agents b WHERE m.id = b.id)""",
    "lost_sessions": """SELECT org_id, id, agent_id FROM main.sessions m WHERE NOT EXISTS
        (SELECT 1 FROM backup.sessions b WHERE m.id = b.id)""",
}
_LOST_MEMORIES: Final = f"""SELECT count(*) FROM main.journal m WHERE state != {DELIVERED} AND NOT EXISTS
    (SELECT 1 FROM backup.journal b WHERE b.time = m.time)"""
_SINCE: Final = """FROM main.deletions d WHERE d.org_id IN (SELECT id FROM backup.organizations)
    AND NOT EXISTS (SELECT 1 FROM backup.deletions b WHERE b.id = d.id AND b.exclusion IS d.exclusion)"""
"""Deletions in `main` that the backup does not know, or knows to cover less."""


def compare(connection: sqlite3.Connection) -> Comparison:
    """Nothing is said of what the old database has no tables for."""
    tables = table_names(connection)
    if not tables >= _COMPARED:
        return Comparison()
    found = {name: _difference(connection, question) for name, question in _QUESTIONS.items()}
    lost = connection.execute(_LOST_MEMORIES).fetchone()[0] if "journal" in tables else 0
    since = 0
    if "deletions" in tables:
        since = connection.execute(f"SELECT count(*) {_SINCE}").fetchone()[0]
    return Comparison(**found, lost_memories=lost, repeated_deletions=since)


def _difference(connection: sqlite3.Connection, question: str) -> Difference:
    count = connection.execute(f"SELECT count(*) FROM ({question})").fetchone()[0]
    rows = connection.execute(f"{question} ORDER BY 1, 2 LIMIT {_FIRST}")
    return Difference(count, [Named(str(org), str(id), str(name or "")) for org, id, name in rows])


def hand_over_deletions(connection: sqlite3.Connection, now: Micros) -> None:
    """Inside the caller's transaction, which changes both files or none.

    In `main` they are opened again too: the backup's files may bring back what they had removed.
    """
    if "deletions" not in table_names(connection):
        return
    connection.execute(f"CREATE TEMP TABLE since AS SELECT d.id, d.org_id {_SINCE}")
    _copy(connection, now)
    for schema in ("main", "backup"):
        connection.execute(
            f"""UPDATE {schema}.deletions SET state = 'pending', due_at = ?
                WHERE id IN (SELECT id FROM temp.since)""",
            (now,),
        )
        connection.execute(
            f"""UPDATE {schema}.ledger SET deletions_version = deletions_version + {OTHER_CHANGE}
                WHERE org_id IN (SELECT org_id FROM temp.since)"""
        )
    connection.execute("DROP TABLE temp.since")


def _copy(connection: sqlite3.Connection, now: Micros) -> None:
    """Into the backup; its orgs stamp nothing from now on that these deletions would cover."""
    theirs, ours = (_columns(connection, schema) for schema in ("main", "backup"))
    shared = ", ".join(column for column in ours if column in theirs)
    connection.execute(
        "DELETE FROM backup.deletions WHERE id IN (SELECT id FROM temp.since)",
    )
    connection.execute(
        f"""INSERT OR IGNORE INTO backup.deletions ({shared})
            SELECT {shared} FROM main.deletions WHERE id IN (SELECT id FROM temp.since)"""
    )
    connection.execute(
        """INSERT OR IGNORE INTO backup.ledger (org_id, settled_through)
           SELECT DISTINCT org_id, ? FROM temp.since""",
        (now,),
    )
    connection.execute(
        """UPDATE backup.ledger SET stamped_through = max(stamped_through, coalesce((
               SELECT max(json_extract(exclusion, '$.until')) - 1 FROM main.deletions d
               WHERE d.org_id = ledger.org_id AND d.id IN (SELECT id FROM temp.since)), 0))"""
    )


def _columns(connection: sqlite3.Connection, schema: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA {schema}.table_info(deletions)")]
