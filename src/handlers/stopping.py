"""How a process of ours is told to stop: the first signal asks, the second ends it at once."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def on_signals(stop: asyncio.Event, *, last_words: Callable[[], None] | None = None) -> Iterator[None]:
    """Within, SIGTERM or SIGINT sets `stop`; another one calls `last_words` and exits with 1.

    The second does not unwind anything: whatever hangs cannot hold it up, and what was
    acknowledged is durable by then.
    """
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if stop.is_set():
            if last_words is not None:
                last_words()
            os._exit(1)
        stop.set()

    for number in SIGNALS:
        loop.add_signal_handler(number, heard)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
