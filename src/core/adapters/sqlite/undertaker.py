"""The flusher's steps on deletions, each in one fenced transaction."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from hashlib import sha256

from core.adapters.sqlite import deletion_rows as rows
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.erasing import FREE_CLAIM
from core.adapters.sqlite.journal_schema import chunks, org_number
from core.adapters.sqlite.leases import hold
from core.model.deletion import Deletion, DeletionState, Grave
from core.model.memory import Exclusion, Micros, OrgId
from core.ports import Clock, Lease


def retention_id(org_id: OrgId) -> str:
    """The id of the one deletion by which this org's retention is kept."""
    return f"del_{sha256(f'retention {org_id}'.encode()).hexdigest()[:24]}"


class SqliteUndertaker:
    """Implements `Undertaker`."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def due_deletions(self, now: Micros, limit: int) -> list[Deletion]:
        def read(connection: sqlite3.Connection) -> list[Deletion]:
            found = connection.execute(
                f"""SELECT {rows.COLUMNS} FROM deletions
                    WHERE due_at IS NOT NULL AND due_at <= ? ORDER BY due_at, rowid LIMIT ?""",
                (now, limit),
            )
            return [rows.deletion_of(row) for row in found]

        return await self._database.read(read)

    async def free_claims(self, org_id: OrgId, graves: Sequence[Grave], lease: Lease) -> int:
        freed = 0
        for chunk in chunks(graves):
            freed += await self._database.write(partial(_free, org_id, chunk, lease))
        return freed

    async def progress(
        self,
        deletion: Deletion,
        lease: Lease,
        *,
        state: DeletionState,
        from_store: int,
        due_at: Micros | None,
        reason: str,
    ) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            hold(connection, lease)
            connection.execute(
                "UPDATE deletions SET from_store = from_store + ?, checked_at = ? WHERE id = ?",
                (from_store, self._clock.micros(), deletion.id),
            )
            current = rows.find(connection, deletion.id)
            if current is None or current.exclusion != deletion.exclusion:
                return False
            connection.execute(
                "UPDATE deletions SET state = ?, due_at = ?, reason = ? WHERE id = ?",
                (state, due_at, reason, deletion.id),
            )
            if (state == "closed") != (current.state == "closed"):
                rows.grow_version(connection, deletion.org_id)
            return True

        return await self._database.write(work)

    async def retain(self, org_id: OrgId, until: Micros, lease: Lease) -> Deletion | None:
        def work(connection: sqlite3.Connection) -> Deletion | None:
            hold(connection, lease)
            deletion_id, now = retention_id(org_id), self._clock.micros()
            if rows.entered(connection, org_id, now) is None:
                return None
            held = rows.find(connection, deletion_id)
            exclusion = Exclusion(until=min(until, now))
            if held is None:
                rows.insert(connection, deletion_id, org_id, now, exclusion=exclusion)
            elif held.exclusion is not None and held.exclusion.until < exclusion.until:
                rows.extend(connection, deletion_id, now, exclusion)
            else:
                return None
            rows.keep_stamps_after(connection, org_id, exclusion.until - 1)
            rows.grow_version(connection, org_id)
            return rows.find(connection, deletion_id)

        return await self._database.write(work)


def _free(org_id: OrgId, graves: Sequence[Grave], lease: Lease, connection: sqlite3.Connection) -> int:
    hold(connection, lease)
    org_no = org_number(connection, org_id)
    if org_no is None:
        return 0
    freed = 0
    for time, key in graves:
        freed += connection.execute(FREE_CLAIM, (org_no, key, time)).rowcount
    return freed
