"""The flusher's steps on the journal: each a compare-and-set, in small fenced transactions."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.journal_schema import (
    CHUNK,
    DEAD,
    DELIVERED,
    OWED,
    as_json,
    chunks,
    count_in_ledger,
    org_number,
)
from core.adapters.sqlite.leases import hold
from core.adapters.sqlite.moves import is_moving
from core.model.memory import Micros, OrgId
from core.ports import Clock, DeliveredRow, Lease, Parcel

_WANTED: Final = "time IN (SELECT value FROM json_each(:times)) AND org_no = :org"
_DUE: Final = """
    SELECT time, payload FROM journal JOIN ledger USING (org_no)
    WHERE parked = {parked} AND org_id = ? AND due_at <= ? AND state = 0 ORDER BY {order} LIMIT ?
"""
"""In the order of the index on parked rows, or of the table: nothing is sorted."""
_Step = Callable[[sqlite3.Connection, int, Sequence[Micros]], int]


class _Key(msgspec.Struct):
    dedup_key: str


_key: Final = msgspec.json.Decoder(_Key)


class SqliteOutbox:
    """Implements `Outbox`."""

    def __init__(self, database: Database, *, clock: Clock, sweeps_all: bool = False) -> None:
        """`sweeps_all`: what was never received does not come by the queue again, which is another one."""
        self._database = database
        self._clock = clock
        self._sweeps_all = sweeps_all

    async def due(self, org_id: OrgId, now: Micros, max_count: int, max_bytes: int) -> Parcel | None:
        """Those due longest, of the parked rows; then, where the sweep is for all, of the others."""

        def read(connection: sqlite3.Connection) -> Parcel | None:
            arguments = (org_id, now, max_count)
            rows = connection.execute(_DUE.format(parked=1, order="due_at, time"), arguments)
            found = parcel_of(org_id, rows, max_bytes)
            if found is None and self._sweeps_all:
                rows = connection.execute(_DUE.format(parked=0, order="time"), arguments)
                found = parcel_of(org_id, rows, max_bytes)
            return found

        return await self._database.read(read)

    async def still_owed(self, org_id: OrgId, times: Sequence[Micros]) -> set[Micros]:
        def read(connection: sqlite3.Connection) -> set[Micros]:
            arguments = {"times": as_json(times), "org": org_number(connection, org_id)}
            rows = connection.execute(
                f"SELECT time FROM journal WHERE {_WANTED} AND state = {OWED}", arguments
            )
            return {time for (time,) in rows}

        return await self._database.read(read)

    async def delivered(self, parcel: Parcel, lease: Lease | None, check_at: Micros) -> int:
        def step(connection: sqlite3.Connection, org_no: int, times: Sequence[Micros]) -> int:
            return connection.execute(
                f"""UPDATE journal SET state = {DELIVERED}, parked = 0, due_at = :at
                    WHERE {_WANTED} AND state = {OWED}""",
                {"times": as_json(times), "org": org_no, "at": check_at},
            ).rowcount

        return await self._in_chunks(parcel.org_id, parcel.times, lease, step)

    async def postpone(self, parcel: Parcel, lease: Lease | None, due_at: Micros) -> int:
        def step(connection: sqlite3.Connection, org_no: int, times: Sequence[Micros]) -> int:
            return connection.execute(
                f"UPDATE journal SET parked = 1, due_at = :at WHERE {_WANTED} AND state = {OWED}",
                {"times": as_json(times), "org": org_no, "at": due_at},
            ).rowcount

        return await self._in_chunks(parcel.org_id, parcel.times, lease, step)

    async def delivered_rows(
        self, org_id: OrgId, max_count: int, after: Micros = 0
    ) -> Sequence[DeliveredRow]:
        def read(connection: sqlite3.Connection) -> list[DeliveredRow]:
            rows = connection.execute(
                f"""SELECT time, payload, rounds, due_at FROM journal JOIN ledger USING (org_no)
                    WHERE state = {DELIVERED} AND org_id = ? AND time > ? ORDER BY time LIMIT ?""",
                (org_id, after, max_count),
            )
            return [DeliveredRow(time, _key.decode(line).dedup_key, n, at) for time, line, n, at in rows]

        return await self._database.read(read)

    async def settled(
        self, org_id: OrgId, times: Sequence[Micros], lease: Lease, seen_in: str | None = None
    ) -> int:
        def step(connection: sqlite3.Connection, org_no: int, times: Sequence[Micros]) -> int:
            if is_moving(connection, org_id, self._clock.micros()) or not _is_bound_by(
                connection, org_id, seen_in
            ):
                return 0
            arguments = {"times": as_json(times), "org": org_no}
            gone = connection.execute(
                f"""SELECT count(*), coalesce(sum(length(payload)), 0), coalesce(max(time), 0)
                    FROM journal WHERE {_WANTED} AND state = {DELIVERED}""",
                arguments,
            ).fetchone()
            connection.execute(
                "UPDATE ledger SET settled_through = max(settled_through, ?) WHERE org_no = ?",
                (gone[2], org_no),
            )
            connection.execute(f"DELETE FROM journal WHERE {_WANTED} AND state = {DELIVERED}", arguments)
            count_in_ledger(connection, org_no, rows=-gone[0], size=-gone[1])
            return int(gone[0])

        return await self._in_chunks(org_id, times, lease, step)

    async def owed_again(self, org_id: OrgId, times: Sequence[Micros], lease: Lease) -> int:
        def step(connection: sqlite3.Connection, org_no: int, times: Sequence[Micros]) -> int:
            return connection.execute(
                f"""UPDATE journal SET state = {OWED}, parked = 1, rounds = rounds + 1, due_at = :at
                    WHERE {_WANTED} AND state = {DELIVERED}""",
                {"times": as_json(times), "org": org_no, "at": self._clock.micros()},
            ).rowcount

        return await self._in_chunks(org_id, times, lease, step)

    async def dead(self, org_id: OrgId, times: Sequence[Micros], reason: str, lease: Lease | None) -> int:
        mortal = f"state = {OWED}" if lease is None else f"state != {DEAD}"

        def step(connection: sqlite3.Connection, org_no: int, times: Sequence[Micros]) -> int:
            arguments = {"times": as_json(times), "org": org_no, "why": reason, "at": self._clock.micros()}
            connection.execute(
                f"""INSERT OR REPLACE INTO dead_letters (time, reason, died_at)
                    SELECT time, :why, :at FROM journal WHERE {_WANTED} AND {mortal}""",
                arguments,
            )
            return connection.execute(
                f"UPDATE journal SET state = {DEAD}, parked = 0 WHERE {_WANTED} AND {mortal}",
                arguments,
            ).rowcount

        return await self._in_chunks(org_id, times, lease, step)

    async def _in_chunks(
        self, org_id: OrgId, times: Sequence[Micros], lease: Lease | None, step: _Step
    ) -> int:
        """Fenced where there is a lease, a transaction a chunk: a writer waits for one chunk at most."""
        done = 0
        for chunk in chunks(times, CHUNK):

            def work(connection: sqlite3.Connection, chunk: Sequence[Micros] = chunk) -> int:
                if lease is not None:
                    hold(connection, lease)
                org_no = org_number(connection, org_id)
                return 0 if org_no is None else step(connection, org_no, chunk)

            done += await self._database.write(work)
        return done


def _is_bound_by(connection: sqlite3.Connection, org_id: OrgId, binding_id: str | None) -> bool:
    if binding_id is None:
        return True
    row = connection.execute("SELECT id FROM arc_instances WHERE org_id = ?", (org_id,)).fetchone()
    return row is not None and row[0] == binding_id


def parcel_of(org_id: OrgId, rows: sqlite3.Cursor, max_bytes: int) -> Parcel | None:
    """The rows (time, payload) up to `max_bytes`, and at least one, in time order; None without any."""
    taken: list[tuple[Micros, bytes]] = []
    size = 0
    for time, line in rows:
        size += len(line)
        if taken and size > max_bytes:
            break
        taken.append((time, line))
    taken.sort()
    times, lines = zip(*taken, strict=True) if taken else ((), ())
    return Parcel(org_id, tuple(times), b"\n".join(lines)) if taken else None
