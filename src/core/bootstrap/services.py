"""What answers requests, put together of what keeps metadata, journal and memories.

Imports no adapter: a server and an edge in Lambda bring their own.
"""

import contextlib
from dataclasses import dataclass
from typing import Final

from core.agents import Agents
from core.asking import StoreReader
from core.auth import Authenticator, Callers, Gate, OpenGate
from core.bootstrap.backend import Backend
from core.deletions import Forgetting
from core.hashing import Hasher
from core.health import Health
from core.ingest import Ingest
from core.outstanding import Outstanding
from core.ports import Clock, EventStore, HealthBoard, Journal, Ledger, Replies, Sender
from core.recall import Recall
from core.sessions import Sessions
from core.settings import Settings
from core.storyteller import Storyteller
from core.telemetry import MetricsExporter
from core.tenants import Tenants
from core.vault import Vault

MICROS: Final = 1_000_000
_HOUR: Final = 3_600
_ERASING: Final = 2.0
"""Seconds for which a request takes what it deleted out of the journal; the flusher does the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What answers requests."""

    settings: Settings
    clock: Clock
    metrics: MetricsExporter
    gate: Gate
    tenants: Tenants
    ingest: Ingest
    recall: Recall
    storyteller: Storyteller
    agents: Agents
    sessions: Sessions
    forgetting: Forgetting
    replies: Replies
    health: Health
    outstanding: Outstanding
    ledger: Ledger
    board: HealthBoard


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What services stand on."""

    settings: Settings
    clock: Clock
    metrics: MetricsExporter
    backend: Backend
    probed: Backend
    """The same, asked by probes alone: elsewhere they could wait behind all requests."""
    journal: Journal
    store: EventStore
    tenants: Tenants
    vault: Vault
    sender: Sender | None = None


def services_on(ground: Ground, closing: contextlib.ExitStack) -> Services:
    """All of them. `closing` gets what is to be closed."""
    settings, clock, metrics, backend = ground.settings, ground.clock, ground.metrics, ground.backend
    recall = _recall(ground)
    sessions = backend.sessions
    health = Health(board=ground.probed.board, bindings=ground.probed.bindings, clock=clock)
    return Services(
        settings=settings,
        clock=clock,
        metrics=metrics,
        gate=_gate(ground, closing),
        tenants=ground.tenants,
        ingest=Ingest(
            journal=ground.journal,
            metrics=metrics,
            deduplicates=settings.dedup.enabled,
            sender=ground.sender,
        ),
        recall=recall,
        storyteller=Storyteller(recall=recall),
        agents=Agents(agents=backend.agents, sessions=sessions, tallies=recall, clock=clock),
        sessions=Sessions(sessions=sessions, clock=clock),
        forgetting=_forgetting(ground, recall),
        replies=backend.replies,
        health=health,
        outstanding=_outstanding(ground, health),
        ledger=ground.probed.ledger,
        board=ground.probed.board,
    )


def _recall(ground: Ground) -> Recall:
    reader = StoreReader(
        store=ground.store,
        clock=ground.clock,
        metrics=ground.metrics,
        query_timeout=ground.settings.arc.query_timeout,
    )
    return Recall(
        journal=ground.journal,
        store=reader,
        clock=ground.clock,
        metrics=ground.metrics,
        window_hours=ground.settings.dedup.window_hours,
    )


def _gate(ground: Ground, closing: contextlib.ExitStack) -> Gate:
    backend = ground.backend
    callers = Callers(orgs=backend.orgs, bindings=backend.bindings, vault=ground.vault)
    if not ground.settings.auth.enabled:
        return OpenGate(callers=callers, clock=ground.clock)
    gate = Authenticator(
        keys=backend.keys, callers=callers, hasher=Hasher(), clock=ground.clock, metrics=ground.metrics
    )
    return closing.enter_context(contextlib.closing(gate))


def _outstanding(ground: Ground, health: Health) -> Outstanding:
    return Outstanding(
        ledger=ground.backend.ledger,
        dead_letters=lambda: ground.backend.dead_letters,
        journal=ground.journal,
        health=health,
        clock=ground.clock,
    )


def _forgetting(ground: Ground, recall: Recall) -> Forgetting:
    return Forgetting(
        deletions=ground.backend.deletions,
        recall=recall,
        sessions=ground.backend.sessions,
        clock=ground.clock,
        window=int(ground.settings.dedup.window_hours * _HOUR * MICROS),
        patience=_ERASING,
    )
