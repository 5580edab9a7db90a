"""Memories that come into a store by an import, as the journal has to know of them."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Final

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.graves import exclusion_in
from core.adapters.sqlite.journal_schema import as_json, chunks, count_in_ledger, org_number
from core.adapters.sqlite.moves import is_moving
from core.model.deletion import Graves
from core.model.memory import Micros, OrgId
from core.ports import Clock

_CLAIM: Final = """INSERT INTO claims (org_no, key, time) VALUES (:org, :key, :time)
    ON CONFLICT (org_no, key) DO UPDATE SET time = excluded.time, token = NULL
    WHERE claims.time < excluded.time AND claims.time <= :alive_since
        AND NOT EXISTS (SELECT 1 FROM journal WHERE journal.time = claims.time)"""
"""Only a settled claim whose window is over gives way."""

Claim = tuple[bytes, Micros]


class SqliteLanding:
    """Implements `Landing`."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def buried(self, org_id: OrgId, times: Sequence[Micros]) -> Graves:
        def read(connection: sqlite3.Connection) -> Graves:
            rules = connection.execute(
                "SELECT exclusion FROM deletions WHERE org_id = ? AND exclusion IS NOT NULL", (org_id,)
            )
            singles = connection.execute(
                """SELECT deletions.time, deletions.key FROM json_each(?) AS wanted CROSS JOIN deletions
                   WHERE deletions.org_id = ? AND deletions.time = wanted.value""",
                (as_json(times), org_id),
            )
            return Graves(tuple(exclusion_in(text) for (text,) in rules), frozenset(singles))

        return await self._database.read(read)

    async def ask_store_through(self, org_id: OrgId, time: Micros) -> None:
        """An org that never wrote has no row, and its store is asked for everything."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE ledger SET settled_through = max(settled_through, ?) WHERE org_id = ? AND org_no > 0",
                (time, org_id),
            )

        await self._database.write(work)

    async def claim(self, org_id: OrgId, claims: Sequence[Claim], alive_since: Micros, most: int) -> int:
        taken = 0
        for chunk in chunks(claims):
            work = partial(
                _claim, org_id=org_id, claims=chunk, now=self._clock.micros(), since=alive_since, most=most
            )
            taken += await self._database.write(work)
        return taken

    async def is_moving(self, org_id: OrgId) -> bool:
        now = self._clock.micros()
        return await self._database.read(lambda connection: is_moving(connection, org_id, now))


def _claim(
    connection: sqlite3.Connection,
    org_id: OrgId,
    claims: Sequence[Claim],
    now: Micros,
    since: Micros,
    most: int,
) -> int:
    connection.execute(
        """INSERT OR IGNORE INTO ledger (org_id, settled_through)
           SELECT id, ? FROM organizations WHERE id = ?""",
        (now, org_id),
    )
    org_no = org_number(connection, org_id)
    if org_no is None:  # deleted meanwhile
        return 0
    (held,) = connection.execute("SELECT claims FROM ledger WHERE org_no = ?", (org_no,)).fetchone()
    taken = new = 0
    for key, time in claims[: max(0, most - held)]:
        is_new = not _is_held(connection, org_no, key)
        claim = {"org": org_no, "key": key, "time": time, "alive_since": since}
        taken += connection.execute(_CLAIM, claim).rowcount
        new += is_new
    count_in_ledger(connection, org_no, claims=new)
    return taken


def _is_held(connection: sqlite3.Connection, org_no: int, key: bytes) -> bool:
    found = connection.execute("SELECT 1 FROM claims WHERE org_no = ? AND key = ?", (org_no, key)).fetchone()
    return found is not None
