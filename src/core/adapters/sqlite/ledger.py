"""What the journal holds, in numbers; reads only."""

import sqlite3
from typing import Final

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.journal_schema import DEAD, DELIVERED
from core.model.memory import Micros, OrgId
from core.ports import Backlog

_LOOK_EVERY: Final = 15_000_000
"""Microseconds between two looks for rows that were never received."""
_BACKLOGS = f"""
    SELECT org_id, rows, bytes, claims,
        (SELECT count(*) FROM journal j WHERE j.state = {DELIVERED} AND j.org_no = l.org_no),
        (SELECT count(*) FROM journal j WHERE j.state = {DEAD} AND j.org_no = l.org_no),
        oldest.time
    FROM ledger l
    LEFT JOIN (SELECT org_no, min(time) AS time FROM journal WHERE state = 0 GROUP BY org_no) oldest
        ON oldest.org_no = l.org_no
    WHERE l.org_no > 0 ORDER BY org_id
"""
_BACKLOG = f"""
    SELECT org_no, rows, bytes, claims,
        (SELECT count(*) FROM journal j WHERE j.state = {DELIVERED} AND j.org_no = l.org_no),
        (SELECT count(*) FROM journal j WHERE j.state = {DEAD} AND j.org_no = l.org_no)
    FROM ledger l WHERE org_id = ?
"""
_OLDEST = """
    SELECT min(time) FILTER (WHERE state = 0 AND org_no = :org_no), max(time), count(*)
    FROM (SELECT time, state, org_no FROM journal ORDER BY time LIMIT :most)
"""
_MOST_LOOKED_AT: Final = 20_000
"""Others' rows may lie in front of an org's own."""


class SqliteLedger:
    """Implements `Ledger`."""

    def __init__(
        self, database: Database, *, sweeps_all: bool = False, most_looked_at: int = _MOST_LOOKED_AT
    ) -> None:
        """`sweeps_all`: the sweep is also for rows that were never received, as in `SqliteOutbox`.

        `most_looked_at`: rows among which one org's oldest owed memory is looked for.
        """
        self._database = database
        self._sweeps_all = sweeps_all
        self._looked_at: Micros = 0
        self._most = most_looked_at

    async def backlogs(self) -> list[Backlog]:
        def read(connection: sqlite3.Connection) -> list[Backlog]:
            return [
                Backlog(OrgId(org), rows - delivered - dead, delivered, dead, size, claims, oldest)
                for org, rows, size, claims, delivered, dead, oldest in connection.execute(_BACKLOGS)
            ]

        return await self._database.read(read)

    async def backlog(self, org_id: OrgId) -> Backlog:
        def read(connection: sqlite3.Connection) -> Backlog:
            found = connection.execute(_BACKLOG, (org_id,)).fetchone()
            if found is None:
                return Backlog(org_id, 0, 0, 0, 0, 0, None)
            org_no, rows, size, claims, delivered, dead = found
            owed = rows - delivered - dead
            oldest = _oldest_owed(connection, org_no, self._most) if owed else None
            return Backlog(org_id, owed, delivered, dead, size, claims, oldest)

        return await self._database.read(read)

    async def total(self) -> Backlog:
        def read(connection: sqlite3.Connection) -> Backlog:
            rows, size, claims = connection.execute(
                "SELECT rows, bytes, claims FROM ledger WHERE org_no = 0"
            ).fetchone()
            counts = dict(
                connection.execute("SELECT state, count(*) FROM journal WHERE state > 0 GROUP BY state")
            )
            delivered, dead = counts.get(DELIVERED, 0), counts.get(DEAD, 0)
            owed = rows - delivered - dead
            oldest = None
            if owed:  # the first owed row stands near the front, behind what waits to settle
                found = connection.execute(
                    "SELECT time FROM journal WHERE state = 0 ORDER BY time LIMIT 1"
                ).fetchone()
                oldest = found[0] if found else None
            return Backlog(OrgId(""), owed, delivered, dead, size, claims, oldest)

        return await self._database.read(read)

    async def orgs_owing(self, now: Micros) -> list[OrgId]:
        orgs = await self._orgs("parked = 1 AND due_at <= ? AND state = 0", now)
        if not self._sweeps_all or now - self._looked_at < _LOOK_EVERY:
            return orgs
        self._looked_at = now  # no index helps: the journal is read from end to end
        return [*orgs, *set(await self._unparked(now)).difference(orgs)]

    async def _unparked(self, now: Micros) -> list[OrgId]:
        def read(connection: sqlite3.Connection) -> list[OrgId]:
            rows = connection.execute(
                """SELECT org_id FROM ledger WHERE org_no IN
                       (SELECT org_no FROM journal WHERE parked = 0 AND due_at <= ? AND state = 0)""",
                (now,),
            )
            return [OrgId(org) for (org,) in rows]

        return await self._database.read(read)

    async def orgs_delivered(self) -> list[OrgId]:
        return await self._orgs(f"state = {DELIVERED}")

    async def _orgs(self, where: str, *arguments: Micros) -> list[OrgId]:
        """Asks per org, by index; the orgs are few beside their rows."""

        def read(connection: sqlite3.Connection) -> list[OrgId]:
            rows = connection.execute(
                f"""SELECT org_id FROM ledger WHERE org_no > 0 AND EXISTS (
                        SELECT 1 FROM journal WHERE {where} AND journal.org_no = ledger.org_no)""",
                arguments,
            )
            return [OrgId(org) for (org,) in rows]

        return await self._database.read(read)


def _oldest_owed(connection: sqlite3.Connection, org_no: int, most: int) -> Micros | None:
    """Where more rows are in front of it than are looked at, the time where looking ended."""
    oldest: Micros | None
    oldest, last, count = connection.execute(_OLDEST, {"org_no": org_no, "most": most}).fetchone()
    return last if oldest is None and count == most else oldest
