"""Memories on their way into a store in bulk: cut into batches, and the stretches of time they touch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from core.model.memory import Memory, Micros, Span
from core.model.windows import HOUR, clusters

ENOUGH: Final = 5_000
"""Memories from which on a batch ends where its hour does."""
MOST: Final = 10_000
MOST_BYTES: Final = 16 << 20
_MOST_SPANS: Final = 256


@dataclass(slots=True)
class Imported:
    """What became of the memories of an import, each counted once."""

    new: int = 0
    there: int = 0
    """The store had them already."""
    deleted: int = 0
    """They had been deleted, and stay so."""
    claimed: int = 0
    """Of the new ones, those that hold their dedup key now."""

    @property
    def seen(self) -> int:
        return self.new + self.there + self.deleted


def batches(memories: Iterable[Memory]) -> Iterator[list[Memory]]:
    """In order of time and without repeats each, of whole hours where the memories come so."""
    batch: dict[tuple[Micros, str], Memory] = {}
    size, hour = 0, 0
    for memory in memories:
        this_hour = memory.time // HOUR
        is_full = len(batch) >= MOST or size >= MOST_BYTES
        if batch and (is_full or (len(batch) >= ENOUGH and this_hour != hour)):
            yield _ordered(batch)
            batch, size = {}, 0
        batch[memory.identity] = memory
        size += len(memory.content) + len(memory.metadata_json)
        hour = this_hour
    if batch:
        yield _ordered(batch)


def _ordered(batch: dict[tuple[Micros, str], Memory]) -> list[Memory]:
    return [batch[identity] for identity in sorted(batch)]


def spans_of(times: Sequence[Micros]) -> list[Span]:
    """Disjoint stretches of an hour at most that hold these ascending times."""
    if not times:
        return []
    return clusters(times, times[-1] + 1, gap=HOUR, most=_MOST_SPANS, longest=HOUR)
