"""The journal as writers and readers see it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from core.model.deletion import NO_GRAVES, Graves
from core.model.memory import (
    Draft,
    Memory,
    MemoryFilter,
    Micros,
    Order,
    OrgId,
    Span,
)


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's own name for one request: digests (16 bytes each) of the key and of the body."""

    key: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one draft: stored as `memory`, or (`memory` is None) a duplicate of `id`."""

    id: str
    memory: Memory | None


class JournalReader(Protocol):
    """What is unsettled, and what is hidden: deleted memories never come out of it."""

    async def tail(self, org_id: OrgId, filter: MemoryFilter, span: Span, order: Order, limit: int) -> "Tail":
        """The first `limit` unsettled memories that match, and `settled_through`, in one snapshot."""
        ...

    async def tail_rows(self, org_id: OrgId, filter: MemoryFilter) -> "TailRows":
        """All unsettled memories that match, reduced to what counting needs, in one snapshot."""
        ...

    async def claimed_at(self, org_id: OrgId, dedup_key: str) -> Micros | None:
        """When the memory that holds this key was stored; None when no claim is alive."""
        ...


class Journal(JournalReader, Protocol):
    """The durable home of every memory until the event store demonstrably serves it."""

    async def append(
        self, org_id: OrgId, drafts: Sequence[Draft], idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        """Claims each dedup key and stores its memory, durably, before it returns.

        One receipt per draft, in order. Atomic per request in this adapter and at least per
        memory in any; of equal keys (same org, within the window) exactly one is created, also
        inside one call. Times are stamped here, strictly increasing. With an idempotency key the
        same call may be repeated: what it created then is answered as created again, with the
        same times, also where it was deleted since: then it is not stored again. Raises JournalFull
        or ClockStepped (nothing stored), IdempotencyConflict.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tail:
    """A snapshot of what is unsettled. Everything after `settled_through` is in the tail alone."""

    memories: list[Memory]
    settled_through: Micros
    graves: Graves = NO_GRAVES
    """What is to be left out of the store's answers too."""


class TailRow(msgspec.Struct, frozen=True, gc=False):
    """A memory as counting needs it; its line in the journal decodes to it, the rest passed over."""

    time: Micros
    dedup_key: str
    memory_type: str
    event_type: str


@dataclass(frozen=True, slots=True)
class TailRows:
    rows: list[TailRow]
    settled_through: Micros
    graves: Graves = NO_GRAVES
