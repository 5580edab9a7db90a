"""Metadata and journal in one SQLite file that several processes share, as on Amazon EFS.

Imports nothing that migrates: an edge opens with `open_shared` what a flusher or a command made.
"""

import contextlib
import os
from functools import cached_property
from pathlib import Path
from typing import Final

from core.adapters.sqlite.leases import owner_name
from core.adapters.sqlite.prompt_road import JournalQueue
from core.adapters.sqlite.shared import SharedDatabase
from core.adapters.sqlite.shared_journal import SharedJournal
from core.bootstrap.sqlite_ports import SqlitePorts
from core.ports import Clock
from core.settings import Settings
from core.telemetry import Metrics

_CACHE_KIB: Final = 8_192
"""Of an edge: what it has read is of use until somebody else writes."""
_POLL: Final = 1.0


def open_shared(settings: Settings, clock: Clock, closing: contextlib.ExitStack) -> "SharedSqlite":
    """What an edge works with, whatever state the file is in: it is opened with the first request.

    While it is missing, or of another version, all that asks it raises DatabaseError.
    """
    patience = request_patience(settings)
    return shared_at(settings, clock, closing, patience=patience, cache_kib=_CACHE_KIB, readers=2)


def request_patience(settings: Settings) -> float:
    """Seconds for which a request waits for its turn to write: it is to be answered, too."""
    return min(settings.journal.turn_timeout, settings.server.write_timeout / 2)


def shared_at(
    settings: Settings,
    clock: Clock,
    closing: contextlib.ExitStack,
    *,
    patience: float,
    cache_kib: int,
    readers: int,
) -> "SharedSqlite":
    """The same for one that waits `patience` seconds for its turn to write."""
    path = Path(settings.auth.db_path)
    database = SharedDatabase(path, patience=patience, cache_kib=cache_kib, readers=readers)
    closing.enter_context(contextlib.closing(database))
    return SharedSqlite(settings, clock, closing, database)


class SharedSqlite(SqlitePorts):
    """Implements `Backend` on a file that any number of processes append to."""

    def __init__(
        self, settings: Settings, clock: Clock, closing: contextlib.ExitStack, database: SharedDatabase
    ) -> None:
        super().__init__(settings, clock, database)
        self._closing = closing
        self._shared = database

    @cached_property
    def owner(self) -> str:
        """Not `host:pid`: on another machine of that name such a process is not to be looked for."""
        return f"{owner_name()}-{os.urandom(4).hex()}"

    def open_journal(self, metrics: Metrics) -> SharedJournal:
        journal = SharedJournal(
            self._shared,
            clock=self._clock,
            metrics=metrics,
            limits=self.limits,
            window=self.window,
            grace=self.grace,
        )
        return self._closing.enter_context(contextlib.closing(journal))

    def follow_journal(self) -> JournalQueue:
        """Asks less often: each look is a few calls over the network."""
        return JournalQueue(self._database, clock=self._clock, poll=_POLL)

    async def at_rest(self) -> None:
        """Returns when nothing of this process waits to write, or writes: it may be suspended."""
        await self._shared.at_rest()

    async def tidy(self) -> None:
        """Nothing: there is no log, and no index in memory."""

    async def clean(self) -> bool:
        """Nothing is left of what was deleted: whoever deletes wipes the rollback journal."""
        return True
