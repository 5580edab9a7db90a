"""What the server, the flusher and the commands are built of alike."""

import contextlib
from collections.abc import Callable
from typing import Final

from core.adapters.events.engine import Engine
from core.adapters.events.parquet import ParquetStore
from core.adapters.folderless import Folderless
from core.adapters.routing import StoreRouter
from core.bootstrap.arcs import Arcs
from core.model.tenant import Binding
from core.ports import Clock, EventStore, Seedings
from core.seeding import Seeding
from core.settings import Settings

_HOUR_MICROS: Final = 3_600_000_000
_HIDES_FOR: Final = 15.0
"""Seconds for which a reader may act on what it knew: its binding is up to ten seconds old, a listing two."""


def open_store(settings: Settings, clock: Clock, closing: contextlib.ExitStack, arcs: Arcs) -> StoreRouter:
    """The stores of all bindings; without folders where the processes of a deployment share no disk."""
    if settings.metadata.backend == "dynamodb":
        return StoreRouter(Folderless(), arcs.store)
    return StoreRouter(embedded_store(settings, clock, closing), arcs.store)


def embedded_store(
    settings: Settings, clock: Clock, closing: contextlib.ExitStack, *, threads: int | None = None
) -> ParquetStore:
    """The store of `file:` bindings; DuckDB itself is imported when it is first used."""
    engine = Engine(memory_limit_mb=settings.store.memory_limit_mb, threads=threads or settings.store.threads)
    closing.enter_context(contextlib.closing(engine))
    return ParquetStore(
        engine=engine, clock=clock, query_timeout=settings.arc.query_timeout, hides_for=_HIDES_FOR
    )


def open_seeding(
    settings: Settings,
    seedings: Seedings,
    clock: Clock,
    store_for: Callable[[Binding], EventStore],
    *,
    rows_a_turn: int,
) -> Seeding | None:
    """None where equal memories are not looked for."""
    if not settings.dedup.enabled:
        return None
    return Seeding(
        seedings=seedings,
        store_for=store_for,
        clock=clock,
        window=int(settings.dedup.window_hours * _HOUR_MICROS),
        rows_a_turn=rows_a_turn,
    )
