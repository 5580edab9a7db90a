"""Metadata and journal in the DynamoDB table of `dynamodb.table`.

Each adapter is imported when it is first asked for: an edge needs few of them, and starts quickly.
"""

import asyncio
import os
import socket
from functools import cached_property
from typing import TYPE_CHECKING, Final

from core.adapters.dynamodb.client import Dynamo
from core.model.errors import ConfigurationError
from core.model.journal_limits import JournalLimits
from core.model.memory import Micros
from core.ports import (
    AgentStore,
    BindingStore,
    Clock,
    DeadLetters,
    Deletions,
    Expiry,
    HealthBoard,
    Journal,
    JournalReader,
    KeyStore,
    Landing,
    Leases,
    Ledger,
    Moves,
    OrgStore,
    Outbox,
    Queue,
    Replies,
    Seedings,
    SessionStore,
    Undertaker,
)
from core.settings import Settings
from core.telemetry import Metrics

if TYPE_CHECKING:
    from core.adapters.aws.api import AwsApi
    from core.adapters.dynamodb.journal.attention import Attention

_MICROS: Final = 1_000_000
_HOUR: Final = 3_600
_RECOUNT: Final = 6 * 3_600.0
"""Seconds between two recounts of an org: each reads all its rows and claims."""
_GRACE: Final = 120 * _MICROS
"""The queue's chance: what it did not bring to a flusher by then is looked for in the journal."""


class DynamoBackend:
    """Implements `Backend`. Any number of processes may have one of the same table."""

    def __init__(self, settings: Settings, clock: Clock, api: "AwsApi") -> None:
        self._settings = settings
        self._clock = clock
        own = settings.dynamodb
        self._dynamo = Dynamo(api, table=own.table, timeout=own.timeout)
        self._shards = own.shards
        self.owner: Final = f"{socket.gethostname()}:{os.getpid()}"

    @cached_property
    def orgs(self) -> OrgStore:
        from core.adapters.dynamodb.journal.forgetting import forget_org
        from core.adapters.dynamodb.orgs import DynamoOrgs

        return DynamoOrgs(
            self._dynamo,
            forget_journal=lambda org_id: forget_org(self._dynamo, org_id, self._clock.micros()),
        )

    @cached_property
    def keys(self) -> KeyStore:
        from core.adapters.dynamodb.api_keys import DynamoKeys

        return DynamoKeys(self._dynamo)

    @cached_property
    def bindings(self) -> BindingStore:
        from core.adapters.dynamodb.bindings import DynamoBindings

        return DynamoBindings(self._dynamo)

    @cached_property
    def agents(self) -> AgentStore:
        from core.adapters.dynamodb.agents import DynamoAgents

        return DynamoAgents(self._dynamo)

    @cached_property
    def sessions(self) -> SessionStore:
        from core.adapters.dynamodb.sessions import DynamoSessions

        return DynamoSessions(self._dynamo)

    @cached_property
    def replies(self) -> Replies:
        from core.adapters.dynamodb.replies import DynamoReplies

        return DynamoReplies(self._dynamo, window=self._window)

    @cached_property
    def board(self) -> HealthBoard:
        from core.adapters.dynamodb.health_board import DynamoHealthBoard

        return DynamoHealthBoard(self._dynamo)

    @cached_property
    def ledger(self) -> Ledger:
        from core.adapters.dynamodb.journal.ledger import DynamoLedger

        return DynamoLedger(self._dynamo, clock=self._clock, attention=self._attention)

    @cached_property
    def leases(self) -> Leases:
        from core.adapters.dynamodb.journal.leases import DynamoLeases

        return DynamoLeases(self._dynamo, clock=self._clock)

    @cached_property
    def outbox(self) -> Outbox:
        from core.adapters.dynamodb.journal.outbox import DynamoOutbox

        return DynamoOutbox(self._dynamo, clock=self._clock, window=self._window, attention=self._attention)

    @cached_property
    def expiry(self) -> Expiry:
        from core.adapters.dynamodb.journal.expiry import DynamoExpiry

        return DynamoExpiry(self._dynamo, clock=self._clock, recount_every=_RECOUNT)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        from core.adapters.dynamodb.journal.dead_letters import DynamoDeadLetters

        return DynamoDeadLetters(self._dynamo, clock=self._clock)

    @cached_property
    def deletions(self) -> Deletions:
        from core.adapters.dynamodb.deletions import DynamoDeletions

        return DynamoDeletions(
            self._dynamo,
            clock=self._clock,
            pause=asyncio.sleep,
            shards=self._shards,
            window=self._window,
        )

    @cached_property
    def undertaker(self) -> Undertaker:
        from core.adapters.dynamodb.undertaker import DynamoUndertaker

        return DynamoUndertaker(self._dynamo, clock=self._clock, shards=self._shards, window=self._window)

    @cached_property
    def moves(self) -> Moves:
        from core.adapters.dynamodb.moves import DynamoMoves

        return DynamoMoves(self._dynamo, clock=self._clock)

    @cached_property
    def seedings(self) -> Seedings:
        """Half of an org's claims are left to what it writes itself."""
        from core.adapters.dynamodb.seedings import DynamoSeedings

        most = self._settings.journal.max_claims_per_org // 2
        return DynamoSeedings(
            self._dynamo, clock=self._clock, window=self._window, most=most, shards=self._shards
        )

    @cached_property
    def landing(self) -> Landing:
        from core.adapters.dynamodb.landing import DynamoLanding

        return DynamoLanding(self._dynamo, clock=self._clock, window=self._window, shards=self._shards)

    @cached_property
    def journal(self) -> JournalReader:
        from core.adapters.dynamodb.journal.graves import GraveBook
        from core.adapters.dynamodb.journal.standing import Shards
        from core.adapters.dynamodb.journal.tail import DynamoJournalReader

        return DynamoJournalReader(
            self._dynamo,
            clock=self._clock,
            window=self._window,
            book=GraveBook(self._dynamo),
            shards=Shards(self._dynamo),
        )

    def open_journal(self, metrics: Metrics) -> Journal:
        """Any number of processes may append."""
        from core.adapters.dynamodb.journal.journal import DynamoJournal

        held = self._settings.journal
        return DynamoJournal(
            self._dynamo,
            clock=self._clock,
            metrics=metrics,
            limits=JournalLimits(
                memories_per_org=held.max_memories_per_org,
                bytes_per_org=held.max_bytes_per_org,
                claims_per_org=held.max_claims_per_org,
            ),
            window=self._window,
            grace=_GRACE,
            shards=self._shards,
        )

    def follow_journal(self) -> Queue:
        raise ConfigurationError(
            "metadata.backend dynamodb needs a queue: its journal cannot be followed",
            hint="set queue.url to the URL of an SQS queue",
        )

    async def clean(self) -> bool:
        """Nothing is kept beside the table; its backups and point-in-time recovery are AWS's."""
        return True

    @cached_property
    def _attention(self) -> "Attention":
        from core.adapters.dynamodb.journal.attention import Attention

        return Attention()

    @property
    def _window(self) -> Micros:
        return int(self._settings.dedup.window_hours * _HOUR * _MICROS)
