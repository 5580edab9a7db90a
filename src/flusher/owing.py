"""Asks the journal before something old is sent.

A message of a shared queue may come late, or again: its memories were delivered by the sweep,
settled, or deleted meanwhile. What is young is sent without asking; repeats of it are collapsed by
readers, and what was deleted of it is hidden still, and removed again. What is older is sent only
where the journal owes it. So a store is sent nothing that was deleted longer ago than `fresh_for`.
"""

from core import telemetry
from core.model.memory import Micros
from core.ports import Parcel, Queue
from flusher.parcels import without
from flusher.ports import MICROS, FlusherPorts


class Owing:
    """For one batch. `asked_at` is when the journal said of all of it that it is owed."""

    def __init__(
        self, *, ports: FlusherPorts, queue: Queue, fresh_for: float, asked_at: Micros | None
    ) -> None:
        self._ports = ports
        self._queue = queue
        self._fresh_for = round(fresh_for * MICROS)
        self._asked_at = asked_at
        self._is_whole = True

    async def left_of(self, parcel: Parcel) -> Parcel | None:
        """What of the batch, and then of pieces of it, may be sent now; the rest is acknowledged.

        None: nothing. Where one flusher does everything, all of it: its lease says the same.
        """
        is_whole, self._is_whole = self._is_whole, False
        now = self._ports.clock.micros()
        since = now - self._fresh_for
        if not self._queue.is_shared or parcel.times[0] > since or (self._asked_at or 0) > since:
            return parcel
        if is_whole:
            self._asked_at = now
        old = [time for time in parcel.times if time <= since]
        owed = await self._ports.outbox.still_owed(parcel.org_id, old)
        return await self._without(parcel, {time for time in old if time not in owed})

    async def _without(self, parcel: Parcel, stale: set[Micros]) -> Parcel | None:
        if not stale:
            return parcel
        left = without(parcel, stale)
        dropped = without(parcel, set(left.times)) if left else parcel
        assert dropped is not None
        await self._queue.ack([dropped])
        self._ports.metrics.count("memtrace_stale_total", len(stale))
        telemetry.debug("rows_stale", org_id=parcel.org_id, memories=len(stale))
        return left
