"""What the server, the flusher and the commands are built of alike."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from core.adapters.arc.addresses import AllowedNetworks
from core.adapters.events.engine import Engine
from core.adapters.events.parquet import ParquetStore
from core.model.tenant import Binding
from core.ports import Clock, EventRemover, EventStore, Seedings
from core.seeding import Seeding
from core.settings import Settings

if TYPE_CHECKING:
    from core.adapters.arc.client import ArcClient
    from core.adapters.arc.doors import ArcDoors

_HOUR_MICROS: Final = 3_600_000_000
_HIDES_FOR: Final = 15.0
"""Seconds for which a reader may act on what it knew: its binding is up to ten seconds old, a listing two."""


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


class Arcs:
    """The Arc store of one process, made when a binding first needs it."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Raises ConfigurationError when the settings name no networks."""
        AllowedNetworks(settings.arc.allowed_networks)
        self._settings = settings
        self._clock = clock
        self._client: ArcClient | None = None

    def store(self) -> EventStore:
        from core.adapters.arc.store import ArcStore

        return ArcStore(
            doors=self._doors(),
            clock=self._clock,
            query_timeout=self._settings.arc.query_timeout,
            append_timeout=self._settings.flusher.append_timeout,
        )

    def remover(self) -> EventRemover:
        from core.adapters.arc.removing import ArcRemover

        return ArcRemover(doors=self._doors(), timeout=self._settings.flusher.append_timeout)

    def _doors(self) -> "ArcDoors":
        from core.adapters.arc.client import ArcClient, ClientLimits
        from core.adapters.arc.doors import ArcDoors

        arc = self._settings.arc
        if self._client is None:
            self._client = ArcClient(
                ClientLimits(
                    connect_timeout=arc.connect_timeout,
                    response_bytes=arc.max_response_bytes,
                    schemes=arc.allowed_schemes,
                    networks=arc.allowed_networks,
                )
            )
        return ArcDoors(client=self._client, clock=self._clock, compression=arc.compression)

    async def close(self) -> None:
        """Ends every connection; may be called twice."""
        if self._client is not None:
            await self._client.close()


@contextlib.asynccontextmanager
async def opening(settings: Settings, clock: Clock) -> AsyncIterator[tuple[contextlib.ExitStack, Arcs]]:
    """What takes in all that is to be closed, and the Arcs, whose connections are closed first."""
    with contextlib.ExitStack() as closing:
        arcs = Arcs(settings, clock)
        try:
            yield closing, arcs
        finally:
            await arcs.close()
