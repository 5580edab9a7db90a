"""The prompt road: from the queue into batches, and from due batches into deliveries."""

from typing import Final

from core.ports import Clock, Parcel, Queue
from flusher.batcher import Batcher
from flusher.dispatch import Dispatch
from flusher.parcels import cut, without
from flusher.parking import Parking
from flusher.ports import FlusherLimits

_MOST_RECEIVES: Final = 4
"""Receives of one step: then deliveries are started before more comes in."""


class Consumer:
    def __init__(
        self,
        *,
        clock: Clock,
        queue: Queue,
        batcher: Batcher,
        dispatch: Dispatch,
        parking: Parking,
        limits: FlusherLimits,
    ) -> None:
        self._clock = clock
        self._queue = queue
        self._batcher = batcher
        self._dispatch = dispatch
        self._parking = parking
        self._limits = limits

    @property
    def room(self) -> int:
        """Bytes that may still be taken into memory."""
        return self._limits.batch.total - self.held

    @property
    def held(self) -> int:
        """Bytes in memory: waiting, under way, or going back to the journal."""
        return self._batcher.bytes + self._dispatch.bytes + self._parking.bytes

    async def step(self) -> bool:
        """One turn: receives what there is room for and sends what is due. True: more is waiting."""
        is_short = self.room < self._limits.receive_bytes
        self.launch(all_held=is_short)
        self._park_blocked(is_short)
        more = False
        for _ in range(_MOST_RECEIVES):
            more = await self._receive()
            self.launch()
            if not more:
                break
        return more

    def launch(self, *, all_held: bool = False) -> None:
        """Starts a delivery for each org whose batch is due (or all that hold anything)."""
        now = self._clock.monotonic()
        for org_id in self._batcher.orgs() if all_held else self._batcher.due(now):
            if not self._dispatch.can_take(org_id):
                continue
            if (batch := self._batcher.take(org_id)) is not None:
                self._dispatch.start(batch)

    async def _receive(self) -> bool:
        """Whether it received as much as it could take, so that more is probably waiting."""
        limits = self._limits
        if self.room < limits.receive_bytes or self._batcher.overdrawn() or self._parking.overdrawn():
            return False
        parcels = await self._queue.receive(limits.receive_count, limits.receive_bytes)
        now = self._clock.monotonic()
        for parcel in parcels:
            if self._dispatch.is_open(parcel.org_id):
                self._probe_or_park(parcel)
            elif (fresh := self._fresh(parcel)) is not None:
                self._batcher.add(fresh, now)
        return _is_full(parcels, limits)

    def _probe_or_park(self, parcel: Parcel) -> None:
        """The journal owes what is for a store that did not take the last batch.

        The sweep tries such a store again, but only the lease's holder sweeps: so some of what a
        shared queue gives is tried with as soon as the circuit lets a batch through.
        """
        rest: Parcel | None = parcel
        if self._queue.is_shared and self._dispatch.can_take(parcel.org_id):
            probe, rest = cut(parcel, self._limits.probe_count)
            self._dispatch.start(probe)
        if rest is not None:
            self._parking.add(rest)

    def _fresh(self, parcel: Parcel) -> Parcel | None:
        """A queue may give a memory again while it is still in hand; it is not taken twice."""
        newest = max(self._batcher.newest(parcel.org_id), self._dispatch.newest(parcel.org_id))
        if parcel.times[0] > newest:
            return parcel
        held, sent = self._batcher.held(parcel.org_id), self._dispatch.on_its_way(parcel.org_id)
        return without(parcel, {t for t in parcel.times if t in held or t in sent})

    def _park_blocked(self, is_short: bool) -> None:
        """An org that cannot deliver gives up its place in memory; the journal owes what it held.

        While its delivery takes no longer than one does, an org over its share holds up the
        receiving instead: a flood then meets a store at full speed, and costs the journal nothing.
        """
        overdrawn = set(self._batcher.overdrawn())
        for org_id in self._batcher.orgs():
            is_stuck = org_id in overdrawn and not self._dispatch.is_moving(org_id)
            is_in_the_way = is_short and self._dispatch.is_slow(org_id)
            if not (is_stuck or is_in_the_way or self._dispatch.is_open(org_id)):
                continue
            if (parcel := self._batcher.drop(org_id)) is not None:
                self._parking.add(parcel)


def _is_full(parcels: list[Parcel], limits: FlusherLimits) -> bool:
    count = sum(p.count for p in parcels)
    return (
        count >= limits.receive_count or sum(len(p.lines) for p in parcels) >= limits.receive_bytes * 3 // 4
    )
