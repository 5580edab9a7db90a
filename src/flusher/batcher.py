"""What was received and not yet sent, per org. Pure: no I/O, no clock.

Parcels are kept as they came and joined when they leave. Readers see the journal's tail, so
waiting here costs no freshness; it saves the store small files.
"""

import math
from collections.abc import Set
from dataclasses import dataclass, field

from core.model.memory import Micros, OrgId
from core.ports import Parcel
from flusher.parcels import joined, weight


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """When a batch is due (any of the first three), and how far things may grow."""

    count: int = 10_000
    bytes: int = 4 << 20
    age: float = 10.0
    """Seconds since the oldest memory of the batch was received."""
    largest_count: int = 50_000
    largest_bytes: int = 16 << 20
    """A batch takes what waits up to these, so that a flood makes few, large files."""
    share: int = 16 << 20
    """Bytes that one org may hold in memory."""
    total: int = 64 << 20
    """Bytes held in memory in all, batches under way included."""


@dataclass(slots=True)
class _Waiting:
    since: float
    parcels: list[Parcel] = field(default_factory=list)
    count: int = 0
    bytes: int = 0
    times: set[Micros] | None = None
    """All times held, once somebody asked for them."""


class Batcher:
    def __init__(self, limits: BatchLimits) -> None:
        self._limits = limits
        self._waiting: dict[OrgId, _Waiting] = {}
        self.bytes = 0
        """Held in all."""

    def add(self, parcel: Parcel, now: float) -> None:
        """Takes it in; the caller asked `bytes` before. Ages count from the first one."""
        waiting = self._waiting.setdefault(parcel.org_id, _Waiting(now))
        waiting.parcels.append(parcel)
        if waiting.times is not None:
            waiting.times.update(parcel.times)
        self._count(waiting, parcel, +1)

    def due(self, now: float) -> list[OrgId]:
        """Orgs whose batch is full or old enough, the one that waits longest first."""
        limits = self._limits
        return [
            org_id
            for org_id, w in sorted(self._waiting.items(), key=lambda item: item[1].since)
            if w.count >= limits.count or w.bytes >= limits.bytes or now - w.since >= limits.age
        ]

    def due_in(self, now: float) -> float:
        """Seconds until a batch is old enough, 0 when one is; infinite when nothing is held."""
        oldest = min((w.since for w in self._waiting.values()), default=math.inf)
        return max(0.0, oldest + self._limits.age - now)

    def take(self, org_id: OrgId) -> Parcel | None:
        """The org's next batch; what does not fit stays and keeps its age. None: nothing is held."""
        waiting = self._waiting.get(org_id)
        if waiting is None:
            return None
        taken, count, size = 0, 0, 0
        for parcel in waiting.parcels:
            count, size = count + parcel.count, size + weight(parcel)
            if taken and (count > self._limits.largest_count or size > self._limits.largest_bytes):
                break
            taken += 1
        batch, waiting.parcels = waiting.parcels[:taken], waiting.parcels[taken:]
        waiting.times = None
        for parcel in batch:
            self._count(waiting, parcel, -1)
        if not waiting.parcels:
            del self._waiting[org_id]
        return joined(batch)

    def drop(self, org_id: OrgId) -> Parcel | None:
        """All that is held of this org, off the memory. None: nothing is held."""
        waiting = self._waiting.pop(org_id, None)
        if waiting is None:
            return None
        self.bytes -= waiting.bytes
        return joined(waiting.parcels)

    def held(self, org_id: OrgId) -> Set[Micros]:
        """The times of what is held of this org, as of now."""
        waiting = self._waiting.get(org_id)
        if waiting is None:
            return frozenset()
        if waiting.times is None:
            waiting.times = {t for p in waiting.parcels for t in p.times}
        return waiting.times

    def newest(self, org_id: OrgId) -> Micros:
        """The newest time held of this org; 0 when nothing is."""
        waiting = self._waiting.get(org_id)
        return max(p.times[-1] for p in waiting.parcels) if waiting else 0

    def oldest(self, org_id: OrgId) -> Micros | None:
        """The oldest time held of this org; None when nothing is."""
        waiting = self._waiting.get(org_id)
        return min(p.times[0] for p in waiting.parcels) if waiting else None

    def orgs(self) -> list[OrgId]:
        return list(self._waiting)

    def overdrawn(self) -> list[OrgId]:
        """Orgs that hold more than their share."""
        return [o for o, w in self._waiting.items() if w.bytes > self._limits.share]

    def _count(self, waiting: _Waiting, parcel: Parcel, sign: int) -> None:
        waiting.count += sign * parcel.count
        waiting.bytes += sign * weight(parcel)
        self.bytes += sign * weight(parcel)
