"""The lane: one user of the writer connection at a time, first come, first served."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable


class Lane:
    """Lives on one event loop. Entering a free lane costs no task and no switch."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: deque[Callable[[], None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for it."""
        return len(self._waiting)

    def enter(self, go: Callable[[], None]) -> None:
        """Calls `go` when the lane is the caller's: at once when it is free, else in turn."""
        if self._busy:
            self._waiting.append(go)
        else:
            self._busy = True
            go()

    def leave(self) -> None:
        """Hands the lane to whoever waits longest."""
        self._busy = False
        # A loop: a crowd that gave up while it waited must not become a stack of calls.
        while self._waiting and not self._busy:
            self._busy = True
            self._waiting.popleft()()

    async def entered(self) -> None:
        """Returns when the lane is the caller's, who must `leave` it. Who gives up waits no longer."""
        granted = asyncio.get_running_loop().create_future()

        def go() -> None:
            if granted.cancelled():
                self._busy = False
            else:
                granted.set_result(None)

        self.enter(go)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.cancelled():
                with contextlib.suppress(ValueError):  # `leave` was quicker
                    self._waiting.remove(go)
            else:
                self.leave()
            raise
