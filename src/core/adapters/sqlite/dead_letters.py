"""Memories that no store will take, for a person to look at, retry or purge."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.journal_schema import (
    DEAD,
    OWED,
    as_json,
    chunks,
    count_in_ledger,
    note_content_gone,
)
from core.model.memory import Micros, OrgId, claim_key, decode, parse_id
from core.ports import Clock, DeadLetter

_COLUMNS = (
    "SELECT payload, reason, died_at FROM journal JOIN dead_letters USING (time) JOIN ledger USING (org_no)"
)


def _letter(row: tuple[bytes, str, Micros]) -> DeadLetter:
    return DeadLetter(decode(row[0]), row[1], row[2])


class SqliteDeadLetters:
    """Implements `DeadLetters`."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list_dead(self, org_id: OrgId | None, limit: int) -> list[DeadLetter]:
        def read(connection: sqlite3.Connection) -> list[DeadLetter]:
            whose = "" if org_id is None else "AND org_no = (SELECT org_no FROM ledger WHERE org_id = :org)"
            rows = connection.execute(
                f"{_COLUMNS} WHERE state = {DEAD} {whose} ORDER BY journal.time DESC LIMIT :limit",
                {"org": org_id, "limit": limit},
            )
            return [_letter(row) for row in rows]

        return await self._database.read(read)

    async def find_dead(self, memory_id: str) -> DeadLetter | None:
        place = parse_id(memory_id)
        if place is None:
            return None

        def read(connection: sqlite3.Connection) -> DeadLetter | None:
            row = connection.execute(
                f"{_COLUMNS} WHERE journal.time = ? AND state = {DEAD}", (place[0],)
            ).fetchone()
            letter = _letter(row) if row else None
            return letter if letter and letter.memory.id == memory_id else None

        return await self._database.read(read)

    async def retry_dead(self, org_id: OrgId | None, memory_ids: Sequence[str] | None) -> int:
        def work(connection: sqlite3.Connection, times: Sequence[Micros]) -> int:
            wanted = "time IN (SELECT value FROM json_each(:times))"
            arguments = {"times": as_json(times), "at": self._clock.micros()}
            connection.execute(f"DELETE FROM dead_letters WHERE {wanted}", arguments)
            return connection.execute(
                f"""UPDATE journal SET state = {OWED}, parked = 1, rounds = 0, due_at = :at
                    WHERE {wanted} AND state = {DEAD}""",
                arguments,
            ).rowcount

        return await self._each_chunk(org_id, memory_ids, work)

    async def purge_dead(self, org_id: OrgId | None, memory_ids: Sequence[str] | None) -> int:
        def work(connection: sqlite3.Connection, times: Sequence[Micros]) -> int:
            for time in times:
                row = connection.execute(
                    f"SELECT org_no, payload FROM journal WHERE time = ? AND state = {DEAD}", (time,)
                ).fetchone()
                if row:
                    _purge(connection, time, *row)
            note_content_gone(connection)
            return len(times)

        return await self._each_chunk(org_id, memory_ids, work)

    async def _each_chunk(
        self,
        org_id: OrgId | None,
        memory_ids: Sequence[str] | None,
        work: Callable[..., int],
    ) -> int:
        times = await self._times(org_id, memory_ids)
        done = 0
        for chunk in chunks(times):
            done += await self._database.write(partial(work, times=chunk))
        return done

    async def _times(self, org_id: OrgId | None, memory_ids: Sequence[str] | None) -> list[Micros]:
        """Times of the dead letters meant; an id that names none of them is left out."""
        if memory_ids is not None:
            letters = [await self.find_dead(memory_id) for memory_id in memory_ids]
            return [
                letter.memory.time for letter in letters if letter and org_id in (None, letter.memory.org_id)
            ]

        def read(connection: sqlite3.Connection) -> list[Micros]:
            rows = connection.execute(
                f"""SELECT time FROM journal JOIN ledger USING (org_no)
                    WHERE state = {DEAD} AND (:org IS NULL OR org_id = :org)""",
                {"org": org_id},
            )
            return [time for (time,) in rows]

        return await self._database.read(read)


def _purge(connection: sqlite3.Connection, time: Micros, org_no: int, payload: bytes) -> None:
    key = claim_key(decode(payload).dedup_key)
    freed = connection.execute(
        "DELETE FROM claims WHERE org_no = ? AND key = ? AND time = ?", (org_no, key, time)
    ).rowcount
    connection.execute("DELETE FROM dead_letters WHERE time = ?", (time,))
    connection.execute("DELETE FROM journal WHERE time = ?", (time,))
    count_in_ledger(connection, org_no, rows=-1, size=-len(payload), claims=-freed)
