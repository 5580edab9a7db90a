"""The tasks that talk to stores and to the journal on the side: named, one per piece of work, and watched.

The main loop never waits for a store; it starts work here and looks at what has ended.
"""

import asyncio
from collections.abc import Awaitable, Collection, Coroutine
from dataclasses import dataclass
from typing import Literal, TypeVar

from core import telemetry
from core.model.errors import LeaseLost, MemtraceError, QueueError
from flusher.ports import JOURNAL_FAILS

T = TypeVar("T")
Kind = Literal["deliver", "park", "settle", "check", "merge", "expire", "remove", "restart", "retain", "seed"]
Job = tuple[Kind, str]
"""What kind of work, and for whom (an org)."""


@dataclass(frozen=True, slots=True)
class Ended:
    job: Job
    error: BaseException | None


class Crew:
    def __init__(self) -> None:
        self._tasks: dict[Job, asyncio.Task[None]] = {}
        self._ended: list[Ended] = []
        self._changed = asyncio.Event()

    def start(self, job: Job, work: Coroutine[None, None, None]) -> None:
        """Starts the work; the caller has seen that this job is not `busy`."""
        task = asyncio.create_task(work, name=f"flusher {job[0]} {job[1]}")
        self._tasks[job] = task
        task.add_done_callback(lambda done: self._end(job, done))

    def busy(self, job: Job) -> bool:
        return job in self._tasks

    def running(self, *kinds: Kind) -> int:
        return sum(1 for k, _ in self._tasks if k in kinds)

    def collect(self) -> list[Ended]:
        """What has ended since the last call; errors are the caller's to judge."""
        ended, self._ended = self._ended, []
        self._changed.clear()
        return ended

    async def changed(self) -> None:
        """Returns when something ended that was not collected yet."""
        await self._changed.wait()

    async def idle(self) -> None:
        """Returns when no work is left running."""
        while tasks := list(self._tasks.values()):
            await asyncio.wait(tasks)
            await asyncio.sleep(0)  # lets the done callbacks run

    async def close(self, *, spare: Collection[Kind] = ()) -> None:
        """Cancels all work (but the kinds spared) and waits until it has ended."""
        tasks = [t for (k, _), t in self._tasks.items() if k not in spare]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            await asyncio.sleep(0)

    def _end(self, job: Job, task: asyncio.Task[None]) -> None:
        del self._tasks[job]
        self._ended.append(Ended(job, None if task.cancelled() else task.exception()))
        self._changed.set()


def judge(ended: Collection[Ended]) -> None:
    """What became of work on the side: errors are logged, but for a lost lease, which is raised at last."""
    lost: LeaseLost | None = None
    for job, error in ((e.job, e.error) for e in ended):
        if isinstance(error, LeaseLost):
            lost = error
        elif isinstance(error, MemtraceError):
            telemetry.error("step_failed", step=job[0], org_id=job[1], reason=error.message)
        elif isinstance(error, Exception):
            telemetry.error("step_failed", step=job[0], org_id=job[1], exc_info=error)
        elif error is not None:
            raise error
    if lost is not None:
        raise lost


async def tried(name: str, work: Awaitable[T]) -> T | None:
    """The answer; None where journal or queue failed, which is tried again in the next turn."""
    try:
        return await work
    except (*JOURNAL_FAILS, QueueError) as error:
        telemetry.error("step_failed", step=name, reason=error.message)
        return None
