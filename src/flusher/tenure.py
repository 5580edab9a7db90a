"""All that happens under one lease: the parts, one turn of each, and an orderly end."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from core import telemetry
from core.model.errors import DatabaseError, LeaseLost, MemtraceError
from flusher.batcher import Batcher
from flusher.bindings import Bindings
from flusher.circuit import Circuits
from flusher.consumer import Consumer
from flusher.crew import Crew, Ended
from flusher.dispatch import Dispatch
from flusher.health import HealthChecks
from flusher.housekeeping import Housekeeping
from flusher.lease import LeaseKeeper
from flusher.ports import FlusherLimits, FlusherPorts
from flusher.removal import Removals
from flusher.retention import Retention
from flusher.seeding import Seeder
from flusher.settle import Settler
from flusher.sweep import Sweep

T = TypeVar("T")


class Tenure:
    """Nothing of it outlives the lease: a new owner starts from the journal."""

    def __init__(self, ports: FlusherPorts, limits: FlusherLimits, lease: LeaseKeeper) -> None:
        self._ports = ports
        self._limits = limits
        self.queue = ports.open_queue()
        self.crew = crew = Crew()
        self.circuits = circuits = Circuits(ports.random)
        self.batcher = batcher = Batcher(limits.batch)
        bindings = Bindings(ports, limits.bindings_every)
        self.settler = Settler(ports=ports, limits=limits, crew=crew, bindings=bindings, lease=lease)
        self.dispatch = dispatch = Dispatch(
            ports=ports,
            limits=limits,
            queue=self.queue,
            crew=crew,
            circuits=circuits,
            bindings=bindings,
            lease=lease,
            settler=self.settler,
        )
        self.consumer = Consumer(
            clock=ports.clock, queue=self.queue, batcher=batcher, dispatch=dispatch, limits=limits
        )
        self.sweep = Sweep(ports=ports, batcher=batcher, dispatch=dispatch, circuits=circuits, limits=limits)
        self.health = HealthChecks(
            ports=ports, limits=limits, crew=crew, bindings=bindings, circuits=circuits
        )
        self.housekeeping = Housekeeping(
            ports=ports, limits=limits, crew=crew, bindings=bindings, lease=lease
        )
        self.removals = Removals(
            ports=ports,
            limits=limits,
            crew=crew,
            bindings=bindings,
            batcher=batcher,
            dispatch=dispatch,
            lease=lease,
        )
        self.retention = Retention(ports=ports, limits=limits, crew=crew, lease=lease)
        self.seeder = Seeder(ports=ports, limits=limits, crew=crew, bindings=bindings)
        self._sweep_at = self._settle_at = ports.clock.monotonic()

    async def step(self) -> bool:
        """One turn of everything that is due; never waits for a store. True: go on at once.

        Raises LeaseLost. A journal that fails now is tried again in the next turn.
        """
        ended = self.crew.collect()
        self._judge(ended)
        now = self._ports.clock.monotonic()
        if any(e.job[0] == "settle" for e in ended):
            self._settle_at = now  # it does a bounded piece at a time, and may have more
        await self._try("health", self.health.step())
        await self._try("park", self.dispatch.park_returned())
        more = bool(await self._try("consume", self.consumer.step()))
        if now >= self._sweep_at:
            sent = await self._try("sweep", self.sweep.step())
            self._sweep_at = now + (0.0 if sent else self._limits.sweep_every)
        if now >= self._settle_at:
            more = bool(await self._try("settle", self.settler.step())) or more
            self._settle_at = now + self._limits.settle_every
        await self._try("seed", self.seeder.step())
        self.retention.step()
        await self._try("remove", self.removals.step())
        await self._try("housekeeping", self.housekeeping.step(is_quiet=not more))
        return more

    async def drain(self, seconds: float) -> None:
        """Sends what is held, for at most `seconds`. Receives nothing; the journal owes what is left."""
        await self.crew.close(spare="deliver")
        try:
            async with asyncio.timeout(seconds):
                while self.batcher.orgs():
                    self.consumer.launch(all_held=True)
                    if not self.crew.running("deliver"):
                        break  # what is left belongs to orgs that cannot be delivered to now
                    await self.crew.changed()
                    self._judge(self.crew.collect())
                await self.crew.idle("deliver")
        except TimeoutError:
            telemetry.warning("step_failed", step="drain", reason=f"not done within {seconds:g} s")
        await self._try("park", self.dispatch.park_returned())

    async def close(self) -> None:
        """Stops all work; what was under way is owed by the journal. May be called twice."""
        await self.crew.close()

    async def _try(self, name: str, work: Awaitable[T]) -> T | None:
        try:
            return await work
        except DatabaseError as error:
            telemetry.error("step_failed", step=name, reason=error.message)
            return None

    def _judge(self, ended: list[Ended]) -> None:
        """What became of work on the side: a lost lease ends everything, other errors are logged."""
        for job, error in ((e.job, e.error) for e in ended):
            if isinstance(error, LeaseLost):
                raise error
            if isinstance(error, MemtraceError):
                telemetry.error("step_failed", step=job[0], org_id=job[1], reason=error.message)
            elif isinstance(error, Exception):
                telemetry.error("step_failed", step=job[0], org_id=job[1], exc_info=error)
            elif error is not None:
                raise error
