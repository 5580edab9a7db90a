"""The flusher: what one process does of delivering, with the lease and without.

Where flushers share a queue, each delivers what the queue gives it; where the journal itself is
the queue, only the holder of the lease does. Everything else is the holder's in both.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from core import telemetry
from core.model.errors import LeaseLost
from flusher.crew import judge
from flusher.lease import LeaseKeeper
from flusher.ports import JOURNAL_FAILS, FlusherLimits, FlusherPorts
from flusher.pulse import Pulse, Role, Verdict, verdict
from flusher.road import Road
from flusher.stopping import Stop
from flusher.tenure import Tenure

_FLOOR: Final = 0.2
"""Seconds between turns, however much arrives: batches grow meanwhile."""
_CEILING: Final = 1.0
"""Seconds between turns when nothing happens."""


class Flusher:
    """One per process. `run` does it all; tests drive `open`, `step`, `drain` and `close`."""

    def __init__(self, ports: FlusherPorts, limits: FlusherLimits) -> None:
        self._ports = ports
        self._limits = limits
        self.lease: Final = LeaseKeeper(ports, limits.lease)
        self._pulse: Final = Pulse(ports.clock)
        self._heart: asyncio.Task[None] | None = None
        self.road: Road | None = None
        self.tenure: Tenure | None = None

    async def run(self, stop: Stop, *, wait: bool) -> None:
        """Works until `stop` is asked for; then sends what it holds, gives the rest back and returns.

        Raises HeldByOther when another process flushes, `wait` is false and the queue is not
        shared. A lease lost later is waited for: the flusher steps aside, and takes over again
        when it may.
        """
        if self._opened().queue.is_shared:
            telemetry.info("flusher_joined", owner=self._ports.owner)
        elif not wait:
            await self.lease.acquire()
        self._heart = asyncio.create_task(self.lease.keep(), name="flusher heartbeat")
        try:
            while not stop.is_asked:
                if self._heart.done():
                    self._heart.result()
                await (asyncio.sleep(0) if await self.step() else self._rest(stop))
            await self.drain(stop.drain_seconds)
        finally:
            await self.close()
        telemetry.info("flusher_stopped", owner=self._ports.owner)

    async def open(self) -> None:
        """Takes the lease, if it may be had. Raises HeldByOther where nothing can be done without."""
        self._pulse.is_stopping = False
        await (self.lease.seek() if self._opened().queue.is_shared else self.lease.acquire())
        self._take_office()

    async def step(self) -> bool:
        """One turn of all that this process may do now; nothing where it stands by. True: go on at once.

        A lease that was lost ends what was done under it.
        """
        road = self._opened()
        self._pulse.turned()
        try:
            self._take_office()
            if self.role == "standby":
                return False
            ended = road.crew.collect()
            judge(ended)
            more = await road.step()
            if self.tenure is not None:
                more = await self.tenure.step(ended, is_quiet=not more) or more
            return more
        except LeaseLost:
            await self._step_aside()
            return False

    @property
    def role(self) -> Role:
        """What it may do now."""
        if self._pulse.is_stopping:
            return "stopping"
        if self.tenure is not None:
            return "lease"
        return "deliveries" if self.road is not None and self.road.queue.is_shared else "standby"

    async def verdict(self) -> Verdict:
        """Whether it lives, for whoever asks from outside."""
        held = self.road.consumer.held if self.road is not None else 0
        return await verdict(
            self._pulse, role=self.role, held_bytes=held, ask_journal=self._ports.leases.holder
        )

    async def drain(self, seconds: float) -> None:
        """Sends what is held, within `seconds`, and receives nothing more.

        Where others share the queue the lease is given back before, so that none of its work waits.
        """
        road, tenure = self._opened(), self.tenure
        self._pulse.is_stopping = True
        if tenure is not None:
            await tenure.close()
        if road.queue.is_shared:
            await self._resign()
        elif tenure is None:
            return
        try:
            await road.drain(seconds)
        except LeaseLost:
            await self._step_aside()

    async def close(self) -> None:
        """Stops all work and gives the lease back. May be called twice."""
        if self.tenure is not None:
            await self.tenure.close()
        road, self.road = self.road, None
        if road is not None:
            await road.close()
        await self._resign()

    def _opened(self) -> Road:
        """The road; where it belongs to the lease it lies idle until that is ours."""
        if self.road is None:
            self.road = Road(self._ports, self._limits, self.lease)
        return self.road

    def _take_office(self) -> None:
        """Begins what the lease allows, when there is a new one. Raises LeaseLost when ours is gone."""
        fence = self.lease.fence
        if self.tenure is not None and self.tenure.fence != fence:
            raise LeaseLost()
        if self.tenure is None and fence is not None:
            self.tenure = Tenure(self._ports, self._limits, self.lease, self._opened())
            telemetry.info("flusher_started", owner=self._ports.owner, fence=fence)

    async def _step_aside(self) -> None:
        """Ends what was done under the lease; deliveries of a shared queue go on."""
        tenure, self.tenure = self.tenure, None
        if tenure is None:
            return
        telemetry.warning("flusher_stepped_aside", owner=self._ports.owner)
        if self.lease.fence == tenure.fence:
            self.lease.drop()
        await tenure.close()
        road = self._opened()
        with contextlib.suppress(LeaseLost):  # of that lease: the next one is not meant
            judge(road.crew.collect())
        if not road.queue.is_shared:
            self.road = None
            await road.close()

    async def _resign(self) -> None:
        """Gives the lease back, and seeks it no more."""
        heart, self._heart, self.tenure = self._heart, None, None
        if heart is not None:
            await _ended(heart)
        with contextlib.suppress(*JOURNAL_FAILS):  # then it expires by itself
            await self.lease.release()

    async def _rest(self, stop: Stop) -> None:
        """Until work has ended, something arrived, a batch is due, or a while has passed."""
        road = self._opened()
        if self.role == "standby":
            await _first(stop.asked(), self._ports.pause(_CEILING))
        elif await _first(stop.asked(), road.crew.changed(), self._ports.pause(_FLOOR)):
            due_in = road.batcher.due_in(self._ports.clock.monotonic())
            await _first(stop.asked(), road.crew.changed(), road.queue.wait(min(_CEILING, due_in)))


async def _first(*waits: Coroutine[Any, Any, object]) -> bool:
    """Returns when the first of these has ended; true when it was the last one given alone."""
    tasks = [asyncio.create_task(wait, name="flusher rest") for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[-1].done() and not any(t.done() for t in tasks[:-1])
    finally:
        for task in tasks:
            await _ended(task)


async def _ended(task: "asyncio.Task[Any]") -> None:
    """Cancels the task and waits for its end; whoever needs its error has looked at it before."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
