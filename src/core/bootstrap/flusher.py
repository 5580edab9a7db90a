"""What a flusher works with."""

import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from core.adapters.clock import SystemClock
from core.adapters.emf import EmfBeside, EmfMetrics
from core.adapters.events.merge import Merger
from core.adapters.events.parquet import ParquetStore
from core.adapters.events.removing import ParquetRemover
from core.adapters.prometheus import PrometheusMetrics
from core.adapters.routing import RemoverRouter, StoreRouter
from core.bootstrap.arcs import Arcs, opening
from core.bootstrap.aws import opening_aws, queue_opener
from core.bootstrap.backend import Backend, open_backend
from core.bootstrap.master_keys import open_vault
from core.bootstrap.parts import embedded_store, open_seeding
from core.ports import Clock, EventRemover, Queue
from core.seeding import Seeding
from core.settings import Settings
from core.telemetry import MetricsExporter
from core.vault import Vault

_CACHE_KIB: Final = 2_048
"""It reads every row once."""
_SEED_ROWS: Final = 250
"""Others write meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlusherServices:
    """What a flusher works with. `open_flusher` makes and closes it."""

    settings: Settings
    clock: Clock
    backend: Backend
    metrics: MetricsExporter
    open_queue: Callable[[], Queue]
    vault: Vault
    store: StoreRouter
    open_merger: Callable[[Callable[[], Awaitable[object]]], Merger]
    open_remover: Callable[[Callable[[], Awaitable[object]]], EventRemover]
    seeding: Seeding | None


@contextlib.asynccontextmanager
async def open_flusher(settings: Settings) -> AsyncIterator[FlusherServices]:
    """Everything a flusher needs. It may run beside a server on the same file, or alone."""
    clock = SystemClock()
    async with opening(settings, clock) as (closing, arcs):
        # One thread: each costs its own buffers, and nobody waits for a batch.
        embedded = embedded_store(settings, clock, closing, threads=1)
        store = StoreRouter(embedded, arcs.store)
        async with (
            opening_aws(settings, clock, light=None) as api,
            open_backend(settings, clock, api=api, cache_kib=_CACHE_KIB) as backend,
        ):
            metrics = _metrics(settings, clock, closing)
            yield FlusherServices(
                settings=settings,
                clock=clock,
                backend=backend,
                metrics=metrics,
                open_queue=queue_opener(settings, api, clock, metrics, backend.follow_journal),
                vault=await open_vault(settings, clock, api),
                store=store,
                open_merger=lambda still_mine: Merger(store=embedded, still_mine=still_mine),
                open_remover=partial(_open_remover, embedded, arcs),
                seeding=open_seeding(
                    settings, backend.seedings, clock, store.store_for, rows_a_turn=_SEED_ROWS
                ),
            )


def _open_remover(
    embedded: ParquetStore, arcs: Arcs, still_mine: Callable[[], Awaitable[object]]
) -> EventRemover:
    return RemoverRouter(ParquetRemover(store=embedded, still_mine=still_mine), arcs.remover)


def _metrics(settings: Settings, clock: Clock, closing: contextlib.ExitStack) -> MetricsExporter:
    metrics = PrometheusMetrics(process="flusher")
    if settings.metrics.format == "prometheus":
        return metrics
    emf = EmfMetrics(process="flusher", namespace=settings.metrics.namespace, clock=clock, stream=sys.stdout)
    closing.callback(emf.flush)
    return EmfBeside(metrics, emf)
