"""The lane: one user of the writer connection at a time, first come, first served."""

import asyncio
from collections import deque
from collections.abc import Callable


class Lane:
    """Lives on one event loop. Entering a free lane costs no task and no switch."""

    def __init__(self) -> None:
        self._busy = False
        self._waiting: deque[Callable[[], None]] = deque()

    def enter(self, go: Callable[[], None]) -> None:
        """Calls `go` when the lane is the caller's: at once when it is free, else in turn."""
        if self._busy:
            self._waiting.append(go)
        else:
            self._busy = True
            go()

    def leave(self) -> None:
        """Hands the lane to whoever waits longest."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._busy = False

    async def entered(self) -> None:
        """Returns when the lane is the caller's, who must `leave` it."""
        granted = asyncio.get_running_loop().create_future()
        self.enter(lambda: self.leave() if granted.cancelled() else granted.set_result(None))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.leave()
            raise
