"""One page out of two ordered sources: distinct memories, the offset applied after merging."""

from collections.abc import Iterable
from typing import Final

from core.model.errors import InvalidCursor, InvalidRequest
from core.model.memory import Memory, MemoryQuery, Micros, Order, Page, Position, Span
from core.model.timewindow import LATEST

MAX_OFFSET: Final = 10_000
"""Beyond it a page would cost what everything before it costs; a cursor goes any distance."""

Identity = tuple[Micros, str]


def check_query(query: MemoryQuery) -> None:
    """Raises InvalidCursor for a cursor of the other order, InvalidRequest for an offset too large."""
    if query.after is not None and query.after.order != query.order:
        raise InvalidCursor(f"the cursor was made for order={query.after.order}")
    if query.offset > MAX_OFFSET:
        raise InvalidRequest(
            f"offset must be at most {MAX_OFFSET}",
            field="offset",
            hint="page with `cursor` instead: send the `next_cursor` of the last answer",
        )


def span_of(query: MemoryQuery) -> Span:
    """The time that the query asks about, from its cursor on."""
    since = query.since or 0
    until = LATEST + 1 if query.until is None else query.until
    if query.after is not None:
        if query.order == "desc":
            until = min(until, query.after.time + 1)
        else:
            since = max(since, query.after.time)
    return Span(since, until)


def comes_before(a: Identity, b: Identity, order: Order) -> bool:
    """Whether `a` is listed strictly before `b`."""
    return a > b if order == "desc" else a < b


def beyond(memories: Iterable[Memory], after: Position | None) -> list[Memory]:
    """Those that are listed strictly after the position."""
    if after is None:
        return list(memories)
    place = (after.time, after.dedup_key)
    return [memory for memory in memories if comes_before(place, memory.identity, after.order)]


def far_edge(window: Span, order: Order) -> Identity:
    """The identity up to which a window that was read to its end is known."""
    return (window.since, "") if order == "desc" else (window.until, "")


class PageMerge:
    """Collects a page from the tail, given whole, and the store's rows, given as they come.

    Both are ordered as the query asks. Equal identities are one memory. What was skipped for the
    offset is not kept, so memory is bounded by the tail, one fetch and one page.
    """

    def __init__(self, query: MemoryQuery, tail: list[Memory]) -> None:
        self._order = query.order
        self._limit = query.limit
        self._to_skip = query.offset
        self._tail = tail
        self._next_in_tail = 0
        self._last: Identity | None = None
        self._found: list[Memory] = []

    @property
    def wanting(self) -> int:
        """How many distinct memories are to be seen before the page, and whether more follow, is known."""
        return self._to_skip + self._limit + 1 - len(self._found)

    @property
    def is_full(self) -> bool:
        return self.wanting <= 0

    def take(self, rows: Iterable[Memory], known_to: Identity) -> None:
        """Takes the store's next rows; up to `known_to` the store has no others."""
        for row in rows:
            self._take_tail(row.identity)
            self._see(row)
        self._take_tail(known_to)

    def finish(self) -> None:
        """The store has nothing more: the rest of the tail follows."""
        for memory in self._tail[self._next_in_tail :]:
            self._see(memory)
        self._next_in_tail = len(self._tail)

    def page(self) -> Page:
        """The page; exact once the merge is full or finished."""
        memories = self._found[: self._limit]
        has_more = len(self._found) > self._limit
        after = Position(self._order, *memories[-1].identity) if has_more else None
        return Page(memories, has_more, after)

    def _take_tail(self, known_to: Identity) -> None:
        tail, at = self._tail, self._next_in_tail
        while at < len(tail) and not comes_before(known_to, tail[at].identity, self._order):
            self._see(tail[at])
            at += 1
        self._next_in_tail = at

    def _see(self, memory: Memory) -> None:
        if memory.identity == self._last or self.is_full:
            return
        self._last = memory.identity
        if self._to_skip:
            self._to_skip -= 1
        else:
            self._found.append(memory)
