"""Organizations in SQLite."""

import sqlite3
from collections.abc import Mapping
from typing import Final

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.journal_schema import forget_org
from core.adapters.sqlite.rows import json_of, moment_in, object_in, rules, text_of
from core.model.memory import OrgId
from core.model.org_settings import OrgSettings, settings_of
from core.model.tenant import Org

_COLUMNS: Final = "id, name, created_at, settings_json"
_OWNED: Final = ("arc_instances", "api_keys", "sessions", "agents", "replies", "store_health")
"""Tables whose rows go with their org."""


class SqliteOrgs:
    """An `OrgStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create_org(self, org: Org) -> None:
        def work(connection: sqlite3.Connection) -> None:
            with rules(taken=f"organization '{org.id}' already exists"):
                connection.execute(
                    f"INSERT INTO organizations ({_COLUMNS}) VALUES (?, ?, ?, ?)",
                    (org.id, org.name, text_of(org.created_at), json_of(org.settings.members())),
                )

        await self._database.write(work)

    async def list_orgs(self) -> list[Org]:
        """The oldest first."""

        def work(connection: sqlite3.Connection) -> list[Org]:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM organizations ORDER BY created_at, id")
            return [_org(row) for row in rows]

        return await self._database.read(work)

    async def find_org(self, org_id: OrgId) -> Org | None:
        def work(connection: sqlite3.Connection) -> Org | None:
            found = f"SELECT {_COLUMNS} FROM organizations WHERE id = ?"
            row = connection.execute(found, (org_id,)).fetchone()
            return _org(row) if row else None

        return await self._database.read(work)

    async def update_org_settings(
        self, org_id: OrgId, changes: Mapping[str, float | None]
    ) -> OrgSettings | None:
        def work(connection: sqlite3.Connection) -> OrgSettings | None:
            found = "SELECT settings_json FROM organizations WHERE id = ?"
            row = connection.execute(found, (org_id,)).fetchone()
            if row is None:
                return None
            members = {name: v for name, v in object_in(row[0]).items() if name not in changes}
            members |= {name: value for name, value in changes.items() if value is not None}
            stored = "UPDATE organizations SET settings_json = ? WHERE id = ?"
            connection.execute(stored, (json_of(members), org_id))
            return settings_of(members)

        return await self._database.write(work)

    async def delete_org(self, org_id: OrgId) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            for table in _OWNED:
                connection.execute(f"DELETE FROM {table} WHERE org_id = ?", (org_id,))
            forget_org(connection, org_id)
            return connection.execute("DELETE FROM organizations WHERE id = ?", (org_id,)).rowcount > 0

        return await self._database.write(work)


def _org(row: tuple[str, str, str | None, str | None]) -> Org:
    return Org(OrgId(row[0]), row[1], moment_in(row[2]), settings_of(object_in(row[3])))
