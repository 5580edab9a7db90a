"""The sweep: memories that the journal owes and that are due, straight into delivery."""

from core.model.memory import OrgId
from flusher.batcher import Batcher
from flusher.circuit import Circuits
from flusher.consumer import Consumer
from flusher.dispatch import Dispatch
from flusher.parcels import without
from flusher.ports import FlusherLimits, FlusherPorts


class Sweep:
    """Parked, owed again, or left behind by an owner before us: never back to the queue."""

    def __init__(
        self,
        *,
        ports: FlusherPorts,
        batcher: Batcher,
        consumer: Consumer,
        dispatch: Dispatch,
        circuits: Circuits,
        limits: FlusherLimits,
    ) -> None:
        self._ports = ports
        self._batcher = batcher
        self._consumer = consumer
        self._dispatch = dispatch
        self._circuits = circuits
        self._limits = limits
        self._last: OrgId | None = None

    async def step(self) -> bool:
        """One batch of each of some orgs that may deliver. True: more may be due."""
        more, looks = False, 0
        for org_id in self._in_turn(await self._ports.ledger.orgs_owing(self._ports.clock.micros())):
            if self._consumer.room < self._limits.batch.bytes:
                break
            if not self._dispatch.can_take(org_id):
                continue
            if looks == self._limits.sweep_orgs:
                return True
            more = await self._send(org_id) or more
            self._last, looks = org_id, looks + 1
        return more

    async def _send(self, org_id: OrgId) -> bool:
        limits, is_probe = self._limits, self._circuits.of(org_id).failures > 0
        count = limits.probe_count if is_probe else limits.batch.largest_count
        size = limits.probe_bytes if is_probe else min(limits.batch.largest_bytes, self._consumer.room)
        asked_at = self._ports.clock.micros()
        parcel = await self._ports.outbox.due(org_id, asked_at, count, size)
        if parcel is not None:
            parcel = without(parcel, self._batcher.held(org_id))
        if parcel is None:
            return False
        self._dispatch.start(parcel, owed_at=asked_at)
        return True

    def _in_turn(self, orgs: list[OrgId]) -> list[OrgId]:
        """The orgs after the one served last come first, so that each has its turn when room is short."""
        orgs = sorted(orgs)
        after = [o for o in orgs if self._last is not None and o > self._last]
        return after + [o for o in orgs if o not in set(after)]
