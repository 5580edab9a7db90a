"""What a one-shot command works with."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from core.adapters.clock import SystemClock
from core.adapters.routing import StoreRouter
from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.dead_letters import SqliteDeadLetters
from core.adapters.sqlite.health_board import SqliteHealthBoard
from core.adapters.sqlite.keys import SqliteKeys
from core.adapters.sqlite.leases import SqliteLeases
from core.adapters.sqlite.ledger import SqliteLedger
from core.adapters.sqlite.moves import SqliteMoves
from core.adapters.sqlite.orgs import SqliteOrgs
from core.bootstrap.parts import embedded_store, open_database, open_seedings, opening
from core.hashing import Hasher
from core.model.tenant import Binding
from core.ports import (
    BindingStore,
    Clock,
    DeadLetters,
    EventStore,
    HealthBoard,
    Leases,
    Ledger,
    Moves,
    Seedings,
)
from core.settings import Settings
from core.tenants import Tenants
from core.vault import Vault, parse_master_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """What a one-shot command works with, whether a server runs or not."""

    settings: Settings
    clock: Clock
    tenants: Tenants
    dead_letters: DeadLetters
    ledger: Ledger
    leases: Leases
    board: HealthBoard
    bindings: BindingStore
    vault: Vault
    store: EventStore
    store_for: Callable[[Binding], EventStore]
    moves: Moves
    seedings: Seedings


@contextlib.asynccontextmanager
async def open_admin(settings: Settings) -> AsyncIterator[Admin]:
    """Everything a one-shot command needs; a fresh installation is made on the way."""
    clock = SystemClock()
    async with opening(settings, clock) as (closing, arcs):
        database = open_database(settings, closing)
        store = StoreRouter(embedded_store(settings, clock, closing), arcs.store)
        yield build_admin(settings, database, clock, closing, store)


def build_admin(
    settings: Settings,
    database: Database,
    clock: Clock,
    closing: contextlib.ExitStack,
    store: StoreRouter,
) -> Admin:
    vault = Vault(parse_master_key(settings.master_key))
    ledger = SqliteLedger(database)
    bindings = SqliteBindings(database)
    hasher = closing.enter_context(contextlib.closing(Hasher()))
    tenants = Tenants(
        orgs=SqliteOrgs(database),
        keys=SqliteKeys(database),
        bindings=bindings,
        ledger=ledger,
        places=store,
        vault=vault,
        hasher=hasher,
        clock=clock,
    )
    return Admin(
        settings=settings,
        clock=clock,
        tenants=tenants,
        dead_letters=SqliteDeadLetters(database, clock=clock),
        ledger=ledger,
        leases=SqliteLeases(database, clock=clock),
        board=SqliteHealthBoard(database),
        bindings=bindings,
        vault=vault,
        store=store,
        store_for=store.store_for,
        moves=SqliteMoves(database, clock=clock),
        seedings=open_seedings(settings, database, clock),
    )
