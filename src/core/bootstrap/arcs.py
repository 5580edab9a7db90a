"""The Arcs that a process reaches, for every kind of process."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from core.adapters.arc.addresses import AllowedNetworks
from core.ports import Clock, EventRemover, EventStore
from core.settings import Settings

if TYPE_CHECKING:
    from core.adapters.arc.client import ArcClient
    from core.adapters.arc.doors import ArcDoors


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

    async def hang_up(self) -> None:
        """Ends every connection, as after a sleep in which the other side may have; new ones are opened."""
        if self._client is not None:
            await self._client.hang_up()

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
