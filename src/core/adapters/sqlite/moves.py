"""Moves of orgs between stores: a row that keeps an org from settling, and the switch of its binding."""

import sqlite3
from collections.abc import Sequence

from core.adapters.sqlite.bindings import replace_binding
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.deletion_rows import all_buried, reopen
from core.adapters.sqlite.journal_schema import CHUNK, DELIVERED, OWED, org_number
from core.model.deletion import Graves
from core.model.errors import Conflict
from core.model.memory import Micros, OrgId
from core.model.tenant import SealedBinding
from core.ports import Clock


def is_moving(connection: sqlite3.Connection, org_id: OrgId, now: Micros) -> bool:
    """Whether a move of this org is in force, inside the caller's transaction."""
    row = connection.execute("SELECT 1 FROM moves WHERE org_id = ? AND until > ?", (org_id, now)).fetchone()
    return row is not None


class SqliteMoves:
    """Implements `Moves`."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def begin(self, org_id: OrgId, token: str, seconds: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            now = self._clock.micros()
            if is_moving(connection, org_id, now):
                raise Conflict(
                    f"{org_id} is being moved already",
                    hint="wait for that move; one that was killed ends by itself within minutes",
                )
            connection.execute(
                "INSERT OR REPLACE INTO moves (org_id, token, until) VALUES (?, ?, ?)",
                (org_id, token, now + _micros(seconds)),
            )

        await self._database.write(work)

    async def renew(self, org_id: OrgId, token: str, seconds: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            now = self._clock.micros()
            _refuse_unless_in_force(connection, org_id, token, now)
            connection.execute(
                "UPDATE moves SET until = ? WHERE org_id = ?", (now + _micros(seconds), org_id)
            )

        await self._database.write(work)

    async def finish(self, org_id: OrgId, token: str, binding: SealedBinding, *, has_deleted: bool) -> None:
        def work(connection: sqlite3.Connection) -> None:
            now = self._clock.micros()
            _refuse_unless_in_force(connection, org_id, token, now)
            replace_binding(connection, binding)
            connection.execute("DELETE FROM moves WHERE org_id = ?", (org_id,))
            reopen(connection, org_id, now, closed=has_deleted)

        await self._database.write(work)

    async def abandon(self, org_id: OrgId, token: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM moves WHERE org_id = ? AND token = ?", (org_id, token))

        await self._database.write(work)

    async def requeue(self, org_id: OrgId) -> int:
        def work(connection: sqlite3.Connection) -> int:
            return connection.execute(
                f"""UPDATE journal SET state = {OWED}, parked = 1, due_at = :now WHERE time IN
                    (SELECT time FROM journal WHERE state = {DELIVERED} AND org_no = :org LIMIT {CHUNK})""",
                {"now": self._clock.micros(), "org": org_number(connection, org_id)},
            ).rowcount

        done = 0
        while moved := await self._database.write(work):
            done += moved
        return done

    async def buried(self, org_id: OrgId, times: Sequence[Micros]) -> Graves:
        return await self._database.read(lambda connection: all_buried(connection, org_id, times))

    async def is_moving(self, org_id: OrgId) -> bool:
        now = self._clock.micros()
        return await self._database.read(lambda connection: is_moving(connection, org_id, now))


def _refuse_unless_in_force(connection: sqlite3.Connection, org_id: OrgId, token: str, now: Micros) -> None:
    row = connection.execute(
        "SELECT 1 FROM moves WHERE org_id = ? AND token = ? AND until > ?", (org_id, token, now)
    ).fetchone()
    if row is None:
        raise Conflict(f"the move of {org_id} took too long to go on, and is over", hint="run it again")


def _micros(seconds: float) -> Micros:
    return round(seconds * 1_000_000)
