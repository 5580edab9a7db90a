"""The production store: Arc over HTTP, asked with the same statements as the embedded one."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import core.adapters.events.sql as sql
from core.adapters.arc.answers import Row
from core.adapters.arc.doors import ArcDoors
from core.adapters.arc.earliest import EarliestTimes
from core.adapters.arc.payload import encode
from core.adapters.arc.replies import OtherColumns
from core.adapters.events.schema import EMPTY, NO_TYPE, has_no_key, memory_of, tally_of
from core.adapters.events.sql import ROOM, Matching, Statement
from core.model.memory import ERROR_EVENT, Memory, MemoryFilter, Micros, Order, Position, Span, Tally
from core.model.tenant import Binding
from core.ports import Clock, Parcel

HIDES_FOR: Final = 95.0
"""Seconds: Arc keeps lists of files for up to 30 and 60, and a second of ours (arc contract 3.3)."""
_PAGE: Final = 1_000


class ArcStore:
    """Implements `EventStore`. Arc's 204 says that it has the rows in memory; they show when it flushed.

    A memory may be shown to one question and hidden from another for `hides_for` seconds after.
    """

    hides_for = HIDES_FOR

    def __init__(self, *, doors: ArcDoors, clock: Clock, query_timeout: float, append_timeout: float) -> None:
        self._doors = doors
        self._query_timeout = query_timeout
        self._append_timeout = append_timeout
        self._earliest = EarliestTimes(clock, self._ask_earliest)

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        """One write, taken whole or not at all; may be repeated with the same bytes."""
        if parcel.count:
            body = encode(parcel, binding.measurement)
            await self._doors.write(binding, body, self._append_timeout)

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        """The first `limit` matches after `after`; repeats possible, side by side."""
        found: list[Memory] = []
        fetch = limit
        while not span.is_empty and len(found) < limit:
            matching = _matching(binding, filter, span, after)
            rows, is_exact = await self._keyed(binding, matching, partial(_search, order=order, limit=fetch))
            memories = [memory_of(row) for row in rows]
            found += memories if is_exact else [m for m in memories if filter.matches(m)]
            if is_exact or len(rows) < fetch:
                break
            after, fetch = Position(order, *memories[-1].identity), max(limit, _PAGE)
        return found[:limit]

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        """(time, dedup key, memory type, event type) of every distinct match."""
        if span.is_empty:
            return []
        matching = _matching(binding, filter, span, None)
        rows, is_exact = await self._keyed(binding, matching, sql.identities, _lacks_second)
        if not is_exact:
            every = await self._every(binding, filter, span)
            return [(m.time, m.dedup_key, m.memory_type, m.event_type) for m in every]
        found = {(time, key): (kind or NO_TYPE, event or "") for time, key, kind, event in rows}
        return [(time, key, kind, event) for (time, key), (kind, event) in found.items()]

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        """Distinct counts in the span."""
        if span.is_empty:
            return Tally()
        matching = _matching(binding, filter, span, None)
        count = partial(sql.tally, recent_since=recent_since)
        rows, is_exact = await self._keyed(binding, matching, count, _counts_keyless)
        if not is_exact:
            return _counted(await self._every(binding, filter, span), recent_since)
        total = Tally()
        for row in rows:
            total.add(tally_of(row))
        return total

    async def earliest(self, binding: Binding) -> Micros | None:
        """The oldest time stored in the measurement, by any org, as of a minute ago at most.

        Something older that is imported meanwhile is in the journal for longer than that, where
        readers find it.
        """
        return await self._earliest.of(binding)

    async def _ask_earliest(self, binding: Binding) -> Micros | None:
        rows = await self._query(binding, sql.earliest(_source(binding)))
        return None if not rows or rows[0][0] is None else int(rows[0][0])

    async def check(self, binding: Binding) -> None:
        """Returns when the Arc answers a question and its key may read and write. Writes nothing."""
        await self._doors.verify(binding, self._query_timeout)
        await self._query(binding, Statement("SELECT 1 AS one"))

    async def _keyed(
        self,
        binding: Binding,
        matching: Matching,
        build: Callable[[Matching], Statement],
        lacks_key: Callable[[Row], bool] = has_no_key,
    ) -> tuple[list[Row], bool]:
        """The rows, and whether the statement asked for all that the filter says.

        Asked again, with keys made from contents, where other writers' rows without one are met.
        """
        rows, is_exact = await self._asked(binding, matching, build)
        if matching.keyed and any(map(lacks_key, rows)):
            rows, is_exact = await self._asked(binding, replace(matching, keyed=False), build)
        return rows, is_exact

    async def _asked(
        self, binding: Binding, matching: Matching, build: Callable[[Matching], Statement]
    ) -> tuple[list[Row], bool]:
        """Asked again, about every file, where no file was read: Arc remembers old lists of files."""
        rows, is_exact = await self._answered(binding, matching, build)
        if rows is None:
            rows, is_exact = await self._answered(binding, replace(matching, pruned=False), build)
        return rows or [], is_exact

    async def _answered(
        self, binding: Binding, matching: Matching, build: Callable[[Matching], Statement]
    ) -> tuple[list[Row] | None, bool]:
        """Asked again where the files have other columns than ours."""
        statement = build(matching)
        try:
            return await self._query(binding, statement), statement.is_exact
        except OtherColumns:
            statement = build(replace(matching, source=_lenient(binding)))
        return await self._query(binding, statement), statement.is_exact

    async def _query(self, binding: Binding, statement: Statement) -> list[Row] | None:
        return await self._doors.query(binding, statement.text, self._query_timeout, order=statement.order)

    async def _every(self, binding: Binding, filter: MemoryFilter, span: Span) -> list[Memory]:
        """Every distinct match, one by one: for filters that no statement has room for."""
        found: dict[tuple[Micros, str], Memory] = {}
        after: Position | None = None
        while page := await self.search(binding, filter, span, "asc", _PAGE, after):
            found.update((memory.identity, memory) for memory in page)
            after = Position("asc", *page[-1].identity)
        return list(found.values())


def _matching(binding: Binding, filter: MemoryFilter, span: Span, after: Position | None) -> Matching:
    return Matching(_source(binding), binding.org_id, filter, span, after, room=ROOM)


def _source(binding: Binding) -> str:
    """The measurement, quoted since it may hold a hyphen; the database goes in a header."""
    return f'"{binding.measurement}"'


def _lenient(binding: Binding) -> str:
    """The same, with every column: NULL where files of other writers lack it.

    Without a WHERE, since the times must be in the first.
    """
    none = f"SELECT * FROM (SELECT {EMPTY} OFFSET 1) AS no_row"
    return f"({none} UNION ALL BY NAME SELECT * FROM {_source(binding)}) AS every_column"


def _search(matching: Matching, order: Order, limit: int) -> Statement:
    return sql.search(matching, order, limit)


def _lacks_second(row: Row) -> bool:
    return not row[1]


def _counts_keyless(row: Row) -> bool:
    return bool(row[-1])


def _counted(memories: list[Memory], recent_since: Micros) -> Tally:
    total = Tally()
    for memory in memories:
        is_recent = memory.time >= recent_since
        total.add(
            Tally(
                total=1,
                by_type={memory.memory_type: 1},
                recent=int(is_recent),
                recent_errors=int(is_recent and memory.event_type == ERROR_EVENT),
                last=memory.time,
            )
        )
    return total
