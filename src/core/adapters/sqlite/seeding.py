"""Which bindings' stores were read for claims, and the claims that came of it."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from core.adapters.sqlite.claiming import Claim, claim_stored
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.graves import GraveBook
from core.model.deletion import NO_GRAVES, Graves
from core.model.errors import Conflict
from core.model.memory import Micros, OrgId
from core.ports import Clock, Looking

_UNSEEDED: Final = """SELECT org_id, id, began_at, coalesce(reached, 0), again_at FROM arc_instances
    LEFT JOIN seedings ON binding_id = id WHERE coalesce(done, 0) = 0 ORDER BY org_id"""
_NOTE: Final = """INSERT INTO seedings (binding_id, began_at, reached, again_at, done)
    SELECT id, :began, :reached, :again_at, :done FROM arc_instances WHERE id = :binding
    ON CONFLICT (binding_id) DO UPDATE SET began_at = excluded.began_at, reached = excluded.reached,
        again_at = excluded.again_at, done = excluded.done WHERE seedings.done = 0"""
_STANDING: Final = "SELECT org_no, deletions_version FROM ledger WHERE org_id = ? AND org_no > 0"


class SqliteSeedings:
    """Implements `Seedings`; `most` claims an org are held at most."""

    def __init__(self, database: Database, *, clock: Clock, most: int) -> None:
        self._database = database
        self._clock = clock
        self._most = most

    async def unseeded(self) -> list[Looking]:
        return await self._database.read(unseeded)

    async def note(self, looking: Looking, *, is_done: bool = False) -> None:
        values = {
            "binding": looking.binding_id,
            "began": looking.began or 0,
            "reached": looking.reached,
            "again_at": looking.again_at,
            "done": is_done,
        }

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_NOTE, values)

        await self._database.write(work)

    async def hidden(self, org_id: OrgId) -> tuple[int, Graves]:
        def read(connection: sqlite3.Connection) -> tuple[int, Graves]:
            org_no, version = _standing(connection, org_id)
            if org_no is None:
                return 0, NO_GRAVES
            return version, GraveBook().of(connection, org_no, org_id, version)

        return await self._database.read(read)

    async def claim(
        self, looking: Looking, claims: Sequence[Claim], alive_since: Micros, version: int
    ) -> int | None:
        def work(connection: sqlite3.Connection) -> int | None:
            bound = "SELECT 1 FROM arc_instances WHERE id = ? AND org_id = ?"
            if not connection.execute(bound, (looking.binding_id, looking.org_id)).fetchone():
                raise Conflict(f"{looking.org_id} is bound to another store by now")
            if _standing(connection, looking.org_id)[1] != version:
                return None
            return claim_stored(
                connection,
                looking.org_id,
                claims,
                now=self._clock.micros(),
                alive_since=alive_since,
                most=self._most,
            )

        return await self._database.write(work)


def unseeded(connection: sqlite3.Connection) -> list[Looking]:
    """As `Seedings.unseeded`."""
    return [
        Looking(OrgId(org_id), binding_id, began, reached, again_at)
        for org_id, binding_id, began, reached, again_at in connection.execute(_UNSEEDED)
    ]


def _standing(connection: sqlite3.Connection, org_id: OrgId) -> tuple[Any, int]:
    """(number, version of what is deleted) of an org; (None, 0) where it never wrote."""
    return connection.execute(_STANDING, (org_id,)).fetchone() or (None, 0)
