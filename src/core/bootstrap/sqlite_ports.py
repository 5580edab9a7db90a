"""The ports of metadata and journal over one SQLite database, however that is opened."""

from functools import cached_property
from typing import Final

from core.adapters.sqlite.agents import SqliteAgents
from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.dead_letters import SqliteDeadLetters
from core.adapters.sqlite.deletions import SqliteDeletions
from core.adapters.sqlite.expiry import SqliteExpiry
from core.adapters.sqlite.graves import GraveBook
from core.adapters.sqlite.health_board import SqliteHealthBoard
from core.adapters.sqlite.journal_reader import SqliteJournalReader
from core.adapters.sqlite.keys import SqliteKeys
from core.adapters.sqlite.landing import SqliteLanding
from core.adapters.sqlite.leases import SqliteLeases, owner_name
from core.adapters.sqlite.ledger import SqliteLedger
from core.adapters.sqlite.moves import SqliteMoves
from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.outbox import SqliteOutbox
from core.adapters.sqlite.replies import SqliteReplies
from core.adapters.sqlite.seeding import SqliteSeedings
from core.adapters.sqlite.sessions import SqliteSessions
from core.adapters.sqlite.undertaker import SqliteUndertaker
from core.model.journal_limits import JournalLimits
from core.model.memory import Micros
from core.ports import Clock
from core.settings import Settings

_MICROS: Final = 1_000_000
_HOUR: Final = 3_600
_GRACE: Final = 60 * _MICROS
_GRACE_OF_A_QUEUE: Final = 120 * _MICROS


class SqlitePorts:
    """All of `Backend` but what appends, follows and cleans."""

    def __init__(self, settings: Settings, clock: Clock, database: Database) -> None:
        self._settings = settings
        self._clock = clock
        self._database = database

    @cached_property
    def owner(self) -> str:
        return owner_name()

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
        return SqliteLedger(self._database, sweeps_all=self._has_queue)

    @cached_property
    def leases(self) -> SqliteLeases:
        return SqliteLeases(self._database, clock=self._clock)

    @cached_property
    def outbox(self) -> SqliteOutbox:
        return SqliteOutbox(self._database, clock=self._clock, sweeps_all=self._has_queue)

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
        return SqliteJournalReader(self._database, clock=self._clock, window=self.window, book=GraveBook())

    @property
    def window(self) -> Micros:
        return int(self._settings.dedup.window_hours * _HOUR * _MICROS)

    @property
    def grace(self) -> Micros:
        """How long the prompt road has before a sweep may look at a fresh row."""
        return _GRACE_OF_A_QUEUE if self._has_queue else _GRACE

    @property
    def _has_queue(self) -> bool:
        """Whether the prompt road is not the journal itself: what is lost on it is swept up."""
        return bool(self._settings.queue.url)

    @property
    def limits(self) -> JournalLimits:
        held = self._settings.journal
        return JournalLimits(
            memories_per_org=held.max_memories_per_org,
            bytes_per_org=held.max_bytes_per_org,
            claims_per_org=held.max_claims_per_org,
            memories=held.max_memories,
            bytes=held.max_bytes,
        )
