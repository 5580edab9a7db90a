"""Bounds how long requests may wait, with one timer for all of them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")
_SWEEP_SECONDS: Final = 0.25


class TimeIsUp(Exception):
    """The work was cancelled because its time was over."""


class Deadlines:
    """A timer for every request would cost each five microseconds, and nearly none ever goes off.

    So the time is kept coarsely: work may go on for a quarter of a second longer.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends: dict[asyncio.Task[Any], float] = {}
        self.is_ticking = False

    async def within(self, work: Coroutine[Any, Any, T], spent: float = 0.0) -> T:
        """What the work returns. Cancels it and raises TimeIsUp when its time is over.

        `spent` seconds of that time had passed before. Work that must end a thing that it has
        begun, as a commit, ends it first.
        """
        task = asyncio.current_task()
        assert task is not None
        loop = task.get_loop()
        self._ends[task] = loop.time() + self.seconds - spent
        if not self.is_ticking:
            self._tick(loop)
        try:
            return await work
        except asyncio.CancelledError:
            # No longer listed: it was the sweep that cancelled, unless somebody else did as well.
            if task not in self._ends and task.uncancel() == 0:
                raise TimeIsUp() from None
            raise
        finally:
            self._ends.pop(task, None)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_ticking = True
        loop.call_later(min(_SWEEP_SECONDS, self.seconds), self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self.is_ticking = False
        now = loop.time()
        for task in [task for task, end in self._ends.items() if end <= now]:
            del self._ends[task]
            task.cancel()
        if self._ends:
            self._tick(loop)
