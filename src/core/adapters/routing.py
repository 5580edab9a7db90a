"""Sends each binding to the store that serves its URL."""

from collections.abc import Callable
from typing import Protocol

from core.model.memory import Memory, MemoryFilter, Micros, Order, Position, Span, Tally
from core.model.tenant import Binding
from core.ports import EventRemover, EventStore, Parcel, Removal, Removed, StorePlaces


class EmbeddedStore(EventStore, StorePlaces, Protocol):
    """A store whose place is ours to make."""


class StoreRouter:
    """An `EventStore` made of two: the embedded one for `file:`, an Arc for all others.

    The latter is made when the first binding asks for it: its libraries take a while to load.
    """

    def __init__(self, embedded: EmbeddedStore, open_arc: Callable[[], EventStore]) -> None:
        self._embedded = embedded
        self._open_arc = open_arc
        self._arc: EventStore | None = None
        self.hides_for = embedded.hides_for

    def store_for(self, binding: Binding) -> EventStore:
        """The store of this binding; ask it, and not the router, for how long it hides something."""
        if binding.is_embedded:
            return self._embedded
        if self._arc is None:
            self._arc = self._open_arc()
        return self._arc

    async def prepare(self, binding: Binding) -> None:
        """Makes the folder of an embedded store; leaves other places to their owners."""
        if binding.is_embedded:
            await self._embedded.prepare(binding)

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        await self.store_for(binding).append(binding, parcel)

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        return await self.store_for(binding).search(binding, filter, span, order, limit, after)

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        return await self.store_for(binding).identities(binding, filter, span)

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        return await self.store_for(binding).tally(binding, filter, span, recent_since)

    async def earliest(self, binding: Binding) -> Micros | None:
        return await self.store_for(binding).earliest(binding)

    async def check(self, binding: Binding) -> None:
        await self.store_for(binding).check(binding)


class RemoverRouter:
    """Likewise for what removes."""

    def __init__(self, embedded: EventRemover, open_arc: Callable[[], EventRemover]) -> None:
        self._embedded = embedded
        self._open_arc = open_arc

    async def remove(self, binding: Binding, removal: Removal) -> Removed:
        return await self._remover(binding).remove(binding, removal)

    async def running_since(self, binding: Binding) -> Micros | None:
        return await self._remover(binding).running_since(binding)

    def _remover(self, binding: Binding) -> EventRemover:
        return self._embedded if binding.is_embedded else self._open_arc()
