"""The flushing lease: one row, a fence that only grows, and an expiry."""

import os
import socket
import sqlite3
from typing import Final

from core.adapters.sqlite.database import Database
from core.model.errors import LeaseLost
from core.model.memory import Micros
from core.ports import Clock, Lease

_NAME: Final = "flusher"


def owner_name() -> str:
    """This process, as `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def hold(connection: sqlite3.Connection, lease: Lease) -> None:
    """Raises LeaseLost unless the lease is the caller's, inside the caller's transaction.

    The fence decides, not the expiry: an expired lease that nobody took is still ours.
    """
    row = connection.execute(
        "SELECT 1 FROM leases WHERE name = ? AND owner = ? AND fence = ?", (_NAME, lease.owner, lease.fence)
    ).fetchone()
    if row is None:
        raise LeaseLost()


def _is_dead(owner: str) -> bool:
    """Whether the owner was a process of this host that is no more."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


class SqliteLeases:
    """Implements `Leases`."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def acquire(self, owner: str, seconds: float) -> Lease | None:
        def work(connection: sqlite3.Connection) -> Lease | None:
            now = self._clock.micros()
            row = connection.execute(
                "SELECT owner, fence, expires_at FROM leases WHERE name = ?", (_NAME,)
            ).fetchone()
            held, fence, expires_at = row or ("", 0, 0)
            if held and held != owner and expires_at > now and not _is_dead(held):
                return None
            connection.execute(
                "INSERT OR REPLACE INTO leases (name, owner, fence, expires_at) VALUES (?, ?, ?, ?)",
                (_NAME, owner, fence + 1, now + _micros(seconds)),
            )
            return Lease(owner, fence + 1)

        return await self._database.write(work)

    async def renew(self, lease: Lease, seconds: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            hold(connection, lease)
            connection.execute(
                "UPDATE leases SET expires_at = ? WHERE name = ?",
                (self._clock.micros() + _micros(seconds), _NAME),
            )

        await self._database.write(work)

    async def release(self, lease: Lease) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE leases SET owner = '', expires_at = 0 WHERE name = ? AND owner = ? AND fence = ?",
                (_NAME, lease.owner, lease.fence),
            )

        await self._database.write(work)

    async def holder(self) -> str | None:
        def read(connection: sqlite3.Connection) -> str | None:
            row = connection.execute(
                "SELECT owner, expires_at FROM leases WHERE name = ?", (_NAME,)
            ).fetchone()
            if row is None or not row[0] or row[1] <= self._clock.micros() or _is_dead(row[0]):
                return None
            return str(row[0])

        return await self._database.read(read)


def _micros(seconds: float) -> Micros:
    return round(seconds * 1_000_000)
