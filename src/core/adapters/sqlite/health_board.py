"""The health board in SQLite: what the flusher saw last, for the edge to read."""

import sqlite3
from collections.abc import Sequence

from core.adapters.sqlite.database import Database
from core.model.memory import Micros, OrgId
from core.ports import StoreHealth


class SqliteHealthBoard:
    """A `HealthBoard`. An org that was deleted meanwhile is not brought back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def post_health(self, health: Sequence[StoreHealth]) -> None:
        rows = [(h.ok, h.checked_at, h.circuit, h.retry_at, h.reason, h.org_id) for h in health]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(
                """INSERT OR REPLACE INTO store_health
                       (org_id, ok, checked_at, circuit, retry_at, reason)
                   SELECT id, ?, ?, ?, ?, ? FROM organizations WHERE id = ?""",
                rows,
            )

        await self._database.write(work)

    async def read_health(self) -> list[StoreHealth]:
        """In the order of the orgs' ids."""

        def work(connection: sqlite3.Connection) -> list[StoreHealth]:
            rows = connection.execute(
                "SELECT org_id, ok, checked_at, circuit, retry_at, reason FROM store_health ORDER BY org_id"
            )
            return [StoreHealth(OrgId(row[0]), bool(row[1]), *row[2:]) for row in rows]

        return await self._database.read(work)

    async def post_report(self, text: bytes, now: Micros) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO flusher_report (id, metrics, at) VALUES (1, ?, ?)", (text, now)
            )

        await self._database.write(work)

    async def read_report(self) -> tuple[bytes, Micros] | None:
        def work(connection: sqlite3.Connection) -> tuple[bytes, Micros] | None:
            row = connection.execute("SELECT metrics, at FROM flusher_report").fetchone()
            return (row[0], row[1]) if row else None

        return await self._database.read(work)
