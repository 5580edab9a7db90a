"""The stamps of one process: strictly increasing, close to its clock. Others may give the same ones."""

from typing import Final

from core.model.errors import ClockStepped
from core.model.memory import Micros
from core.ports import Clock

_MAX_LEAD: Final = 1_000_000
"""A stamp never leads the wall clock by more than this."""


class Stamps:
    """Lives on one event loop."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._last: Micros = 0

    def next(self) -> Micros:
        """The stamp that would be given now."""
        return max(self._last + 1, self._clock.micros())

    def take(self, count: int, after: Micros = 0) -> range:
        """So many stamps in a row, all after this time; none of them is ever given again.

        Raises ClockStepped when the clock is more than a second behind what they would have to be.
        """
        first = max(self.next(), after + 1)
        if first + count - 1 > self._clock.micros() + _MAX_LEAD:
            raise ClockStepped()
        self._last = first + count - 1
        return range(first, first + count)

    def again(self) -> Micros:
        """One stamp more for a memory whose stamp another process gave too."""
        self._last = self.next()
        return self._last
