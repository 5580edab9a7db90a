"""Metadata and journal in the SQLite file of `auth.db_path`."""

import contextlib
from functools import cached_property
from pathlib import Path
from typing import Final

from core.adapters.sqlite.agents import SqliteAgents
from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.checkpoint import Checkpointer
from core.adapters.sqlite.database import CACHE_KIB, Database
from core.adapters.sqlite.dead_letters import SqliteDeadLetters
from core.adapters.sqlite.deletions import SqliteDeletions
from core.adapters.sqlite.expiry import SqliteExpiry
from core.adapters.sqlite.graves import GraveBook
from core.adapters.sqlite.health_board import SqliteHealthBoard
from core.adapters.sqlite.journal import SqliteJournal
from core.adapters.sqlite.journal_reader import SqliteJournalReader
from core.adapters.sqlite.keys import SqliteKeys
from core.adapters.sqlite.landing import SqliteLanding
from core.adapters.sqlite.leases import SqliteLeases, owner_name
from core.adapters.sqlite.ledger import SqliteLedger
from core.adapters.sqlite.moves import SqliteMoves
from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.outbox import SqliteOutbox
from core.adapters.sqlite.prompt_road import JournalQueue
from core.adapters.sqlite.replies import SqliteReplies
from core.adapters.sqlite.seeding import SqliteSeedings
from core.adapters.sqlite.sessions import SqliteSessions
from core.adapters.sqlite.staging import JournalLimits
from core.adapters.sqlite.undertaker import SqliteUndertaker
from core.bootstrap.database import upgraded_database
from core.model.memory import Micros
from core.ports import Clock
from core.settings import Settings
from core.telemetry import Metrics

_MICROS: Final = 1_000_000
_HOUR: Final = 3_600
_GRACE: Final = 60 * _MICROS


def open_sqlite(
    settings: Settings,
    clock: Clock,
    closing: contextlib.ExitStack,
    *,
    cache_kib: int | None = None,
    readers: int = 2,
    for_serving: bool = False,
) -> "SqliteBackend":
    """The file, brought up to date. Raises DatabaseError, or HeldByOther where that needs it alone.

    `for_serving` raises MasterKeyError, and nothing is upgraded, where an Arc key does not open.
    """
    upgraded_database(settings, for_serving=for_serving)
    database = Database(
        Path(settings.auth.db_path),
        synchronous=settings.journal.synchronous,
        cache_kib=cache_kib or CACHE_KIB,
        readers=readers,
    )
    closing.enter_context(contextlib.closing(database))
    return SqliteBackend(settings, clock, closing, database)


class SqliteBackend:
    """Implements `Backend`."""

    def __init__(
        self, settings: Settings, clock: Clock, closing: contextlib.ExitStack, database: Database
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._closing = closing
        self._database = database
        self.owner: Final = owner_name()

    @cached_property
    def orgs(self) -> SqliteOrgs:
        return SqliteOrgs(self._database)

    @cached_property
    def keys(self) -> SqliteKeys:
        return SqliteKeys(self._database)

    @cached_property
    def bindings(self) -> SqliteBindings:
        return SqliteBindings(self._database)

    @cached_property
    def agents(self) -> SqliteAgents:
        return SqliteAgents(self._database)

    @cached_property
    def sessions(self) -> SqliteSessions:
        return SqliteSessions(self._database)

    @cached_property
    def replies(self) -> SqliteReplies:
        return SqliteReplies(self._database)

    @cached_property
    def board(self) -> SqliteHealthBoard:
        return SqliteHealthBoard(self._database)

    @cached_property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(self._database, sweeps_all=bool(self._settings.queue.url))

    @cached_property
    def leases(self) -> SqliteLeases:
        return SqliteLeases(self._database, clock=self._clock)

    @cached_property
    def outbox(self) -> SqliteOutbox:
        sweeps_all = bool(self._settings.queue.url)
        return SqliteOutbox(self._database, clock=self._clock, sweeps_all=sweeps_all)

    @cached_property
    def expiry(self) -> SqliteExpiry:
        return SqliteExpiry(self._database)

    @cached_property
    def dead_letters(self) -> SqliteDeadLetters:
        return SqliteDeadLetters(self._database, clock=self._clock)

    @cached_property
    def deletions(self) -> SqliteDeletions:
        return SqliteDeletions(self._database, clock=self._clock)

    @cached_property
    def undertaker(self) -> SqliteUndertaker:
        return SqliteUndertaker(self._database, clock=self._clock)

    @cached_property
    def moves(self) -> SqliteMoves:
        return SqliteMoves(self._database, clock=self._clock)

    @cached_property
    def seedings(self) -> SqliteSeedings:
        """Half of an org's claims are left to what it writes itself."""
        most = self._settings.journal.max_claims_per_org // 2
        return SqliteSeedings(self._database, clock=self._clock, most=most)

    @cached_property
    def landing(self) -> SqliteLanding:
        return SqliteLanding(self._database, clock=self._clock)

    @cached_property
    def journal(self) -> SqliteJournalReader:
        return SqliteJournalReader(self._database, clock=self._clock, window=self._window, book=GraveBook())

    @cached_property
    def checkpointer(self) -> Checkpointer:
        return self._closing.enter_context(contextlib.closing(Checkpointer(self._database)))

    def open_journal(self, metrics: Metrics) -> SqliteJournal:
        """Only one process may append; `memtrace serve` sees to that."""
        held = self._settings.journal
        limits = JournalLimits(
            memories_per_org=held.max_memories_per_org,
            bytes_per_org=held.max_bytes_per_org,
            claims_per_org=held.max_claims_per_org,
            memories=held.max_memories,
            bytes=held.max_bytes,
        )
        journal = SqliteJournal(
            self._database,
            clock=self._clock,
            metrics=metrics,
            limits=limits,
            window=self._window,
            grace=_GRACE,
        )
        return self._closing.enter_context(contextlib.closing(journal))

    def follow_journal(self) -> JournalQueue:
        return JournalQueue(self._database, clock=self._clock)

    async def clean(self) -> bool:
        return await self.checkpointer.clean(self._clock.monotonic())

    @property
    def _window(self) -> Micros:
        return int(self._settings.dedup.window_hours * _HOUR * _MICROS)
