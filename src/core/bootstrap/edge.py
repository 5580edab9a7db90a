"""What an edge in Lambda works with."""

import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from core.adapters.clock import SystemClock, WakingClock
from core.adapters.emf import EmfMetrics
from core.adapters.folderless import Folderless
from core.adapters.routing import StoreRouter
from core.bootstrap.arcs import Arcs, opening
from core.bootstrap.aws import opening_aws, sender_of
from core.bootstrap.backend import Backend, open_edge_backend
from core.bootstrap.master_keys import open_vault
from core.bootstrap.services import Ground, Services, services_on
from core.hashing import Hasher
from core.model.errors import ConfigurationError
from core.ports import Clock
from core.settings import Settings
from core.tenants import Tenants
from core.vault import Vault

if TYPE_CHECKING:
    from core.adapters.aws.api import AwsApi


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What answers requests, one at a time, in a process that is frozen between them."""

    services: Services
    clock: WakingClock
    flush_metrics: Callable[[], None]
    hang_up: Callable[[], Coroutine[Any, Any, None]]
    """Ends connections that a long sleep may have killed."""
    at_rest: Callable[[], Coroutine[Any, Any, None]]
    """Returns when nothing is half-way: no transaction, no lock."""


@runtime_checkable
class Resting(Protocol):
    """A backend with work of its own between the steps that a request waits for."""

    async def at_rest(self) -> None: ...


@contextlib.asynccontextmanager
async def open_edge(settings: Settings, clock: WakingClock | None = None) -> AsyncIterator[Edge]:
    """Everything an edge needs; it starts nothing in the background. Closed when left.

    Raises ConfigurationError (MasterKeyError, DatabaseError) with words for a person.
    """
    _refuse_open_door(settings)
    clock = clock or WakingClock(SystemClock())
    metrics = EmfMetrics(process="edge", namespace=settings.metrics.namespace, clock=clock, stream=sys.stdout)
    async with (
        opening(settings, clock) as (closing, arcs),
        opening_aws(settings, clock, light=True) as api,
        open_edge_backend(settings, clock, api=api) as backend,
    ):
        closing.callback(metrics.flush)
        arcs.store()  # loaded while Lambda gives a whole processor, and not by the first read
        sender = sender_of(settings, api, metrics)
        vault = await open_vault(settings, clock, api)
        ground = replace(_ground(settings, clock, metrics, backend, arcs, vault, closing), sender=sender)
        yield Edge(
            services=services_on(ground, closing),
            clock=clock,
            flush_metrics=metrics.flush,
            hang_up=partial(_hang_up, arcs, api),
            at_rest=backend.at_rest if isinstance(backend, Resting) else _at_once,
        )


async def _at_once() -> None:
    """What every request waits for itself."""


async def _hang_up(arcs: Arcs, api: "AwsApi | None") -> None:
    """An `AwsApi` that was closed opens new connections where it is used again."""
    await arcs.hang_up()
    if api is not None:
        await api.close()


def _ground(
    settings: Settings,
    clock: Clock,
    metrics: EmfMetrics,
    backend: Backend,
    arcs: Arcs,
    vault: Vault,
    closing: contextlib.ExitStack,
) -> Ground:
    store = StoreRouter(Folderless(), arcs.store)
    tenants = Tenants(
        orgs=backend.orgs,
        keys=backend.keys,
        bindings=backend.bindings,
        ledger=backend.ledger,
        places=store,
        vault=vault,
        hasher=closing.enter_context(contextlib.closing(Hasher())),
        clock=clock,
    )
    return Ground(
        settings=settings,
        clock=clock,
        metrics=metrics,
        backend=backend,
        probed=backend,
        journal=backend.open_journal(metrics),
        store=store,
        tenants=tenants,
        vault=vault,
    )


def _refuse_open_door(settings: Settings) -> None:
    if not settings.auth.enabled:
        raise ConfigurationError(
            "auth.enabled is false, and an edge in Lambda is on the internet: anybody could read and write",
            hint="remove MEMTRACE_AUTH_ENABLED",
        )
