"""Reads that may take seconds, kept from taking all the readers: nobody's backlog delays another org."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from sqlite3 import Connection
from typing import Final, TypeVar

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.enduring import to_its_end
from core.model.memory import OrgId

T = TypeVar("T")
_AT_ONCE: Final = 1
"""Of a database's two readers; the other one is left to all who ask for little."""


@dataclass(slots=True)
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class LongReads:
    """Lives on one event loop. One read an org at a time: orgs take turns, whoever asks more often."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._turns: dict[OrgId, _Turn] = {}

    @property
    def orgs(self) -> int:
        """How many orgs read, or wait to."""
        return len(self._turns)

    async def read(self, org_id: OrgId, work: Callable[[Connection], T]) -> T:
        """As `Database.read`. A caller that is cancelled while it reads waits for the end of that."""
        async with self._turn(org_id), self._places:
            # A thread that still reads keeps its place, or impatient callers would take all of them.
            return await to_its_end(asyncio.ensure_future(self._database.read(work)))

    @contextlib.asynccontextmanager
    async def _turn(self, org_id: OrgId) -> AsyncIterator[None]:
        turn = self._turns.setdefault(org_id, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                yield
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[org_id]
