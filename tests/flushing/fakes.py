"""A store with faults on order, and journals that break where a test says so."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from core.model.deletion import Deletion, DeletionState, Grave
from core.model.errors import StoreAmbiguous, StoreError, StoreRefused, StoreUnreachable
from core.model.memory import Memory, MemoryFilter, Micros, Order, OrgId, Position, Span, Tally, decode
from core.model.tenant import Binding
from core.ports import Lease, Parcel, Removal, Removed
from core.telemetry import MetricName


class ShelfStore:
    """An `EventStore` on a list an org. It keeps repeats, as a real one does."""

    hides_for = 10.0

    def __init__(self) -> None:
        self.rows: dict[OrgId, list[Memory]] = {}
        self.appends: list[Parcel] = []
        self.reads: list[tuple[OrgId, Span]] = []
        self.down: set[OrgId] = set()
        """Orgs whose store cannot be reached for appending."""
        self.hangs: dict[OrgId, asyncio.Event] = {}
        """Orgs whose store does nothing until the event."""
        self.hanging = 0
        """How many calls wait for such an event."""
        self.poison: Callable[[Memory], bool] = lambda _: False
        """Memories that the store refuses for good, and any batch with them."""
        self.breaks_after_accepting: set[OrgId] = set()
        self.forgets: Callable[[Memory], bool] = lambda _: False
        """Memories that it accepts and never shows."""
        self.after_append: Callable[[], Awaitable[None]] | None = None
        """What happens once it has the rows and before it says so."""
        self.read_error: StoreError | None = None
        self.check_error: StoreError | None = None
        self.check_hangs = False
        self.checks = 0

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        org = binding.org_id
        self.appends.append(parcel)
        await self._hang(org)
        if org in self.down:
            raise StoreUnreachable("connection refused", retry_after=0)
        memories = [decode(line) for line in parcel.lines.split(b"\n")]
        if any(self.poison(m) for m in memories):
            raise StoreRefused("a column does not convert")
        self.rows.setdefault(org, []).extend(m for m in memories if not self.forgets(m))
        if self.after_append is not None:
            await self.after_append()
        if org in self.breaks_after_accepting:
            raise StoreAmbiguous("the connection broke off", retry_after=0)

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        self.reads.append((binding.org_id, span))
        await self._hang(binding.org_id)
        if self.read_error is not None:
            raise self.read_error
        found = {m.identity: m for m in self.rows.get(binding.org_id, [])}
        return [
            (m.time, m.dedup_key, m.memory_type, m.event_type)
            for m in found.values()
            if span.since <= m.time < span.until and filter.matches(m)
        ]

    async def check(self, binding: Binding) -> None:
        self.checks += 1
        if self.check_hangs:
            await asyncio.Event().wait()
        await self._hang(binding.org_id)
        if self.check_error is not None:
            raise self.check_error

    async def _hang(self, org: OrgId) -> None:
        if org not in self.hangs:
            return
        self.hanging += 1
        try:
            await self.hangs[org].wait()
        finally:
            self.hanging -= 1

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        raise AssertionError("a flusher does not search")

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        raise AssertionError("a flusher does not count")

    async def earliest(self, binding: Binding) -> Micros | None:
        raise AssertionError("a flusher does not ask for this")

    def contents(self, org_id: OrgId) -> list[str]:
        """What it shows of this org, each once, in order."""
        distinct = {m.identity: m.content for m in self.rows.get(org_id, [])}
        return [content for _, content in sorted(distinct.items())]


class CountingMetrics:
    """Adds up what was counted, and keeps the last of each gauge."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str], float] = {}
        self.gauges: dict[str, float] = {}

    def count(self, name: MetricName, amount: float = 1, label: str = "") -> None:
        self.counts[name, label] = self.counts.get((name, label), 0) + amount

    def observe(self, name: MetricName, value: float, label: str = "") -> None:
        self.count(name, 1, label)

    def gauge(self, name: MetricName, value: float) -> None:
        self.gauges[name] = value


@dataclass(frozen=True)
class Turn:
    """A `MergeTurn`."""

    merged: int

    @property
    def did_something(self) -> bool:
        return self.merged > 0


class ListMerger:
    """Remembers for which orgs it was called. Merges what `files` says, a turn each."""

    def __init__(self) -> None:
        self.turns: list[OrgId] = []
        self.files: list[int] = []
        self.error: StoreError | None = None

    async def step(self, binding: Binding, now: Micros) -> Turn:
        self.turns.append(binding.org_id)
        if self.error is not None:
            raise self.error
        return Turn(self.files.pop() if self.files else 0)


def contents(parcels: Sequence[Parcel]) -> list[str]:
    return [decode(line).content for p in parcels for line in p.lines.split(b"\n")]


class ListRemover:
    """An `EventRemover` that answers what it was told to; the last answer goes on."""

    def __init__(self) -> None:
        self.answers: list[Removed | StoreError] = [Removed(0, True)]
        self.asked: list[tuple[Binding, Removal]] = []
        self.hangs: asyncio.Event | None = None
        self.began: Micros | None = None

    async def running_since(self, binding: Binding) -> Micros | None:
        return self.began

    async def remove(self, binding: Binding, removal: Removal) -> Removed:
        self.asked.append((binding, removal))
        if self.hangs is not None:
            await self.hangs.wait()
        answer = self.answers[0] if len(self.answers) == 1 else self.answers.pop(0)
        if isinstance(answer, StoreError):
            raise answer
        return answer


class ListUndertaker:
    """Deletions in a dict; implements `Undertaker` and what erases."""

    def __init__(self, now: Callable[[], Micros]) -> None:
        self.deletions: dict[str, Deletion] = {}
        self.erased: list[str] = []
        self.freed: list[Grave] = []
        self.retained: dict[OrgId, Micros] = {}
        self.now = now

    def add(self, deletion: Deletion) -> None:
        self.deletions[deletion.id] = deletion

    async def due_deletions(self, now: Micros, limit: int) -> list[Deletion]:
        due = [d for d in self.deletions.values() if d.due_at is not None and d.due_at <= now]
        return due[:limit]

    async def free_claims(self, org_id: OrgId, graves: Sequence[Grave], lease: Lease) -> int:
        self.freed += graves
        return len(graves)

    async def progress(
        self,
        deletion: Deletion,
        lease: Lease,
        *,
        state: DeletionState,
        from_store: int,
        due_at: Micros | None,
        reason: str,
    ) -> bool:
        old = self.deletions[deletion.id]
        self.deletions[deletion.id] = replace(
            old,
            state=state,
            from_store=old.from_store + from_store,
            due_at=due_at,
            reason=reason,
            checked_at=self.now(),
        )
        return True

    async def retain(self, org_id: OrgId, until: Micros, lease: Lease) -> Deletion | None:
        self.retained[org_id] = until
        return None

    async def erase(self, deletion: Deletion) -> Deletion:
        self.erased.append(deletion.id)
        return deletion
