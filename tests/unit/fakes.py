"""A journal, a store and metrics that are ordinary classes: the promises of the ports, in lists."""

from collections.abc import Awaitable, Callable, Sequence

from core.asking import StoreReader
from core.model.deletion import NO_GRAVES
from core.model.memory import (
    Draft,
    Memory,
    MemoryFilter,
    Micros,
    Order,
    OrgId,
    Position,
    Span,
    Tally,
    stamped,
)
from core.model.paging import beyond
from core.model.tenant import Binding, Principal
from core.ports import EventStore, IdempotencyKey, Parcel, Receipt, Tail, TailRow, TailRows
from core.recall import Recall
from core.telemetry import MetricName
from tests.clock import ManualClock

ORG = OrgId("org_a")
BINDING = Binding(
    id="arc_1", org_id=ORG, url="file:/data", database="d", measurement="events", created=10**13
)


def principal(binding: Binding | None = BINDING, org_id: OrgId = ORG) -> Principal:
    return Principal(
        org_id=org_id,
        org_name="A",
        key_name="test",
        permissions=frozenset({"admin"}),
        expires_at=None,
        binding=binding,
    )


def draft(**changes: object) -> Draft:
    return Draft(**{**_PLAIN, **changes})  # type: ignore[arg-type]


def memory(time: Micros, key: str | None = None, **changes: object) -> Memory:
    return stamped(draft(**{"dedup_key": key or f"k{time}", **changes}), ORG, time)


_PLAIN: dict[str, object] = {
    "agent_id": "agent",
    "session_id": "sess",
    "memory_type": "episodic",
    "event_type": "general",
    "content": "text",
    "metadata_json": "",
    "tags_csv": "",
    "dedup_key": "key",
    "importance": 0.0,
    "parent_id": "",
}


def ordered(memories: Sequence[Memory], order: Order) -> list[Memory]:
    return sorted(memories, key=lambda m: m.identity, reverse=order == "desc")


class FakeMetrics:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.counts: dict[tuple[MetricName, str], float] = {}
        self.observed: list[tuple[MetricName, str]] = []

    def count(self, name: MetricName, amount: float = 1, label: str = "") -> None:
        self.counts[name, label] = self.counts.get((name, label), 0) + amount

    def observe(self, name: MetricName, value: float, label: str = "") -> None:
        self.observed.append((name, label))

    def gauge(self, name: MetricName, value: float) -> None: ...


class FakeStore:
    """Rows in a list, repeats and all. `failures` are raised first; `asked` is what was asked for."""

    hides_for = 0.0

    def __init__(self, rows: Sequence[Memory] = ()) -> None:
        self.rows = list(rows)
        self.failures: list[Exception] = []
        self.asked: list[tuple[str, Span]] = []
        self.before_answer: Callable[[], Awaitable[None]] | None = None
        self.prefix = 10**9
        """How many characters of `content_contains` its query has room for."""

    async def _matching(self, call: str, filter: MemoryFilter, span: Span) -> list[Memory]:
        self.asked.append((call, span))
        if self.before_answer is not None:
            await self.before_answer()
        if self.failures:
            raise self.failures.pop(0)
        wanted = MemoryFilter(
            **{
                name: getattr(filter, name)
                for name in MemoryFilter.__struct_fields__
                if name != "content_contains"
            },
            content_contains=filter.content_contains[: self.prefix],
        )
        return [m for m in self.rows if span.since <= m.time < span.until and wanted.matches(m)]

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        raise NotImplementedError

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        assert limit > 0
        return ordered(beyond(await self._matching("search", filter, span), after), order)[:limit]

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        rows = {m.identity: m for m in await self._matching("identities", filter, span)}
        return [(m.time, m.dedup_key, m.memory_type, m.event_type) for m in rows.values()]

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        return counted(await self._matching("tally", filter, span), recent_since)

    async def earliest(self, binding: Binding) -> Micros | None:
        await self._matching("earliest", MemoryFilter(), Span(0, 0))
        return min((m.time for m in self.rows), default=None)

    async def check(self, binding: Binding) -> None:
        raise NotImplementedError

    @property
    def calls(self) -> list[str]:
        return [call for call, _ in self.asked]


def counted(memories: Sequence[Memory], recent_since: Micros) -> Tally:
    """The plain truth about these memories, repeats counted once."""
    distinct = {m.identity: m for m in memories}.values()
    by_type: dict[str, int] = {}
    for m in distinct:
        by_type[m.memory_type] = by_type.get(m.memory_type, 0) + 1
    recent = [m for m in distinct if m.time >= recent_since]
    return Tally(
        total=len(distinct),
        by_type=by_type,
        recent=len(recent),
        recent_errors=sum(m.event_type == "error" for m in recent),
        last=max((m.time for m in distinct), default=0),
    )


class FakeJournal:
    """Unsettled memories in a list. `after_snapshot` runs between a reader's snapshot and its next step."""

    def __init__(self, tail: Sequence[Memory] = (), settled_through: Micros = 0) -> None:
        self.rows = list(tail)
        self.settled_through = settled_through
        self.graves = NO_GRAVES
        self.claims: dict[str, Micros] = {}
        self.appended: list[tuple[OrgId, list[Draft], IdempotencyKey | None]] = []
        self.duplicates: set[str] = set()
        self.after_snapshot: Callable[[], None] = lambda: None

    async def append(
        self, org_id: OrgId, drafts: Sequence[Draft], idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        self.appended.append((org_id, list(drafts), idempotency))
        return [
            Receipt("mem_won", None)
            if d.dedup_key in self.duplicates
            else Receipt("mem_new", stamped(d, org_id, 10**15 + i))
            for i, d in enumerate(drafts)
        ]

    async def tail(self, org_id: OrgId, filter: MemoryFilter, span: Span, order: Order, limit: int) -> Tail:
        rows = [m for m in self.rows if span.since <= m.time < span.until and filter.matches(m)]
        visible = self.graves.visible(ordered(rows, order))
        tail = Tail(visible[:limit], self.settled_through, self.graves)
        self.after_snapshot()
        return tail

    async def tail_rows(self, org_id: OrgId, filter: MemoryFilter) -> TailRows:
        rows = [
            TailRow(m.time, m.dedup_key, m.memory_type, m.event_type)
            for m in self.graves.visible(self.rows)
            if filter.matches(m)
        ]
        tail = TailRows(rows, self.settled_through, self.graves)
        self.after_snapshot()
        return tail

    async def claimed_at(self, org_id: OrgId, dedup_key: str) -> Micros | None:
        return self.claims.get(dedup_key)


class World:
    """Recall over a journal and a store, and the steps that move memories from one to the other."""

    def __init__(self, *, query_timeout: float = 5.0) -> None:
        self.clock = ManualClock()
        self.journal = FakeJournal()
        self.store = FakeStore()
        self.metrics = FakeMetrics()
        self.recall = recall_over(
            self.journal, self.store, self.clock, self.metrics, query_timeout=query_timeout
        )

    @property
    def everything(self) -> list[Memory]:
        """What a reader must be shown: each memory once."""
        held = {m.identity: m for m in [*self.store.rows, *self.journal.rows]}
        return ordered(self.journal.graves.visible(held.values()), "asc")

    def deliver(self, memories: Sequence[Memory]) -> None:
        """The store takes them; the journal keeps them until they are settled."""
        self.store.rows += memories

    def settle(self, memories: Sequence[Memory]) -> None:
        """The journal lets go of what the store serves."""
        self.journal.rows = [m for m in self.journal.rows if m not in memories]
        self.journal.settled_through = max([self.journal.settled_through, *(m.time for m in memories)])


def recall_over(
    journal: FakeJournal,
    store: EventStore,
    clock: ManualClock,
    metrics: FakeMetrics,
    *,
    query_timeout: float = 5.0,
) -> Recall:
    reader = StoreReader(store=store, clock=clock, metrics=metrics, query_timeout=query_timeout)
    return Recall(journal=journal, store=reader, clock=clock, metrics=metrics, window_hours=24)
