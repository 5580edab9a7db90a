"""One named thread that runs what it is handed, in order.

Handing work to a ThreadPoolExecutor makes a future and takes three locks, which a commit for
every few memories notices (measured: 6 % of a single write).
"""

import queue
import threading
from collections.abc import Callable
from typing import Final


class Worker:
    """Runs until `close`, which waits for what was handed over before."""

    def __init__(self, name: str) -> None:
        self._work: Final[queue.SimpleQueue[Callable[[], None] | None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name)
        self._thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """The work must not raise: it reports to whoever waits for it."""
        self._work.put(work)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def close(self) -> None:
        """May be called twice."""
        if self._thread.is_alive():
            self._work.put(None)
            self._thread.join()
