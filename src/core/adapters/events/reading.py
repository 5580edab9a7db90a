"""Reads over a listing of files: newest or oldest portion first, as far as the answer needs.

Blocking: for worker threads. Raises Fault, and StoreUnreachable from listings.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from core.adapters.events import sql
from core.adapters.events.engine import Cursor, Fault, Row
from core.adapters.events.layout import Place, Unit, portions
from core.adapters.events.partitions import Partitions
from core.adapters.events.schema import NO_TYPE, has_no_key, memory_of, tally_of
from core.adapters.events.sources import lenient_source, plain_source
from core.adapters.events.sql import Matching, Statement
from core.model.memory import Memory, Micros, Order, Span, Tally

T = TypeVar("T")
_ATTEMPTS: Final = 3
_FIRST: Final = 4 << 20
_GROWTH: Final = 4
"""Portions of a search: about one busy hour at first, then ever more. Measured: an answer that is
near costs 4 to 8 ms, one that is nowhere hardly more than a single statement over everything."""
_DISTINCT_PORTION: Final = 24 << 20
"""So many bytes of files at once where repeats must be found: bounds the memory that takes."""
_FILES: Final = 512
"""Files in one statement."""
_SCOUTED: Final = 8 << 20
"""From so many bytes on, a narrow search reads the times alone first: less is read whole sooner."""


class Reading:
    """Asks the files of one place."""

    def __init__(self, cursor: Cursor, partitions: Partitions, place: Place) -> None:
        self._cursor = cursor
        self._partitions = partitions
        self._place = place

    def search(self, matching: Matching, order: Order, limit: int) -> list[Memory]:
        """The first `limit` rows that match; repeats stay."""
        return self._listed(matching.span, lambda units: self._search(units, matching, order, limit))

    def identities(self, matching: Matching) -> list[tuple[Micros, str, str, str]]:
        """Every distinct (time, dedup key) that matches, with its types."""
        return self._listed(matching.span, lambda units: self._identities(units, matching))

    def tally(self, matching: Matching, recent_since: Micros) -> Tally:
        """Distinct counts: added up over units, as no memory is in two of them."""
        return self._listed(matching.span, lambda units: self._tally(units, matching, recent_since))

    def _listed(self, span: Span, read: Callable[[list[Unit]], T]) -> T:
        """Reads again with a new listing when files were merged away meanwhile."""
        units = self._partitions.units(self._place, span)
        for _ in range(_ATTEMPTS - 1):
            try:
                return read(units)
            except Fault as e:
                if e.kind != "file" or all(os.path.exists(f.path) for unit in units for f in unit.files):
                    raise
            units = self._partitions.units(self._place, span, fresh=True)
        return read(units)

    def _search(self, units: list[Unit], matching: Matching, order: Order, limit: int) -> list[Memory]:
        rows: list[Row] = []
        ordered = units[::-1] if order == "desc" else units
        for portion in portions(ordered, _FIRST, _GROWTH):
            wanted = limit - len(rows)
            rows += self._search_portion(portion, matching, order, wanted)
            if matching.keyed and any(map(has_no_key, rows)):
                return self._search(units, replace(matching, keyed=False), order, limit)
            if len(rows) >= limit:
                break
        return [memory_of(row) for row in rows]

    def _search_portion(
        self, units: Sequence[Unit], matching: Matching, order: Order, limit: int
    ) -> list[Row]:
        filter = matching.filter
        size = sum(file.size for unit in units for file in unit.files)
        if filter.is_narrow and not filter.content_contains and size >= _SCOUTED:
            times = [t for (t,) in self._ask(units, matching, lambda m: sql.times(m, order, limit))]
            if not times:
                return []
            found = Span(min(times), max(times) + 1)
            units = [unit for unit in units if unit.start < found.until and found.since < unit.end]
            matching = replace(matching, span=_within(matching.span, found))
        return self._ask(units, matching, lambda m: sql.search(m, order, limit))

    def _identities(self, units: list[Unit], matching: Matching) -> list[tuple[Micros, str, str, str]]:
        found: dict[tuple[Micros, str], tuple[str, str]] = {}
        for portion in portions(units, _DISTINCT_PORTION, 1):
            for t, key, kind, event in self._ask(portion, matching, sql.identities):
                if not key and matching.keyed:
                    return self._identities(units, replace(matching, keyed=False))
                found[t, key] = (kind or NO_TYPE, event or "")
        return [(t, key, kind, event) for (t, key), (kind, event) in found.items()]

    def _tally(self, units: list[Unit], matching: Matching, recent_since: Micros) -> Tally:
        total = Tally()
        for portion, distinct in _countable(units):
            count = partial(sql.tally, recent_since=recent_since, distinct=distinct)
            for row in self._ask(portion, matching, count):
                if row[-1] and matching.keyed:
                    return self._tally(units, replace(matching, keyed=False), recent_since)
                total.add(tally_of(row))
        return total

    def _ask(
        self, units: Sequence[Unit], matching: Matching, build: Callable[[Matching], Statement]
    ) -> list[Row]:
        """One statement over these units; over files with other columns too, where that is needed."""
        paths = [file.path for unit in units for file in unit.files]
        try:
            return self._cursor.rows(build(replace(matching, source=plain_source(paths))).text)
        except Fault as e:
            if e.kind != "data":
                raise
        return self._cursor.rows(build(replace(matching, source=lenient_source(paths))).text)


def _countable(units: Sequence[Unit]) -> Iterable[tuple[list[Unit], bool]]:
    """The units in portions to count, and whether repeats must be looked for in them."""
    distinct = [unit for unit in units if unit.is_distinct]
    for start in range(0, len(distinct), _FILES):
        yield distinct[start : start + _FILES], False
    for portion in portions([unit for unit in units if not unit.is_distinct], _DISTINCT_PORTION, 1):
        yield portion, True


def _within(one: Span, other: Span) -> Span:
    return Span(max(one.since, other.since), min(one.until, other.until))
