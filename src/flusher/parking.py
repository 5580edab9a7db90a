"""What cannot be sent now, on its way back to the journal, which owes it with the time of the next try.

It counts as held until the journal has it, and writing it down keeps nobody waiting.
"""

from core.model.memory import OrgId
from core.ports import Parcel, Queue
from flusher.bindings import Bindings
from flusher.circuit import Circuits
from flusher.crew import Crew
from flusher.lease import Right
from flusher.parcels import joined, weight
from flusher.ports import MICROS, FlusherLimits, FlusherPorts


class Parking:
    def __init__(
        self,
        *,
        ports: FlusherPorts,
        limits: FlusherLimits,
        queue: Queue,
        crew: Crew,
        circuits: Circuits,
        bindings: Bindings,
        right: Right,
    ) -> None:
        self._ports = ports
        self._limits = limits
        self._queue = queue
        self._crew = crew
        self._circuits = circuits
        self._bindings = bindings
        self._right = right
        self._waiting: dict[OrgId, list[Parcel]] = {}
        self._weights: dict[OrgId, int] = {}
        self._retry_at: dict[OrgId, float] = {}

    @property
    def bytes(self) -> int:
        """Held in all."""
        return sum(self._weights.values())

    def overdrawn(self) -> bool:
        """Whether one org holds more than its share here."""
        return any(held > self._limits.batch.share for held in self._weights.values())

    def add(self, parcel: Parcel) -> None:
        """Takes it in; `start` sends it off."""
        self._waiting.setdefault(parcel.org_id, []).append(parcel)
        self._weigh(parcel, +1)

    def start(self) -> None:
        """Starts a write for each org that waits for one; one an org at a time, and a few in all."""
        now = self._ports.clock.monotonic()
        for org_id in list(self._waiting):
            if self._crew.running("park") >= self._limits.parkings:
                return
            if not self._crew.busy(("park", org_id)) and self._retry_at.get(org_id, now) <= now:
                self._crew.start(("park", org_id), self._park(org_id))

    async def _park(self, org_id: OrgId) -> None:
        parcel, is_kept = joined(parcels := self._waiting.pop(org_id)), False
        try:
            await self._leave(parcel)
            is_kept = True
        finally:
            if is_kept:
                self._retry_at.pop(org_id, None)
                for one in parcels:
                    self._weigh(one, -1)
            else:
                self._waiting.setdefault(org_id, [])[:0] = parcels
                self._retry_at[org_id] = self._ports.clock.monotonic() + self._limits.park_retry

    async def _leave(self, parcel: Parcel) -> None:
        """To the journal, until the org's circuit lets something through again."""
        wait = max(1.0, self._circuits.of(parcel.org_id).retry_at - self._ports.clock.monotonic())
        due_at = self._ports.clock.micros() + round(wait * MICROS)
        owed = await self._ports.outbox.postpone(parcel, self._right.current, due_at)
        await self._queue.ack([parcel])
        if not owed and not self._bindings.knows(parcel.org_id):
            self._circuits.reset(parcel.org_id)  # an org that is gone, or whose rows are: nothing to wait for

    def _weigh(self, parcel: Parcel, sign: int) -> None:
        left = self._weights.get(parcel.org_id, 0) + sign * weight(parcel)
        if left:
            self._weights[parcel.org_id] = left
        else:
            del self._weights[parcel.org_id]
