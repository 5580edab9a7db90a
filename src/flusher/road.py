"""The prompt road of one process: receives, holds, sends, and leaves to the journal what cannot be sent.

Where flushers share a queue each has one for as long as it lives, lease or not. Where the journal
itself is the queue, it belongs to the lease.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from core import telemetry
from core.model.errors import QueueError
from flusher.batcher import Batcher
from flusher.bindings import Bindings
from flusher.circuit import Circuits
from flusher.consumer import Consumer
from flusher.crew import Crew, Kind, judge, tried
from flusher.dispatch import Dispatch
from flusher.gauges import RoadGauges
from flusher.lease import LeaseKeeper, Right, SharedRight
from flusher.parking import Parking
from flusher.ports import FlusherLimits, FlusherPorts

WORK: Final[tuple[Kind, ...]] = ("deliver", "park")
"""The kinds of work on the side that belong to the road."""


class Road:
    def __init__(self, ports: FlusherPorts, limits: FlusherLimits, lease: LeaseKeeper) -> None:
        self._ports = ports
        self._limits = limits
        self.queue = queue = ports.open_queue()
        self.crew = crew = Crew()
        self.circuits = circuits = Circuits(ports.random)
        self.batcher = batcher = Batcher(limits.batch)
        every = limits.shared_bindings_every if queue.is_shared else limits.bindings_every
        self.bindings = bindings = Bindings(ports, every)
        right: Right = SharedRight() if queue.is_shared else lease
        self.parking = parking = Parking(
            ports=ports,
            limits=limits,
            queue=queue,
            crew=crew,
            circuits=circuits,
            bindings=bindings,
            right=right,
        )
        self.dispatch = Dispatch(
            ports=ports,
            limits=limits,
            queue=queue,
            crew=crew,
            circuits=circuits,
            bindings=bindings,
            parking=parking,
            right=right,
        )
        self.consumer = Consumer(
            clock=ports.clock,
            queue=queue,
            batcher=batcher,
            dispatch=self.dispatch,
            parking=parking,
            limits=limits,
        )
        self._gauges = RoadGauges(ports, limits, self.consumer, circuits)

    async def step(self) -> bool:
        """One turn: receives, starts what is due; never waits for a store. True: more is waiting."""
        for org_id in await tried("bindings", self.bindings.refresh()) or ():
            self.circuits.reset(org_id)
        more = bool(await tried("consume", self.consumer.step()))
        self.parking.start()
        self._gauges.step()
        return more

    async def drain(self, seconds: float) -> None:
        """Sends what is held, for at most `seconds`, and receives nothing more.

        Raises LeaseLost. What is left, orgs that cannot be delivered to among it, is the journal's.
        """
        if not await self._within(seconds, self._empty()):
            telemetry.warning("step_failed", step="drain", reason=f"not done within {seconds:g} s")

    async def _empty(self) -> None:
        while True:
            self.consumer.launch(all_held=True)
            self.parking.start()
            if not self.crew.running(*WORK):
                return
            await self.crew.changed()
            judge(self.crew.collect())

    async def close(self) -> None:
        """Ends all work at once; what was received and not sent is given back to a shared queue.

        The journal owes it in any case. May be called twice.
        """
        await self.crew.close()
        try:
            done = await self._within(self._limits.closing, self.queue.close())
        except QueueError as error:
            telemetry.warning("step_failed", step="release", reason=error.message)
        else:
            if not done:
                telemetry.warning("step_failed", step="release", reason="the queue did not answer in time")
        self._gauges.clear()

    async def _within(self, seconds: float, work: Coroutine[Any, Any, None]) -> bool:
        """Whether the work ended in time; it is cancelled when not. Its errors come out."""
        working = asyncio.create_task(work, name="flusher ending")
        pause = asyncio.create_task(self._ports.pause(seconds), name="flusher deadline")
        try:
            await asyncio.wait([working, pause], return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
            return working.done()
        finally:
            for task in (working, pause):
                task.cancel()
            await asyncio.wait([working, pause])
