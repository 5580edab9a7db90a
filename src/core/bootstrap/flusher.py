"""What a flusher works with."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from core.adapters.clock import SystemClock
from core.adapters.events.merge import Merger
from core.adapters.events.parquet import ParquetStore
from core.adapters.events.removing import ParquetRemover
from core.adapters.prometheus import PrometheusMetrics
from core.adapters.routing import RemoverRouter, StoreRouter
from core.adapters.sqlite.agents import SqliteAgents
from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.deletions import SqliteDeletions
from core.adapters.sqlite.expiry import SqliteExpiry
from core.adapters.sqlite.health_board import SqliteHealthBoard
from core.adapters.sqlite.journal_schema import CHUNK
from core.adapters.sqlite.leases import SqliteLeases, owner_name
from core.adapters.sqlite.ledger import SqliteLedger
from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.outbox import SqliteOutbox
from core.adapters.sqlite.prompt_road import JournalQueue
from core.adapters.sqlite.undertaker import SqliteUndertaker
from core.bootstrap.parts import Arcs, embedded_store, open_database, open_seeding, opening
from core.ports import (
    AgentStore,
    BindingStore,
    Clock,
    Deletions,
    EventRemover,
    Expiry,
    HealthBoard,
    Leases,
    Ledger,
    OrgStore,
    Outbox,
    Queue,
    Undertaker,
)
from core.seeding import Seeding
from core.settings import Settings
from core.vault import Vault, parse_master_key

_CACHE_KIB: Final = 2_048
"""It reads every row once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlusherServices:
    """What a flusher works with. `open_flusher` makes and closes it."""

    settings: Settings
    clock: Clock
    owner: str
    metrics: PrometheusMetrics
    open_queue: Callable[[], Queue]
    outbox: Outbox
    ledger: Ledger
    leases: Leases
    expiry: Expiry
    bindings: BindingStore
    vault: Vault
    store: StoreRouter
    open_merger: Callable[[Callable[[], Awaitable[object]]], Merger]
    open_remover: Callable[[Callable[[], Awaitable[object]]], EventRemover]
    undertaker: Undertaker
    deletions: Deletions
    orgs: OrgStore
    agents: AgentStore
    board: HealthBoard
    seeding: Seeding | None


@contextlib.asynccontextmanager
async def open_flusher(settings: Settings) -> AsyncIterator[FlusherServices]:
    """Everything a flusher needs. It may run beside a server on the same file, or alone."""
    clock = SystemClock()
    async with opening(settings, clock) as (closing, arcs):
        database = open_database(settings, closing, cache_kib=_CACHE_KIB)
        # One thread: each costs its own buffers, and nobody waits for a batch.
        embedded = embedded_store(settings, clock, closing, threads=1)
        embedded = embedded_store(settings, clock, closing, threads=1)
        store = StoreRouter(embedded, arcs.store)
        yield FlusherServices(
            settings=settings,
            clock=clock,
            owner=owner_name(),
            metrics=PrometheusMetrics(process="flusher"),
            open_queue=partial(JournalQueue, database, clock=clock),
            outbox=SqliteOutbox(database, clock=clock),
            ledger=SqliteLedger(database),
            leases=SqliteLeases(database, clock=clock),
            expiry=SqliteExpiry(database),
            bindings=SqliteBindings(database),
            vault=Vault(parse_master_key(settings.master_key)),
            store=store,
            open_merger=lambda still_mine: Merger(store=embedded, still_mine=still_mine),
            open_remover=partial(_open_remover, embedded, arcs),
            undertaker=SqliteUndertaker(database, clock=clock),
            deletions=SqliteDeletions(database, clock=clock),
            orgs=SqliteOrgs(database),
            agents=SqliteAgents(database),
            board=SqliteHealthBoard(database),
            seeding=open_seeding(settings, database, clock, store.store_for, rows_a_turn=CHUNK),
        )


def _open_remover(
    embedded: ParquetStore, arcs: Arcs, still_mine: Callable[[], Awaitable[object]]
) -> EventRemover:
    return RemoverRouter(ParquetRemover(store=embedded, still_mine=still_mine), arcs.remover)
