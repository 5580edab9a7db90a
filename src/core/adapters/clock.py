"""The system's clock, and that of a process that sleeps."""

import time
from typing import Final

from core.model.memory import Micros
from core.ports import Clock

_MICROS: Final = 1_000_000
_JITTER: Final = 0.1
"""Seconds by which the two clocks may part without a sleep."""


class SystemClock:
    """Wall-clock time in microseconds UTC, and monotonic seconds."""

    def micros(self) -> Micros:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


class WakingClock:
    """A clock of a process that is frozen between its turns, as a sandbox of Lambda is.

    The machine's monotonic seconds may stand still meanwhile, and what was to be forgotten after
    ten seconds would be known for hours. So they go on by what the wall clock says went by.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._skipped = 0.0
        self._rested: tuple[Micros, float] | None = None

    def micros(self) -> Micros:
        return self._clock.micros()

    def monotonic(self) -> float:
        return self._clock.monotonic() + self._skipped

    def rest(self) -> None:
        """A turn is over: the process may be frozen from now on."""
        self._rested = (self._clock.micros(), self._clock.monotonic())

    def wake(self) -> float:
        """A turn begins. Seconds since the last one ended; 0 where there was none."""
        if self._rested is None:
            return 0.0
        micros, seconds = self._rested
        self._rested = None
        passed = self._clock.monotonic() - seconds
        missed = (self._clock.micros() - micros) / _MICROS - passed
        if missed > _JITTER:
            self._skipped += missed
            passed += missed
        return passed
