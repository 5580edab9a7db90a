"""Cutting and joining parcels, and the few facts of their memories that a flusher needs.

A parcel stays bytes: nothing here makes an object per memory that outlives the call.
"""

from array import array
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import msgspec

from core.model.memory import Micros
from core.ports import Parcel

ROW_OVERHEAD: Final = 40
"""Bytes of memory that one row costs beside its line: its time."""


class _Origin(msgspec.Struct, gc=False):
    time: int
    agent_id: str
    dedup_key: str


_origins: Final = msgspec.json.Decoder(_Origin)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is remembered of a parcel after its delivery."""

    newest: dict[str, Micros]
    """The newest time of each agent."""
    fingerprints: "array[int]"
    """One number for each dedup key, in the parcel's order (`fingerprint`)."""


def fingerprint(dedup_key: str) -> int:
    """64 bits that stand for a dedup key in this process; beside a time they identify a memory."""
    return hash(dedup_key)


def facts(parcel: Parcel) -> Facts:
    """Decodes only what is needed. Raises `msgspec.DecodeError` on a line that is no memory."""
    newest: dict[str, Micros] = {}
    fingerprints = array("q")
    for origin in _origins.decode_lines(parcel.lines):
        fingerprints.append(fingerprint(origin.dedup_key))
        if newest.get(origin.agent_id, -1) < origin.time:
            newest[origin.agent_id] = origin.time
    return Facts(newest, fingerprints)


def weight(parcel: Parcel) -> int:
    """What holding this parcel costs, in bytes."""
    return len(parcel.lines) + ROW_OVERHEAD * parcel.count


def joined(parcels: Sequence[Parcel]) -> Parcel:
    """One parcel of all, in time order, each memory once. At least one parcel, all of one org."""
    if len(parcels) == 1:
        return parcels[0]
    if all(a.times[-1] < b.times[0] for a, b in pairwise(parcels)):
        times = tuple(t for p in parcels for t in p.times)
        return Parcel(parcels[0].org_id, times, b"\n".join(p.lines for p in parcels))
    rows = {t: line for p in parcels for t, line in zip(p.times, p.lines.split(b"\n"), strict=True)}
    return _of(parcels[0], sorted(rows.items()))


def halves(parcel: Parcel) -> tuple[Parcel, Parcel]:
    """The older and the newer half of at least two memories."""
    rows = list(zip(parcel.times, parcel.lines.split(b"\n"), strict=True))
    middle = len(rows) // 2
    return _of(parcel, rows[:middle]), _of(parcel, rows[middle:])


def cut(parcel: Parcel, count: int) -> tuple[Parcel, Parcel | None]:
    """The oldest memories, at most so many, and the others; None when there are none."""
    if parcel.count <= count:
        return parcel, None
    rows = list(zip(parcel.times, parcel.lines.split(b"\n"), strict=True))
    return _of(parcel, rows[:count]), _of(parcel, rows[count:])


def without(parcel: Parcel, times: Collection[Micros]) -> Parcel | None:
    """What is left when these are taken out; None when nothing is."""
    if not times or not any(t in times for t in parcel.times):
        return parcel
    rows = zip(parcel.times, parcel.lines.split(b"\n"), strict=True)
    left = [(t, line) for t, line in rows if t not in times]
    return _of(parcel, left) if left else None


def _of(parcel: Parcel, rows: Sequence[tuple[Micros, bytes]]) -> Parcel:
    return Parcel(parcel.org_id, tuple(t for t, _ in rows), b"\n".join(line for _, line in rows))
