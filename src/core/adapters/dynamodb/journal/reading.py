"""The rows of an org in the order of their times, out of all partitions that they are spread over."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from typing import Any, Final

from core.adapters.dynamodb.client import Dynamo, together
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.rows import time_of
from core.adapters.dynamodb.keys import row_partitions, sort_key
from core.adapters.dynamodb.statements import Question
from core.adapters.dynamodb.table import SK
from core.model.memory import MemoryFilter, Micros, OrgId, Span

_MOST_PAGES: Final = 8
"""Pages of each partition that one look at rows reads."""
_LATEST: Final = 10**20 - 1
_MOST_AGENTS: Final = 100
"""Values that one IN takes."""

Where = tuple[str, dict[str, Any]]
"""A filter expression and its values; an empty one lets everything through."""


def questions(
    org_id: OrgId,
    shards: int,
    span: Span,
    where: Where,
    *,
    ascending: bool = True,
    most: int | None = None,
    only: Sequence[str] = (),
    consistent: bool = True,
) -> list[Question]:
    """What is asked of each partition for the rows stamped within the span."""
    expression, values = where
    if span.is_empty:
        return []
    return [
        Question(
            partition,
            since=sort_key(max(span.since, 0)),
            through=sort_key(min(span.until - 1, _LATEST)),
            ascending=ascending,
            most=most,
            where=expression,
            values=values,
            only=(SK, *only) if only else (),
            consistent=consistent,
        )
        for partition in row_partitions(org_id, shards)
    ]


def where_of(filter: MemoryFilter) -> Where:
    """What DynamoDB itself may drop of what surely does not match."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    if filter.session_id:
        parts.append("#session = :session")
        values["session"] = filter.session_id
    if 0 < len(filter.agent_ids) <= _MOST_AGENTS:
        names = [f"agent{number}" for number in range(len(filter.agent_ids))]
        parts.append(f"#agent IN ({', '.join(f':{name}' for name in names)})")
        values |= zip(names, filter.agent_ids, strict=True)
    return " AND ".join(parts), values


@dataclass(slots=True)
class Source:
    """One partition, read page by page as it is needed."""

    dynamo: Dynamo
    question: Question
    pages: int = 0
    looked_at: int = 0
    """Rows read so far, those that were dropped among them."""
    _items: list[Item] = field(default_factory=list)
    _at: int = 0
    _start: str | None = ""

    @property
    def first(self) -> Item | None:
        """The next item; only after `fill`, None at the end."""
        return self._items[self._at] if self._at < len(self._items) else None

    @property
    def has_more(self) -> bool:
        """Whether pages are left to read."""
        return self._start is not None

    @property
    def place(self) -> Micros | None:
        """Everything before it was read and taken; None at the end."""
        if (first := self.first) is not None:
            return time_of(first)
        if not self.has_more:
            return None
        return int(self._start) + 1 if self._start else 0

    def rest(self) -> Sequence[Item]:
        """What is left of the last page."""
        return self._items[self._at :]

    async def turn(self) -> None:
        """Reads one page more, though it may have no item in it."""
        answer = await self.dynamo.page(self.question, self._start or "")
        self._items, self._at, self._start = answer.items, 0, answer.next or None
        self.pages += 1
        self.looked_at += answer.looked_at

    async def fill(self) -> None:
        """Reads until there is a next item, or the end."""
        while self.first is None and self.has_more:
            await self.turn()

    def skip(self) -> None:
        self._at += 1


class Merged:
    """All that the questions ask for, in the one order of their sort keys."""

    def __init__(self, dynamo: Dynamo, asked: Sequence[Question]) -> None:
        self._sources = [Source(dynamo, question) for question in asked]
        self._sign = 1 if all(question.ascending for question in asked) else -1
        self._heads: list[tuple[int, int]] | None = None

    @property
    def looked_at(self) -> int:
        """Rows read so far, those that were dropped among them."""
        return sum(source.looked_at for source in self._sources)

    async def next(self) -> Item | None:
        """The next item; None at the end. The first pages are read at once."""
        if self._heads is None:
            await together(partial(source.fill) for source in self._sources)
            self._heads = []
            for number in range(len(self._sources)):
                self._enter(number, self._heads)
        if not self._heads:
            return None
        _, number = heappop(self._heads)
        source = self._sources[number]
        item = source.first
        source.skip()
        await source.fill()
        self._enter(number, self._heads)
        return item

    def _enter(self, number: int, heads: list[tuple[int, int]]) -> None:
        first = self._sources[number].first
        if first is not None:
            heappush(heads, (self._sign * int(first[SK]), number))


async def taken(
    dynamo: Dynamo, asked: Sequence[Question], max_count: int, max_bytes: int
) -> tuple[list[Item], Micros | None]:
    """The first rows, up to so many and so many bytes, and at least one; and where the next ones begin.

    That is None at the end. A bounded look: it may find nothing, and say where to go on.
    """
    sources = [Source(dynamo, question) for question in asked]
    rows: list[Item] = []
    size = turns = 0
    while True:
        if lagging := [source for source in sources if source.first is None and source.has_more]:
            if turns == _MOST_PAGES:
                break
            await together(source.turn for source in lagging)
            turns += 1
            continue
        heads = [source for source in sources if source.first is not None]
        if not heads:
            return rows, None
        source = min(heads, key=lambda source: source.place or 0)
        row = source.first
        assert row is not None
        size += row["size"]
        if rows and (len(rows) == max_count or size > max_bytes):
            break
        rows.append(row)
        source.skip()
    return rows, min(place for source in sources if (place := source.place) is not None)
