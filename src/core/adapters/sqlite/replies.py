"""Answers kept under idempotency keys, in SQLite."""

import sqlite3
from typing import Final

from core.adapters.sqlite.database import Database
from core.model.errors import IdempotencyConflict
from core.model.memory import Micros, OrgId
from core.ports import IdempotencyKey

_FORGOTTEN_AT_ONCE: Final = 100


class SqliteReplies:
    """A `Replies`. What is older than the window goes a little at a time, as new keys come."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin_reply(
        self, org_id: OrgId, idempotency: IdempotencyKey, now: Micros, since: Micros
    ) -> tuple[int, bytes] | None:
        def work(connection: sqlite3.Connection) -> tuple[int, bytes] | None:
            _forget(connection, since)
            own = "FROM replies WHERE org_id = ? AND key = ?"
            connection.execute(f"DELETE {own} AND at < ?", (org_id, idempotency.key, since))
            row = connection.execute(
                f"SELECT body, status, answer {own}", (org_id, idempotency.key)
            ).fetchone()
            if row is None:
                return None
            body, status, answer = row
            if body != idempotency.body:
                raise IdempotencyConflict()
            return status, answer

        return await self._database.write(work)

    async def keep_reply(
        self, org_id: OrgId, idempotency: IdempotencyKey, now: Micros, status: int, body: bytes
    ) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                """INSERT OR IGNORE INTO replies (org_id, key, body, at, status, answer)
                   VALUES (?, ?, ?, ?, ?, ?)""",
                (org_id, idempotency.key, idempotency.body, now, status, body),
            )

        await self._database.write(work)


def _forget(connection: sqlite3.Connection, since: Micros) -> None:
    connection.execute(
        """DELETE FROM replies WHERE (org_id, key) IN
               (SELECT org_id, key FROM replies WHERE at < ? ORDER BY at LIMIT ?)""",
        (since, _FORGOTTEN_AT_ONCE),
    )
