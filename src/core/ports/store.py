"""Where memories live in the end."""

from dataclasses import dataclass
from typing import Protocol

from core.model.deletion import Grave
from core.model.memory import (
    Exclusion,
    Memory,
    MemoryFilter,
    Micros,
    Order,
    Position,
    Span,
    Tally,
)
from core.model.tenant import Binding
from core.ports.outbox import Parcel


@dataclass(frozen=True, slots=True)
class Removal:
    """What a store is to forget of one org, all of it stamped within `span`."""

    span: Span
    exclusions: tuple[Exclusion, ...] = ()
    graves: tuple[Grave, ...] = ()


@dataclass(frozen=True, slots=True)
class Removed:
    """What a store did about a removal."""

    memories: int
    """Rows that are gone."""
    is_gone: bool
    """Whether no file that a reader may look at holds any of it any more, also not under old names."""
    found: tuple[Grave, ...] = ()
    """Those of the removal's graves that a row went for."""
    by_exclusion: tuple[int, ...] = ()
    """Rows that are gone, for each of the removal's exclusions; all of them where there is only one."""
    staying: frozenset[Grave | Exclusion] | None = None
    """What of the removal is not gone, where `is_gone` is not all that the store can say."""

    def has_taken(self, one: Grave | Exclusion) -> bool:
        """Whether no file that a reader may look at holds any of this, a part of the removal."""
        return self.is_gone or (self.staying is not None and one not in self.staying)


class EventStore(Protocol):
    """Where memories live in the end. Every call names the binding, and so the org.

    Every statement also filters by the org. Repeats of a memory may be stored; readers of
    `search` may see them as neighbours, everything else counts and answers distinct ones.
    Raises StoreUnreachable, StoreTimeout, StoreAmbiguous (repeat later) or StoreRefused (do not).
    """

    hides_for: float
    """Seconds for which a stored, already seen row may still be hidden from another read."""

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        """Stores all of the parcel or raises. At least once: the same parcel may be sent again."""
        ...

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        """The first `limit` rows in (time, dedup key) order, after `after`; repeats possible."""
        ...

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        """(time, dedup key, memory type, event type) of every distinct match in the span."""
        ...

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        """Distinct counts in the span; `recent*` are those at or after `recent_since`."""
        ...

    async def earliest(self, binding: Binding) -> Micros | None:
        """A time before which nothing is stored; None when nothing is stored at all."""
        ...

    async def check(self, binding: Binding) -> None:
        """Returns when the store answers and takes our key; raises otherwise. Writes nothing."""
        ...


class EventRemover(Protocol):
    """The one way by which memories leave a store before their time."""

    async def remove(self, binding: Binding, removal: Removal) -> Removed:
        """Forgets what the removal covers, and nothing else; may be repeated until `is_gone`.

        Only the flusher calls it, with the org's deliveries at rest, and a binding whose admin key
        was opened. Raises StoreDenied where the store asks for a right that the binding has not.
        """
        ...

    async def running_since(self, binding: Binding) -> Micros | None:
        """When the store was started last, or a moment later; None where nobody says, or it cannot matter.

        A store that is started may show again what it had forgotten. Raises StoreError.
        """
        ...


class StorePlaces(Protocol):
    """Where bindings point to."""

    async def prepare(self, binding: Binding) -> None:
        """Makes the place ready for its first memory, where that is ours to do; may be repeated.

        Done once, when an org is bound: a place that is gone later is an unreachable store and no
        empty one. Raises StoreUnreachable.
        """
        ...
