"""Forgetting claims whose window is over: a walk through the table in small bites.

Finding them needs no index on their time, which every append would pay for; each bite reads on
a snapshot and deletes in a short transaction, checking again that the claim is old and settled.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Final

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.journal_schema import CHUNK, chunks, count_in_ledger
from core.adapters.sqlite.leases import hold
from core.model.memory import Micros
from core.ports import Lease

_Claim = tuple[int, bytes]
_START: Final[_Claim] = (-1, b"")
_EXPIRED: Final = (
    "abs(time) < :before AND NOT EXISTS (SELECT 1 FROM journal WHERE journal.time = claims.time)"
)


class SqliteExpiry:
    """Implements `Expiry`. Remembers where the walk stands; a new process starts a new round."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._place = _START

    async def expire(self, before: Micros, lease: Lease, max_rows: int) -> bool:
        old, place = await self._database.read(lambda c: _old_claims(c, self._place, before, max_rows))
        for chunk in chunks(old):
            await self._database.write(partial(_forget, claims=chunk, before=before, lease=lease))
        self._place = place or _START
        if place is not None:
            return False
        while await self._database.write(lambda c: _forget_requests(c, before, lease)) == CHUNK:
            pass
        return True


def _old_claims(
    connection: sqlite3.Connection, place: _Claim, before: Micros, max_rows: int
) -> tuple[list[_Claim], _Claim | None]:
    """Expired claims among the next `max_rows`, and where those end; None at the end of the table."""
    rows = connection.execute(
        """SELECT org_no, key, time FROM claims WHERE (org_no, key) > (?, ?)
           ORDER BY org_no, key LIMIT ?""",
        (*place, max_rows),
    ).fetchall()
    old = [(org_no, key) for org_no, key, time in rows if abs(time) < before]
    return old, ((rows[-1][0], rows[-1][1]) if len(rows) == max_rows else None)


def _forget(connection: sqlite3.Connection, claims: Sequence[_Claim], before: Micros, lease: Lease) -> None:
    hold(connection, lease)
    gone: dict[int, int] = {}
    for org_no, key in claims:
        deleted = connection.execute(
            f"DELETE FROM claims WHERE org_no = :org AND key = :key AND {_EXPIRED}",
            {"org": org_no, "key": key, "before": before},
        ).rowcount
        gone[org_no] = gone.get(org_no, 0) + deleted
    for org_no, count in gone.items():
        count_in_ledger(connection, org_no, claims=-count)


def _forget_requests(connection: sqlite3.Connection, before: Micros, lease: Lease) -> int:
    hold(connection, lease)
    return connection.execute(
        f"""DELETE FROM requests WHERE (org_no, key) IN
            (SELECT org_no, key FROM requests WHERE at < ? LIMIT {CHUNK})""",
        (before,),
    ).rowcount
