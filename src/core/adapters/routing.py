"""Sends each binding to the store that serves its URL."""

from typing import Protocol

from core.model.errors import StoreUnreachable
from core.model.memory import Memory, MemoryFilter, Micros, Order, Position, Span, Tally
from core.model.tenant import Binding
from core.ports import EventStore, Parcel, StorePlaces


class EmbeddedStore(EventStore, StorePlaces, Protocol):
    """A store whose place is ours to make."""


class StoreRouter:
    """An `EventStore` made of several: the embedded one for `file:`, others by URL scheme.

    A binding without a store here is unreachable, not refused: what was written stays owed.
    """

    def __init__(self, embedded: EmbeddedStore) -> None:
        self._embedded = embedded
        self.hides_for = embedded.hides_for

    def store_for(self, binding: Binding) -> EventStore:
        """The store of this binding. Raises StoreUnreachable where none serves its URL."""
        if not binding.is_embedded:
            raise StoreUnreachable(
                f"no store in this version serves {binding.url.split(':')[0]}: bindings",
                hint="bind the org to a folder with `memtrace org add-arc <org_id> --url file:/folder`",
            )
        return self._embedded

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
