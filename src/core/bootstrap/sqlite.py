"""Metadata and journal in the SQLite file of `auth.db_path`, brought up to date when it is opened."""

import contextlib
from functools import cached_property
from pathlib import Path
from typing import Final

from core.adapters.sqlite.checkpoint import Checkpointer
from core.adapters.sqlite.database import CACHE_KIB, Database
from core.adapters.sqlite.journal import SqliteJournal
from core.adapters.sqlite.prompt_road import JournalQueue
from core.adapters.sqlite.sharing import leave_log, make_shared, make_unshared, mode_of
from core.bootstrap.database import upgraded_database
from core.bootstrap.shared_sqlite import SharedSqlite, request_patience, shared_at
from core.bootstrap.sqlite_ports import SqlitePorts
from core.ports import Clock
from core.settings import Settings
from core.telemetry import Metrics

_PRUNE_EVERY: Final = 5
_PATIENCE: Final = 30.0
"""Seconds for which a flusher or a command waits for its turn with a shared file."""


def open_sqlite(
    settings: Settings,
    clock: Clock,
    closing: contextlib.ExitStack,
    *,
    cache_kib: int | None = None,
    readers: int = 2,
    for_serving: bool = False,
) -> "LoggedSqlite | SharedSqlite":
    """The file, brought up to date. Raises DatabaseError, or HeldByOther where that needs it alone.

    `for_serving` raises MasterKeyError, and nothing is upgraded, where an Arc key does not open.
    """
    path, cache_kib = Path(settings.auth.db_path), cache_kib or CACHE_KIB
    if is_shared(settings):
        leave_log(path)
        upgraded_database(settings, for_serving=for_serving)
        make_shared(path)
        patience = request_patience(settings) if for_serving else _PATIENCE
        return shared_at(settings, clock, closing, patience=patience, cache_kib=cache_kib, readers=readers)
    upgraded_database(settings, for_serving=for_serving)
    make_unshared(path)
    database = Database(path, synchronous=settings.journal.synchronous, cache_kib=cache_kib, readers=readers)
    closing.enter_context(contextlib.closing(database))
    return LoggedSqlite(settings, clock, closing, database)


def is_shared(settings: Settings) -> bool:
    """Whether several processes append to the file. Raises DatabaseError for what is no database."""
    mode = settings.journal.mode
    if mode != "auto":
        return mode == "shared"
    return bool(settings.queue.url) or mode_of(Path(settings.auth.db_path)) == "shared"


class LoggedSqlite(SqlitePorts):
    """Implements `Backend` with a write-ahead log: fast, on one machine, and one process appends."""

    def __init__(
        self, settings: Settings, clock: Clock, closing: contextlib.ExitStack, database: Database
    ) -> None:
        super().__init__(settings, clock, database)
        self._closing = closing
        self._journal: SqliteJournal | None = None
        self._turn = 0

    @cached_property
    def checkpointer(self) -> Checkpointer:
        return self._closing.enter_context(contextlib.closing(Checkpointer(self._database)))

    def open_journal(self, metrics: Metrics) -> SqliteJournal:
        """Only one process may append; `memtrace serve` sees to that."""
        journal = SqliteJournal(
            self._database,
            clock=self._clock,
            metrics=metrics,
            limits=self.limits,
            window=self.window,
            grace=self.grace,
        )
        self._journal = self._closing.enter_context(contextlib.closing(journal))
        return journal

    def follow_journal(self) -> JournalQueue:
        return JournalQueue(self._database, clock=self._clock)

    async def tidy(self) -> None:
        """Short logs and a small index: once a second, in the process that appends. Raises DatabaseError."""
        assert self._journal is not None
        self._turn += 1
        await self.checkpointer.step(self._journal.committed_rows, self._clock.monotonic())
        await self.checkpointer.clean(self._clock.monotonic())
        if self._turn % _PRUNE_EVERY == 0:
            await self._journal.prune()

    async def clean(self) -> bool:
        return await self.checkpointer.clean(self._clock.monotonic())
