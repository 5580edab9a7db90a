"""What a one-shot command works with."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from core.adapters.clock import SystemClock
from core.adapters.routing import StoreRouter
from core.bootstrap.arcs import opening
from core.bootstrap.aws import dead_messages_of, opening_aws
from core.bootstrap.backend import Backend, open_backend
from core.bootstrap.master_keys import open_vault
from core.bootstrap.parts import open_store
from core.hashing import Hasher
from core.model.tenant import Binding
from core.ports import (
    BindingStore,
    Clock,
    DeadLetters,
    DeadMessages,
    EventStore,
    HealthBoard,
    Leases,
    Ledger,
    Moves,
    Seedings,
)
from core.settings import Settings
from core.tenants import Tenants
from core.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """What a one-shot command works with, whether a server runs or not."""

    settings: Settings
    clock: Clock
    backend: Backend
    tenants: Tenants
    dead_letters: DeadLetters
    dead_messages: DeadMessages | None
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
        store = open_store(settings, clock, closing, arcs)
        async with (
            opening_aws(settings, clock, light=None) as api,
            open_backend(settings, clock, api=api) as backend,
        ):
            vault = await open_vault(settings, clock, api)
            messages = dead_messages_of(settings, api)
            yield build_admin(settings, backend, clock, closing, store, vault, messages)


def build_admin(
    settings: Settings,
    backend: Backend,
    clock: Clock,
    closing: contextlib.ExitStack,
    store: StoreRouter,
    vault: Vault,
    dead_messages: DeadMessages | None = None,
) -> Admin:
    hasher = closing.enter_context(contextlib.closing(Hasher()))
    tenants = Tenants(
        orgs=backend.orgs,
        keys=backend.keys,
        bindings=backend.bindings,
        ledger=backend.ledger,
        places=store,
        vault=vault,
        hasher=hasher,
        clock=clock,
    )
    return Admin(
        settings=settings,
        clock=clock,
        backend=backend,
        tenants=tenants,
        dead_letters=backend.dead_letters,
        dead_messages=dead_messages,
        ledger=backend.ledger,
        leases=backend.leases,
        board=backend.board,
        bindings=backend.bindings,
        vault=vault,
        store=store,
        store_for=store.store_for,
        moves=backend.moves,
        seedings=backend.seedings,
    )
