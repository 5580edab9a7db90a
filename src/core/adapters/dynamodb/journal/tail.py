"""Reads of the journal: what is unsettled and visible."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.journal.graves import GraveBook
from core.adapters.dynamodb.journal.reading import Merged, questions, where_of
from core.adapters.dynamodb.journal.rows import holds, memory_of
from core.adapters.dynamodb.journal.standing import Shards, Standing, read_standing
from core.adapters.dynamodb.keys import claim_key_of
from core.model.deletion import Graves
from core.model.errors import MetadataBusy
from core.model.memory import Memory, MemoryFilter, Micros, Order, OrgId, Span, claim_key
from core.ports import Clock, Tail, TailRow, TailRows

T = TypeVar("T")

_EVER: Final = Span(0, 2**62)
_NO_LIMIT: Final = 2**62
_FEW: Final = 1_000
"""A page of so many rows or fewer is asked for by their number."""
_TRIES: Final = 4


class DynamoJournalReader:
    """Implements `JournalReader`. No read is a snapshot; the order of its parts makes up for that.

    The rows first, then the ledger: `settled_through` rises before a row goes, so a memory that
    was settled between two pages is one that the store is asked for. What is hidden was known before
    the rows were read, and did not change until after: a deletion that is carried out meanwhile takes
    nothing from under the one and not the other.
    """

    def __init__(
        self, dynamo: Dynamo, *, clock: Clock, window: Micros, book: GraveBook, shards: Shards
    ) -> None:
        self._dynamo = dynamo
        self._clock = clock
        self._window = window
        self._book = book
        self._shards = shards

    async def tail(self, org_id: OrgId, filter: MemoryFilter, span: Span, order: Order, limit: int) -> Tail:
        async def collect(shards: int, graves: Graves) -> tuple[list[Memory], bool]:
            return await self._collected(org_id, shards, filter, span, order, limit, graves)

        read = await self._consistently(org_id, collect)
        if read is None:  # it never wrote here: all there is lies in its store
            return Tail([], self._clock.micros())
        (memories, is_empty), standing, graves = read
        return Tail(memories, self._through(standing, is_empty), graves)

    async def tail_rows(self, org_id: OrgId, filter: MemoryFilter) -> TailRows:
        tail = await self.tail(org_id, filter, _EVER, "asc", _NO_LIMIT)
        rows = [TailRow(m.time, m.dedup_key, m.memory_type, m.event_type) for m in tail.memories]
        return TailRows(rows, tail.settled_through, tail.graves)

    async def claimed_at(self, org_id: OrgId, dedup_key: str) -> Micros | None:
        shards = await self._shards.of(org_id)
        if shards is None:
            return None
        claim = await self._dynamo.get(claim_key_of(org_id, shards, claim_key(dedup_key)))
        if claim is None or not holds(claim, self._clock.micros(), self._window):
            return None
        return int(claim["time"])

    def _through(self, standing: Standing, is_empty: bool) -> Micros:
        """Where nothing waits, the store may be asked up to now, for other writers too."""
        if is_empty:
            return max(standing.settled_through, self._clock.micros())
        return standing.settled_through

    async def _consistently(
        self, org_id: OrgId, collect: Callable[[int, Graves], Awaitable[T]]
    ) -> tuple[T, Standing, Graves] | None:
        """What `collect` finds under graves that were the same before and after; None: no journal."""
        for _ in range(_TRIES):
            shards = await self._shards.of(org_id)
            if shards is None:
                return None
            version, graves = self._book.known(org_id)
            found = await collect(shards, graves)
            standing = await read_standing(self._dynamo, org_id)
            if standing is None:
                return None
            self._shards.learn(standing)
            if (standing.deletions_version, standing.shards) == (version, shards):
                return found, standing, graves
            await self._book.of(org_id, standing.deletions_version)
        raise MetadataBusy("the organization's deletions changed all the while it was read")

    async def _collected(
        self,
        org_id: OrgId,
        shards: int,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        graves: Graves,
    ) -> tuple[list[Memory], bool]:
        """The first visible matches, and whether there was no row at all, whatever it is."""
        found: list[Memory] = []
        if span.is_empty:
            return found, False
        where = where_of(filter)
        page = _page(limit, shards) if not where[0] else None
        asked = questions(org_id, shards, span, where, ascending=order == "asc", most=page)
        rows = Merged(self._dynamo, asked)
        while len(found) < limit and (row := await rows.next()) is not None:
            memory = memory_of(row)
            if filter.matches(memory) and not (graves and graves.hides(memory)):
                found.append(memory)
        return found, not rows.looked_at


def _page(limit: int, shards: int) -> int | None:
    """Rows that one partition is asked for at first: its part of the limit, and some more."""
    wanted = limit // shards + limit // (2 * shards) + 8
    return wanted if wanted <= _FEW else None
