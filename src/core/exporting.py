"""Reads an org's memories from the oldest to the newest, a page at a time, wherever they lie."""

from collections.abc import AsyncIterator
from typing import Final

from core.model.memory import Memory, MemoryFilter, Position, Span
from core.model.memory import MemoryQuery as Query
from core.model.tenant import Principal
from core.recall import Recall

_FIRST: Final = 200
_MOST: Final = 1_000
_FEWEST: Final = 20
_PAGE_BYTES: Final = 8 << 20
"""What a page is to hold about, so that large memories come in small pages."""


class Exporter:
    """Works beside a server and without one: it reads the journal and the store as a request would."""

    def __init__(self, *, recall: Recall) -> None:
        self._recall = recall

    async def pages(
        self, principal: Principal, filter: MemoryFilter, span: Span, after: Position | None = None
    ) -> AsyncIterator[list[Memory]]:
        """Every distinct memory in the span that matches, by (time, dedup key), after the position.

        What was acknowledged before the first page is asked for is in it, what is deleted before a
        page is asked for is not. Never more than a page is held. Raises NoArcInstance, StoreError.
        """
        limit = _FIRST
        while True:
            query = Query(
                filter=filter, since=span.since, until=span.until, order="asc", limit=limit, after=after
            )
            page = await self._recall.search(principal, query, "list")
            if page.memories:
                yield page.memories
            if page.next is None:
                return
            after = page.next
            limit = _next_limit(page.memories)


def _next_limit(page: list[Memory]) -> int:
    """As many as would have come to a page's bytes, had they been like these."""
    size = sum(len(m.content) + len(m.metadata_json) for m in page)
    return max(_FEWEST, min(_MOST, _PAGE_BYTES * len(page) // max(size, 1)))
