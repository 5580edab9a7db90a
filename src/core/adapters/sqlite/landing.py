"""Memories that come into a store by an import, as the journal has to know of them."""

import sqlite3
from collections.abc import Sequence
from functools import partial

from core.adapters.sqlite.claiming import Claim, claim_stored
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.deletion_rows import all_buried
from core.adapters.sqlite.journal_schema import chunks
from core.adapters.sqlite.moves import is_moving
from core.model.deletion import Graves
from core.model.memory import Micros, OrgId
from core.ports import Clock


class SqliteLanding:
    """Implements `Landing`."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def buried(self, org_id: OrgId, times: Sequence[Micros]) -> Graves:
        return await self._database.read(lambda connection: all_buried(connection, org_id, times))

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
                claim_stored,
                org_id=org_id,
                claims=chunk,
                now=self._clock.micros(),
                alive_since=alive_since,
                most=most,
            )
            taken += await self._database.write(work)
        return taken

    async def is_moving(self, org_id: OrgId) -> bool:
        now = self._clock.micros()
        return await self._database.read(lambda connection: is_moving(connection, org_id, now))
