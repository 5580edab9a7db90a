"""All that happens under one lease: the parts, and one turn of each."""

from collections.abc import Collection

from flusher.crew import Ended, tried
from flusher.gauges import JournalGauges
from flusher.health import HealthChecks
from flusher.housekeeping import Housekeeping
from flusher.lease import LeaseKeeper
from flusher.ports import FlusherLimits, FlusherPorts
from flusher.removal import Removals
from flusher.retention import Retention
from flusher.road import WORK, Road
from flusher.seeding import Seeder
from flusher.settle import Settler
from flusher.sweep import Sweep


class Tenure:
    """Nothing of it outlives the lease: a new owner starts from the journal."""

    def __init__(self, ports: FlusherPorts, limits: FlusherLimits, lease: LeaseKeeper, road: Road) -> None:
        self._ports = ports
        self._limits = limits
        self._road = road
        self.fence = lease.current.fence
        self._is_shared = is_shared = road.queue.is_shared
        crew, bindings, dispatch = road.crew, road.bindings, road.dispatch
        self.settler = Settler(
            ports=ports,
            limits=limits,
            crew=crew,
            bindings=bindings,
            dispatch=dispatch,
            lease=lease,
            is_shared=is_shared,
        )
        dispatch.witness = self.settler.note
        self.sweep = Sweep(
            ports=ports,
            batcher=road.batcher,
            consumer=road.consumer,
            dispatch=dispatch,
            circuits=road.circuits,
            limits=limits,
        )
        self.health = HealthChecks(
            ports=ports,
            limits=limits,
            crew=crew,
            bindings=bindings,
            circuits=road.circuits,
            is_shared=is_shared,
        )
        self.housekeeping = Housekeeping(
            ports=ports, limits=limits, crew=crew, bindings=bindings, lease=lease, is_shared=is_shared
        )
        self.removals = Removals(
            ports=ports,
            limits=limits,
            crew=crew,
            bindings=bindings,
            batcher=road.batcher,
            dispatch=dispatch,
            lease=lease,
            is_shared=is_shared,
            shown=self.settler.shown,
        )
        self.retention = Retention(ports=ports, limits=limits, crew=crew, lease=lease)
        self.seeder = Seeder(ports=ports, limits=limits, crew=crew, bindings=bindings)
        self._gauges = JournalGauges(ports, limits)
        self._sweep_at = self._settle_at = ports.clock.monotonic()

    async def step(self, ended: Collection[Ended], *, is_quiet: bool) -> bool:
        """One turn of everything that is due; never waits for a store. True: go on at once.

        `ended` is what has ended on the side since the last turn; `is_quiet`: nothing more waits to
        be received. Raises LeaseLost. A journal that fails now is tried again in the next turn.
        """
        now, more = self._ports.clock.monotonic(), False
        if any(e.job[0] == "settle" for e in ended):
            self._settle_at = now  # it does a bounded piece at a time, and may have more
        await tried("health", self.health.step())
        if now >= self._sweep_at:
            goes_on = await tried("sweep", self.sweep.step())
            self._sweep_at = now + (0.0 if goes_on else self._limits.sweep_every)
        if now >= self._settle_at:
            more = bool(await tried("settle", self.settler.step()))
            self._settle_at = now + self._limits.settle_every
        await tried("seed", self.seeder.step())
        self.retention.step()
        await tried("remove", self.removals.step())
        await tried("housekeeping", self.housekeeping.step(is_quiet=is_quiet and not more))
        if self._is_shared:
            await tried("gauges", self._gauges.step())
        return more

    async def close(self) -> None:
        """Stops all of its work, and none of the road's. May be called twice."""
        self._road.dispatch.witness = None
        await self._road.crew.close(spare=WORK)
        if self._is_shared:
            self._gauges.clear()
