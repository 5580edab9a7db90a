"""How a process of ours is told to stop: the first signal asks, the second ends it at once.

So does the end of the time it has for stopping: nothing that hangs can hold it up.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def on_signals(
    stop: asyncio.Event, *, seconds: float | None = None, last_words: Callable[[], None] | None = None
) -> Iterator[None]:
    """Within, SIGTERM or SIGINT sets `stop`; another one, or leaving later than `seconds`, exits with 1.

    That exit calls `last_words` and unwinds nothing: what was acknowledged is durable by then.
    """
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        if last_words is not None:
            last_words()
        os._exit(1)

    def heard() -> None:
        if stop.is_set():
            end()
        stop.set()
        if seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))

    # A timer of the system, not of the loop: it also ends a loop that is blocked.
    before = signal.signal(signal.SIGALRM, end)
    for number in SIGNALS:
        loop.add_signal_handler(number, heard)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        for number in SIGNALS:
            loop.remove_signal_handler(number)
