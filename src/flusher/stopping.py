"""How a flusher is told to end: SIGTERM or SIGINT, or, as a child, the death of its parent."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_ORPHAN_DRAIN: Final = 2.0


class Stop:
    """A request to end, and how many seconds what is held may take to be sent."""

    def __init__(self, drain_seconds: float) -> None:
        self.drain_seconds = drain_seconds
        self._event = asyncio.Event()

    @property
    def is_asked(self) -> bool:
        return self._event.is_set()

    def ask(self, drain_seconds: float | None = None) -> None:
        """Asks to end; a later call may only shorten the time."""
        if drain_seconds is not None:
            self.drain_seconds = min(self.drain_seconds, drain_seconds)
        self._event.set()

    async def asked(self) -> None:
        """Returns when the end was asked for."""
        await self._event.wait()


@contextlib.contextmanager
def on_signals(stop: Stop, *, seconds: float) -> Iterator[None]:
    """Within, the first signal asks to end in order; the second ends the process at once with 1.

    So does leaving later than `seconds` after the first. Neither goes through the event loop, which
    may be what hangs. Whatever was acknowledged is durable in the journal by then.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (*SIGNALS, signal.SIGALRM)}
    signal.signal(signal.SIGALRM, _exit)

    def first() -> None:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
            signal.signal(number, _exit)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
        stop.ask()

    for number in SIGNALS:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _exit(number: int, frame: FrameType | None) -> None:
    os._exit(1)


@contextlib.contextmanager
def on_parents_death(stop: Stop, descriptor: int | None = None) -> Iterator[None]:
    """Within, the end of the pipe on standard input asks to end soon: only the parent holds it open."""
    loop = asyncio.get_running_loop()
    pipe = sys.stdin.fileno() if descriptor is None else descriptor

    def readable() -> None:
        if not os.read(pipe, 4096):
            loop.remove_reader(pipe)
            stop.ask(_ORPHAN_DRAIN)

    loop.add_reader(pipe, readable)
    try:
        yield
    finally:
        loop.remove_reader(pipe)
