"""The flusher: takes the lease, works under it until told to stop, and steps aside when it is lost."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from core import telemetry
from core.model.errors import DatabaseError, LeaseLost
from flusher.lease import LeaseKeeper
from flusher.ports import FlusherLimits, FlusherPorts
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
        self.tenure: Tenure | None = None

    async def run(self, stop: Stop, *, wait: bool) -> None:
        """Works until `stop` is asked for; then sends what it holds, gives the lease back and returns.

        Raises HeldByOther when another process flushes and `wait` is false. A lease lost later is
        waited for: the flusher steps aside, and takes over again when it may.
        """
        try:
            while not stop.is_asked:
                await (_unless(stop, self.lease.stand_by()) if wait else self.lease.acquire())
                wait = True
                if not stop.is_asked:
                    await self._hold_office(stop)
        finally:
            await self.close()
        telemetry.info("flusher_stopped", owner=self._ports.owner)

    async def _hold_office(self, stop: Stop) -> None:
        self.tenure = Tenure(self._ports, self._limits, self.lease)
        telemetry.info("flusher_started", owner=self._ports.owner, fence=self.lease.current.fence)
        try:
            await self._work(stop)
            await self.drain(stop.drain_seconds)
        except LeaseLost:
            telemetry.warning("flusher_stepped_aside", owner=self._ports.owner)
            await self.close()

    async def open(self) -> None:
        """Takes the lease. Raises HeldByOther."""
        await self.lease.acquire()
        self.tenure = Tenure(self._ports, self._limits, self.lease)

    async def step(self) -> bool:
        """One turn. True: there is more to do at once. Raises LeaseLost."""
        if self.tenure is None:
            raise LeaseLost()
        return await self.tenure.step()

    async def drain(self, seconds: float) -> None:
        """Sends what is held, within `seconds`."""
        if self.tenure is not None:
            await self.tenure.drain(seconds)

    async def close(self) -> None:
        """Stops all work and gives the lease back. May be called twice."""
        tenure, self.tenure = self.tenure, None
        if tenure is not None:
            await tenure.close()
        with contextlib.suppress(DatabaseError):  # then it expires by itself
            await self.lease.release()

    async def _work(self, stop: Stop) -> None:
        heart = asyncio.create_task(self.lease.keep(), name="flusher heartbeat")
        try:
            while not stop.is_asked:
                if heart.done():
                    heart.result()
                if await self.step():
                    await asyncio.sleep(0)
                else:
                    await self._rest(stop, heart)
        finally:
            await _ended(heart)

    async def _rest(self, stop: Stop, heart: "asyncio.Task[None]") -> None:
        """Until work has ended, something arrived, a batch is due, or a while has passed."""
        assert self.tenure is not None
        crew, queue = self.tenure.crew, self.tenure.queue
        if await _first(heart, stop.asked(), crew.changed(), self._ports.pause(_FLOOR)):
            due_in = self.tenure.batcher.due_in(self._ports.clock.monotonic())
            await _first(heart, stop.asked(), crew.changed(), queue.wait(min(_CEILING, due_in)))


async def _first(heart: "asyncio.Task[None]", *waits: Coroutine[Any, Any, object]) -> bool:
    """Returns when the first of these has ended; true when it was the last one given alone."""
    tasks = [asyncio.create_task(wait, name="flusher rest") for wait in waits]
    try:
        await asyncio.wait([heart, *tasks], return_when=asyncio.FIRST_COMPLETED)
        return tasks[-1].done() and not any(t.done() for t in [heart, *tasks[:-1]])
    finally:
        for task in tasks:
            await _ended(task)


async def _unless(stop: Stop, work: Coroutine[Any, Any, None]) -> None:
    """Does the work, unless `stop` is asked for before it is done. Its errors come out."""
    task = asyncio.create_task(work, name="flusher standing by")
    stopped = asyncio.create_task(stop.asked(), name="flusher stop")
    try:
        await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
    finally:
        await _ended(task)
        await _ended(stopped)


async def _ended(task: "asyncio.Task[Any]") -> None:
    """Cancels the task and waits for its end; whoever needs its error has looked at it before."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
