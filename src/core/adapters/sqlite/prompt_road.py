"""The queue of one machine: a cursor over the journal itself, woken by its commits."""

import asyncio
import sqlite3
from collections.abc import Sequence
from typing import Final

from core.adapters.sqlite.database import Database
from core.model.memory import Micros, OrgId
from core.ports import Clock, Parcel

_POLL: Final = 0.25
_RESTART_EVERY: Final = 60_000_000
"""Microseconds after which the cursor looks at old rows again: a backstop for what got lost on the way."""


class JournalQueue:
    """Implements `Queue`. Rows are committed in the order of their times, so a cursor misses none."""

    is_shared: Final = False
    """Every follower would see every row."""

    def __init__(self, database: Database, *, clock: Clock, poll: float = _POLL) -> None:
        """Looks for news every `poll` seconds."""
        self._database = database
        self._poll = poll
        self._clock = clock
        self._cursor: Micros = 0
        self._restarted_at = clock.micros()

    async def receive(self, max_count: int, max_bytes: int) -> list[Parcel]:
        now = self._clock.micros()
        strays: list[Parcel] = []
        if now - self._restarted_at > _RESTART_EVERY:
            self._restarted_at = now
            strays, _ = await self._read(0, now, max_count, max_bytes)
        parcels, self._cursor = await self._read(self._cursor, None, max_count, max_bytes)
        return strays + parcels

    async def ack(self, parcels: Sequence[Parcel]) -> None:
        """Nothing to do: the rows' own states say what became of them."""

    async def wait(self, seconds: float) -> None:
        """Looks for a newer row again and again: one step down the right edge of the table."""
        deadline = self._clock.monotonic() + seconds
        while (left := deadline - self._clock.monotonic()) > 0:
            if await self._database.read(self._has_news):
                return
            await asyncio.sleep(min(self._poll, left))

    async def close(self) -> None:
        """Nothing to do: what was received is owed."""

    def _has_news(self, connection: sqlite3.Connection) -> bool:
        row = connection.execute("SELECT max(time) FROM journal").fetchone()
        return row[0] is not None and row[0] > self._cursor

    async def _read(
        self, after: Micros, due_by: Micros | None, max_count: int, max_bytes: int
    ) -> tuple[list[Parcel], Micros]:
        """Owed rows that no sweep looks for, after the cursor; and the cursor behind them."""

        def read(connection: sqlite3.Connection) -> tuple[list[Parcel], Micros]:
            rows = connection.execute(
                """SELECT time, org_id, payload FROM journal JOIN ledger USING (org_no)
                   WHERE time > ? AND state = 0 AND parked = 0 AND due_at <= ?
                   ORDER BY time LIMIT ?""",
                (after, 2**62 if due_by is None else due_by, max_count),
            )
            return _grouped(rows, after, max_bytes)

        return await self._database.read(read)


def _grouped(rows: sqlite3.Cursor, after: Micros, max_bytes: int) -> tuple[list[Parcel], Micros]:
    """Parcels per org of the rows (time, org, payload) up to `max_bytes`, at least one row."""
    times: dict[OrgId, list[Micros]] = {}
    lines: dict[OrgId, list[bytes]] = {}
    size = 0
    last = after
    for time, org_id, line in rows:
        size += len(line)
        if last > after and size > max_bytes:
            break
        times.setdefault(org_id, []).append(time)
        lines.setdefault(org_id, []).append(line)
        last = time
    return [Parcel(org, tuple(ts), b"\n".join(lines[org])) for org, ts in times.items()], last
