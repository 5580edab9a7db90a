"""Sessions in SQLite. Updates read, merge and write in one transaction."""

import json
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.journal_schema import note_content_gone
from core.adapters.sqlite.rows import json_of, moment_in, moment_or_none, object_in, rules, text_of
from core.model.memory import OrgId
from core.model.work import Session, SessionStatus, merged

_COLUMNS: Final = "id, org_id, agent_id, status, metadata_json, created_at, updated_at, closed_at"


class SqliteSessions:
    """A `SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_session(self, session: Session) -> None:
        values = (
            session.id,
            session.org_id,
            session.agent_id,
            session.status,
            json_of(session.metadata),
            text_of(session.created_at),
            text_of(session.updated_at),
            text_of(session.closed_at) if session.closed_at else None,
        )

        def work(connection: sqlite3.Connection) -> None:
            with rules(taken=f"session '{session.id}' already exists"):
                connection.execute(
                    f"INSERT INTO sessions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values
                )

        await self._database.write(work)

    async def find_session(self, org_id: OrgId, session_id: str) -> Session | None:
        return await self._database.read(lambda connection: _find(connection, org_id, session_id))

    async def list_sessions(
        self,
        org_id: OrgId,
        agent_id: str | None,
        status: SessionStatus | None,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> list[Session]:
        conditions: list[str] = ["org_id = ?"]
        values: list[str] = [org_id]
        if agent_id is not None:
            conditions.append("agent_id = ?")
            values.append(agent_id)
        if status is not None:
            conditions.append("status = ?")
            values.append(status)
        if after is not None:
            conditions.append("(created_at, id) < (?, ?)")
            values += [text_of(after[0]), after[1]]

        def work(connection: sqlite3.Connection) -> list[Session]:
            rows = connection.execute(
                f"""SELECT {_COLUMNS} FROM sessions WHERE {" AND ".join(conditions)}
                    ORDER BY created_at DESC, id DESC LIMIT ?""",
                (*values, limit),
            )
            return [_session(row) for row in rows]

        return await self._database.read(work)

    async def update_session(
        self,
        org_id: OrgId,
        session_id: str,
        status: SessionStatus | None,
        metadata: dict[str, Any] | None,
        now: datetime,
    ) -> Session | None:
        def work(connection: sqlite3.Connection) -> Session | None:
            session = _find(connection, org_id, session_id)
            if session is None:
                return None
            outcome = status or session.status
            closed_at = (session.closed_at or now) if outcome == "closed" else None
            connection.execute(
                """UPDATE sessions SET status = ?, metadata_json = ?, updated_at = ?, closed_at = ?
                   WHERE org_id = ? AND id = ?""",
                (
                    outcome,
                    json_of(merged(session.metadata, metadata) if metadata else session.metadata),
                    text_of(now),
                    text_of(closed_at) if closed_at else None,
                    org_id,
                    session_id,
                ),
            )
            return _find(connection, org_id, session_id)

        return await self._database.write(work)

    async def delete_session(self, org_id: OrgId, session_id: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(
                """UPDATE replies SET answer = CAST(json_remove(CAST(answer AS TEXT), '$.metadata') AS BLOB)
                   WHERE org_id = ? AND instr(answer, ?)""",
                (org_id, b'{"id":"%b",' % session_id.encode()),
            )
            note_content_gone(connection)
            return (
                connection.execute(
                    "DELETE FROM sessions WHERE org_id = ? AND id = ?", (org_id, session_id)
                ).rowcount
                > 0
            )

        return await self._database.write(work)

    async def count_sessions(self, org_id: OrgId, agent_ids: Sequence[str]) -> tuple[int, int]:
        def work(connection: sqlite3.Connection) -> tuple[int, int]:
            total, active = connection.execute(
                """SELECT count(*), count(*) FILTER (WHERE status = 'active') FROM sessions
                   WHERE org_id = ? AND agent_id IN (SELECT value FROM json_each(?))""",
                (org_id, json.dumps(list(agent_ids))),
            ).fetchone()
            return total, active

        return await self._database.read(work)


def _find(connection: sqlite3.Connection, org_id: OrgId, session_id: str) -> Session | None:
    found = f"SELECT {_COLUMNS} FROM sessions WHERE org_id = ? AND id = ?"
    row = connection.execute(found, (org_id, session_id)).fetchone()
    return _session(row) if row else None


def _session(row: tuple[Any, ...]) -> Session:
    session_id, org_id, agent_id, status, metadata_json, created_at, updated_at, closed_at = row
    return Session(
        id=session_id,
        org_id=OrgId(org_id),
        agent_id=agent_id,
        status="closed" if status == "closed" else "active",
        metadata=object_in(metadata_json),
        created_at=moment_in(created_at),
        updated_at=moment_in(updated_at),
        closed_at=moment_or_none(closed_at),
    )
