"""Registered agents in SQLite."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.journal_schema import chunks
from core.adapters.sqlite.rows import json_of, moment_in, moment_or_none, object_in, rules, text_of
from core.model.memory import Micros, OrgId
from core.model.timewindow import moment_of
from core.model.work import Agent

_COLUMNS: Final = "id, org_id, name, description, config_json, created_at, last_active_at"
_FOUND: Final = "org_id = :org AND (id = :who OR name = :who) ORDER BY id = :who DESC LIMIT 1"
"""By id, else by name."""
_TOUCHED: Final = """org_id = :org AND (id = :who OR name = :who)
    AND (last_active_at IS NULL OR last_active_at < :at)"""


class SqliteAgents:
    """An `AgentStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_agent(self, agent: Agent) -> None:
        values = (
            agent.id,
            agent.org_id,
            agent.name,
            agent.description,
            json_of(agent.config),
            text_of(agent.created_at),
            text_of(agent.last_active_at) if agent.last_active_at else None,
        )

        def work(connection: sqlite3.Connection) -> None:
            with rules(taken=f"agent '{agent.name}' already exists in this organization"):
                connection.execute(f"INSERT INTO agents ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", values)

        await self._database.write(work)

    async def find_agent(self, org_id: OrgId, id_or_name: str) -> Agent | None:
        def work(connection: sqlite3.Connection) -> Agent | None:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM agents WHERE {_FOUND}", {"org": org_id, "who": id_or_name}
            ).fetchone()
            return _agent(row) if row else None

        return await self._database.read(work)

    async def list_agents(self, org_id: OrgId, limit: int, after: tuple[datetime, str] | None) -> list[Agent]:
        condition = "org_id = ?"
        values: list[str] = [org_id]
        if after is not None:
            condition += " AND (created_at, id) < (?, ?)"
            values += [text_of(after[0]), after[1]]

        def work(connection: sqlite3.Connection) -> list[Agent]:
            rows = connection.execute(
                f"""SELECT {_COLUMNS} FROM agents WHERE {condition}
                    ORDER BY created_at DESC, id DESC LIMIT ?""",
                (*values, limit),
            )
            return [_agent(row) for row in rows]

        return await self._database.read(work)

    async def delete_agent(self, org_id: OrgId, id_or_name: str) -> bool:
        """Its sessions and memories stay: neither needs a registered agent."""

        def work(connection: sqlite3.Connection) -> bool:
            return (
                connection.execute(
                    f"DELETE FROM agents WHERE id = (SELECT id FROM agents WHERE {_FOUND})",
                    {"org": org_id, "who": id_or_name},
                ).rowcount
                > 0
            )

        return await self._database.write(work)

    async def touch_agents(self, org_id: OrgId, seen: dict[str, Micros]) -> None:
        """Few of them in one transaction, and none for agents of which nothing changes."""
        touches = [{"org": org_id, "who": who, "at": text_of(moment_of(at))} for who, at in seen.items()]

        def news(connection: sqlite3.Connection) -> list[dict[str, str]]:
            find = f"SELECT 1 FROM agents WHERE {_TOUCHED}"
            return [touch for touch in touches if connection.execute(find, touch).fetchone()]

        def work(connection: sqlite3.Connection, touches: Sequence[dict[str, str]]) -> None:
            connection.executemany(f"UPDATE agents SET last_active_at = :at WHERE {_TOUCHED}", touches)

        for chunk in chunks(await self._database.read(news)):
            await self._database.write(partial(work, touches=chunk))


def _agent(row: tuple[Any, ...]) -> Agent:
    agent_id, org_id, name, description, config_json, created_at, last_active_at = row
    return Agent(
        id=agent_id,
        org_id=OrgId(org_id),
        name=name,
        description=description or "",
        config=object_in(config_json),
        created_at=moment_in(created_at),
        last_active_at=moment_or_none(last_active_at),
    )
