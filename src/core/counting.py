"""Counts an org's memories: what waits in the journal and what the store holds, each memory once."""

from collections import Counter
from collections.abc import Collection
from typing import Final

from core.asking import StoreReader
from core.model import windows
from core.model.deletion import Graves
from core.model.memory import ERROR_EVENT, MemoryFilter, Micros, Span, Tally
from core.model.tenant import Binding
from core.ports import TailRow, TailRows

_GAP: Final = windows.HOUR
"""Unsettled memories closer than this are looked for in the store together."""
_MOST_CLUSTERS: Final = 32
_LONGEST_READ: Final = windows.DAY
"""Bounds how many identities are held at a time."""


async def tally(
    store: StoreReader,
    binding: Binding,
    filter: MemoryFilter,
    tail: TailRows,
    recent_since: Micros,
    until: Micros,
) -> Tally:
    """Exact counts of the distinct memories before `until` in tail and store together, save deleted ones.

    Only what is unsettled can be in both. So around those times, and those of graves, the identities
    of both are united, and what lies between is counted by the store; every stretch of it is read
    once, so a memory that reaches the store meanwhile is counted neither twice nor not at all.
    """
    counts = Tally()
    graves = tail.graves
    if graves:
        filter = graves.left_of(filter)
    settled = min(tail.settled_through + 1, until)
    old = [row for row in tail.rows if row.time < settled]
    _count(counts, [row for row in tail.rows if settled <= row.time < until], recent_since)
    async with store.one_answer():
        stored = await store.occupied(binding, Span(graves.floor, settled))
        shared = windows.clusters(
            [row.time for row in old] + [time for time, _ in graves.identities if time >= stored.since],
            stored.until,
            gap=_GAP,
            most=_MOST_CLUSTERS,
            longest=_LONGEST_READ,
        )
        for span in shared:
            both = [row for row in old if span.since <= row.time < span.until]
            both += await _stored_rows(store, binding, filter, span, graves)
            _count(counts, {(row.time, row.dedup_key): row for row in both}.values(), recent_since)
        for span in windows.complement(stored, shared):
            counts.add(await store.tally(binding, filter, span, recent_since))
    return counts


async def _stored_rows(
    store: StoreReader, binding: Binding, filter: MemoryFilter, span: Span, graves: Graves
) -> list[TailRow]:
    rows = [TailRow(*identity) for identity in await store.identities(binding, filter, span)]
    return [row for row in rows if not graves.buries(row.time, row.dedup_key)] if graves.identities else rows


def _count(counts: Tally, rows: Collection[TailRow], recent_since: Micros) -> None:
    """Adds distinct rows; the loops are C's, since an agent may have many unsettled ones."""
    if not rows:
        return
    recent = [row.event_type for row in rows if row.time >= recent_since]
    counts.add(
        Tally(
            total=len(rows),
            by_type=Counter([row.memory_type for row in rows]),
            recent=len(recent),
            recent_errors=recent.count(ERROR_EVENT),
            last=max([row.time for row in rows]),
        )
    )
