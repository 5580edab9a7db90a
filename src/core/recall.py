"""The read road: the journal's tail first, then the store, and each memory once.

The other order could miss what settles between the two reads.
"""

from collections.abc import Callable
from typing import Final, Literal

from core import counting
from core.asking import StoreReader
from core.model import windows
from core.model.deletion import Graves
from core.model.errors import NotFound
from core.model.memory import (
    Memory,
    MemoryFilter,
    MemoryQuery,
    Micros,
    Page,
    Position,
    Span,
    Tally,
    memory_id,
    parse_id,
)
from core.model.paging import PageMerge, beyond, check_query, far_edge, span_of
from core.model.tenant import Binding, Principal
from core.model.timewindow import EARLIEST
from core.ports import Clock, JournalReader, Tail
from core.telemetry import Metrics

QueryKind = Literal["list", "search", "context"]

_EVER: Final[Micros] = 2**62
_MOST_A_FETCH: Final = 2_000
_FEWEST_ON_CONTINUING: Final = 100
_LOOKUP: Final = 100
_HOUR_SECONDS: Final = 3600


class _Visible:
    """What the store is asked for, and what of its answer may be shown."""

    def __init__(self, filter: MemoryFilter, graves: Graves) -> None:
        self._graves = graves
        self.filter = graves.left_of(filter) if graves else filter
        self.shows: Callable[[Memory], bool] = self._matches if graves else filter.matches

    def _matches(self, memory: Memory) -> bool:
        return self.filter.matches(memory) and not self._graves.buries(memory.time, memory.dedup_key)


class Recall:
    """Reads memories for whoever may. A read that starts after a write's answer contains that write.

    Everything raises NoArcInstance, and StoreError where the store is needed and does not
    answer; what the journal can answer in full is answered without the store.
    """

    def __init__(
        self,
        *,
        journal: JournalReader,
        store: StoreReader,
        clock: Clock,
        metrics: Metrics,
        window_hours: float,
    ) -> None:
        self._journal = journal
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._window = int(window_hours * _HOUR_SECONDS * windows.SECOND)

    async def search(self, principal: Principal, query: MemoryQuery, kind: QueryKind = "search") -> Page:
        """The page that the query asks for; `has_more` is exact.

        Raises InvalidCursor for a cursor of the other order, InvalidRequest for an offset too large.
        """
        binding = principal.bound()
        check_query(query)
        self._metrics.count("memtrace_queries_total", 1, kind)
        return await self._search(binding, query)

    async def get(self, principal: Principal, reference: str) -> Memory:
        """The memory of this id or, when there is none, the newest of this dedup key within the window.

        Raises NotFound.
        """
        binding = principal.bound()
        self._metrics.count("memtrace_queries_total", 1, "get")
        memory = await self._by_id(binding, reference) or await self._by_key(binding, reference)
        if memory is None:
            raise NotFound("memory not found")
        return memory

    async def tally(
        self, principal: Principal, filter: MemoryFilter, recent_since: Micros, *, until: Micros = _EVER
    ) -> Tally:
        """Exact counts of the distinct memories that match, of all time before `until`.

        The filter must not look into contents: neither side of counting has them.
        """
        binding = principal.bound()
        self._metrics.count("memtrace_queries_total", 1, "stats")
        tail = await self._journal.tail_rows(binding.org_id, filter)
        return await counting.tally(self._store, binding, filter, tail, recent_since, until)

    async def waiting(self, principal: Principal, filter: MemoryFilter, until: Micros) -> int:
        """How many memories that match, stamped before `until`, are not settled; asks no store."""
        tail = await self._journal.tail_rows(principal.org_id, filter)
        return sum(row.time < until for row in tail.rows)

    async def _search(self, binding: Binding, query: MemoryQuery) -> Page:
        span = span_of(query)
        merge, tail = await self._merge_with_tail(binding, query, span)
        stored = Span(max(span.since, tail.graves.floor), min(span.until, tail.settled_through + 1))
        if query.order == "desc":
            merge.take((), (tail.settled_through + 1, ""))
        if not stored.is_empty and not merge.is_full:
            visible = _Visible(query.filter, tail.graves)
            async with self._store.one_answer():
                await self._read_store(binding, query, visible, stored, merge)
        merge.finish()
        return merge.page()

    async def _merge_with_tail(
        self, binding: Binding, query: MemoryQuery, span: Span
    ) -> tuple[PageMerge, Tail]:
        """A merge that knows enough of the tail to fill the page from it, were it all there is.

        The cursor's own microsecond may hold others before it, so a short tail is read again, longer.
        """
        need = query.offset + query.limit + 1
        limit = need if query.after is None else need + 1
        while True:
            tail = await self._journal.tail(binding.org_id, query.filter, span, query.order, limit)
            memories = beyond(tail.memories, query.after)
            if len(memories) >= need or len(tail.memories) < limit:
                return PageMerge(query, memories), tail
            limit *= 2

    async def _read_store(
        self, binding: Binding, query: MemoryQuery, visible: "_Visible", span: Span, merge: PageMerge
    ) -> None:
        """Reads window after window until the page is full or the store exhausted."""
        rest = span
        if query.order == "asc":
            rest = await self._store.occupied(binding, rest)
        for turn, width in enumerate(windows.widths(query.filter)):
            if turn == 1 and query.order == "desc":
                rest = await self._store.occupied(binding, rest)
            if rest.is_empty:
                return
            window, rest = windows.cut(rest, query.order, width)
            await self._read_window(binding, query, visible, window, merge)
            if merge.is_full:
                return

    async def _read_window(
        self, binding: Binding, query: MemoryQuery, visible: "_Visible", window: Span, merge: PageMerge
    ) -> None:
        """Reads one window until the page is full or the window exhausted.

        Repeats, deleted memories, and rows of which the store saw only the beginning, may leave a full
        fetch short.
        """
        after = query.after
        limit = min(merge.wanting, _MOST_A_FETCH)
        while not merge.is_full:
            rows = await self._store.search(binding, visible.filter, window, query.order, limit, after)
            is_last = len(rows) < limit
            known_to = far_edge(window, query.order) if is_last else rows[-1].identity
            merge.take(filter(visible.shows, rows), known_to)
            if is_last:
                return
            after = Position(query.order, *rows[-1].identity)
            limit = min(max(merge.wanting, _FEWEST_ON_CONTINUING), _MOST_A_FETCH)

    async def _by_id(self, binding: Binding, reference: str) -> Memory | None:
        parsed = parse_id(reference)
        if parsed is None or parsed[0] < EARLIEST:
            return None
        return await self._at(
            binding, parsed[0], lambda memory: memory_id(memory.time, memory.dedup_key) == reference
        )

    async def _by_key(self, binding: Binding, key: str) -> Memory | None:
        claimed = await self._journal.claimed_at(binding.org_id, key)
        if claimed is not None:
            memory = await self._at(binding, claimed, lambda memory: memory.dedup_key == key)
            if memory is not None:
                return memory
        window = MemoryQuery(
            filter=MemoryFilter(dedup_key=key), since=self._clock.micros() - self._window, limit=1
        )
        page = await self._search(binding, window)
        return page.memories[0] if page.memories else None

    async def _at(self, binding: Binding, time: Micros, is_meant: Callable[[Memory], bool]) -> Memory | None:
        """The memory that is meant among those of one microsecond."""
        span = Span(time, time + 1)
        tail = await self._journal.tail(binding.org_id, MemoryFilter(), span, "desc", _LOOKUP)
        found = next(filter(is_meant, tail.memories), None)
        if found is not None or time > tail.settled_through:
            return found
        visible = _Visible(MemoryFilter(), tail.graves)
        after: Position | None = None
        async with self._store.one_answer():
            while True:
                rows = await self._store.search(binding, visible.filter, span, "desc", _LOOKUP, after)
                found = next((row for row in rows if is_meant(row) and visible.shows(row)), None)
                if found is not None or len(rows) < _LOOKUP:
                    return found
                after = Position("desc", *rows[-1].identity)
