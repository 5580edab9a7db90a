"""Deletions in SQLite: a tombstone and what it takes out of the journal are one transaction or resumable."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Final

import msgspec

from core.adapters.sqlite import deletion_rows as rows
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.erasing import FREE_CLAIM, covered_rows, erase_rows
from core.adapters.sqlite.graves import NEW_GRAVES
from core.adapters.sqlite.journal_schema import chunks, newest_stamp, note_content_gone, org_number
from core.adapters.sqlite.undertaker import retention_id
from core.model.deletion import Deletion, Grave, Graves
from core.model.errors import NotFound, TooManyDeletions
from core.model.memory import Exclusion, Micros, OrgId
from core.ports import Clock

MOST_EXCLUSIONS: Final = 1_000
MOST_GRAVES: Final = 100_000
"""Of one org at a time, that are open."""


class SqliteDeletions:
    """Implements `Deletions`. Works beside the process that has the journal open, and without it."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def bury(self, org_id: OrgId, graves: Sequence[Grave]) -> list[Deletion]:
        now = self._clock.micros()

        def work(connection: sqlite3.Connection) -> list[Deletion]:
            org_no = _entered(connection, org_id, now)
            ids = [_buried(connection, org_no, org_id, grave, now) for grave in graves]
            if _open(connection, org_id) > MOST_GRAVES + MOST_EXCLUSIONS:
                raise TooManyDeletions()
            note_content_gone(connection)
            return [_found(connection, deletion_id) for deletion_id in ids]

        return await self._database.write(work)

    async def exclude(self, org_id: OrgId, exclusion: Exclusion) -> Deletion:
        now = self._clock.micros()

        def work(connection: sqlite3.Connection) -> Deletion:
            _entered(connection, org_id, now)
            until = min(exclusion.until, max(newest_stamp(connection) + 1, now))
            deletion_id = _excluded(connection, org_id, msgspec.structs.replace(exclusion, until=until), now)
            # Whoever stamps next, with whatever clock, stamps later than what is covered.
            rows.keep_stamps_after(connection, org_id, until - 1)
            rows.grow_version(connection, org_id)
            note_content_gone(connection)  # what is settled may still be in the log
            return _found(connection, deletion_id)

        return await self._database.write(work)

    async def erase(self, deletion: Deletion) -> Deletion:
        current = await self.find_deletion(deletion.org_id, deletion.id)
        org_no = await self._database.read(partial(org_number, org_id=deletion.org_id))
        if current is None or org_no is None:
            return deletion
        after: Micros | None = 0
        while after is not None:
            found, after = await self._database.read(
                partial(covered_rows, org_no=org_no, graves=current.graves, after=after)
            )
            for chunk in chunks(found):
                await self._database.write(partial(_erase, current, org_no, chunk))
        grave = current.grave
        if grave is not None and await self._database.read(partial(_holds_claim, org_no=org_no, grave=grave)):
            await self._database.write(partial(_free_claim, org_no, grave))
        return await self.find_deletion(deletion.org_id, deletion.id) or deletion

    async def find_deletion(self, org_id: OrgId | None, deletion_id: str) -> Deletion | None:
        found = await self._database.read(partial(rows.find, deletion_id=deletion_id))
        return found if found is not None and org_id in (None, found.org_id) else None

    async def list_deletions(self, org_id: OrgId | None, limit: int) -> list[Deletion]:
        def read(connection: sqlite3.Connection) -> list[Deletion]:
            found = connection.execute(
                f"""SELECT {rows.COLUMNS} FROM deletions WHERE :org IS NULL OR org_id = :org
                    ORDER BY requested_at DESC, id DESC LIMIT :limit""",
                {"org": org_id, "limit": limit},
            )
            return [rows.deletion_of(row) for row in found]

        return await self._database.read(read)


def _entered(connection: sqlite3.Connection, org_id: OrgId, now: Micros) -> int:
    org_no = rows.entered(connection, org_id, now)
    if org_no is None:
        raise NotFound("organization not found")
    return org_no


def _found(connection: sqlite3.Connection, deletion_id: str) -> Deletion:
    deletion = rows.find(connection, deletion_id)
    assert deletion is not None
    return deletion


def _open(connection: sqlite3.Connection, org_id: OrgId) -> int:
    found = connection.execute(
        f"SELECT count(*) FROM deletions WHERE org_id = ? AND {rows.OPEN}", (org_id,)
    ).fetchone()
    return int(found[0])


def _buried(connection: sqlite3.Connection, org_no: int, org_id: OrgId, grave: Grave, now: Micros) -> str:
    """The id of the grave's deletion; the memory is out of the journal afterwards."""
    row = connection.execute(
        "SELECT id, state FROM deletions WHERE org_id = ? AND time = ? AND key = ?", (org_id, *grave)
    ).fetchone()
    if row is None:
        deletion_id = rows.new_id()
        rows.insert(connection, deletion_id, org_id, now, grave=grave)
        rows.grow_version(connection, org_id, NEW_GRAVES)
    else:
        deletion_id = row[0]
        if row[1] == "closed":
            connection.execute(
                """UPDATE deletions SET state = 'pending', requested_at = :now, due_at = :now, reason = ''
                   WHERE id = :id""",
                {"now": now, "id": deletion_id},
            )
            rows.grow_version(connection, org_id)
    _erase_grave(connection, deletion_id, org_no, org_id, grave)
    return str(deletion_id)


def _erase_grave(
    connection: sqlite3.Connection, deletion_id: str, org_no: int, org_id: OrgId, grave: Grave
) -> None:
    time, key = grave
    gone = erase_rows(connection, org_no, [time], Graves(identities=frozenset((grave,))))
    connection.execute(FREE_CLAIM, (org_no, key, time))
    if gone:
        _count(connection, deletion_id, gone)
        rows.keep_stamps_after(connection, org_id, time)


def _excluded(connection: sqlite3.Connection, org_id: OrgId, exclusion: Exclusion, now: Micros) -> str:
    """The id of the deletion that has it, an open one with the same scope or a new one."""
    found = connection.execute(
        f"""SELECT {rows.COLUMNS} FROM deletions
            WHERE org_id = ? AND {rows.OPEN} AND exclusion IS NOT NULL AND id != ?""",
        (org_id, retention_id(org_id)),
    ).fetchall()
    for deletion in map(rows.deletion_of, found):
        held = deletion.exclusion
        if held is not None and _scope(held) == _scope(exclusion):
            if held.until < exclusion.until:
                rows.extend(connection, deletion.id, now, exclusion)
            return deletion.id
    if len(found) >= MOST_EXCLUSIONS:
        raise TooManyDeletions()
    deletion_id = rows.new_id()
    rows.insert(connection, deletion_id, org_id, now, exclusion=exclusion)
    return deletion_id


def _scope(exclusion: Exclusion) -> tuple[str, frozenset[str]]:
    return exclusion.session_id, frozenset(exclusion.agent_ids)


def _erase(deletion: Deletion, org_no: int, times: Sequence[Micros], connection: sqlite3.Connection) -> None:
    gone = erase_rows(connection, org_no, times, deletion.graves)
    if gone:
        _count(connection, deletion.id, gone)
        note_content_gone(connection)


def _holds_claim(connection: sqlite3.Connection, org_no: int, grave: Grave) -> bool:
    time, key = grave
    found = "SELECT 1 FROM claims WHERE org_no = ? AND key = ? AND time = ?"
    return connection.execute(found, (org_no, key, time)).fetchone() is not None


def _free_claim(org_no: int, grave: Grave, connection: sqlite3.Connection) -> None:
    time, key = grave
    connection.execute(FREE_CLAIM, (org_no, key, time))


def _count(connection: sqlite3.Connection, deletion_id: str, gone: int) -> None:
    connection.execute(
        "UPDATE deletions SET from_journal = from_journal + ? WHERE id = ?", (gone, deletion_id)
    )
