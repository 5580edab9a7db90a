"""From when on an Arc holds anything: asked seldom, since Arc looks into every file for it."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from core.adapters.arc.flights import Flights
from core.model.memory import Micros
from core.model.tenant import Binding
from core.ports import Clock

_FRESH: Final = 30.0
_OLDEST: Final = 60.0
"""Seconds; less than `hides_for`, until when the journal still has whatever is stored meanwhile."""
_MOST_PLACES: Final = 10_000

_Place = tuple[str, str, str]
Ask = Callable[[Binding], Coroutine[Any, Any, Micros | None]]


class EarliestTimes:
    """What was answered in the last minute, the same for every org of one measurement.

    An answer older than half a minute is asked for anew while it is still given, so that hardly
    anybody waits. "Nothing" is never kept.
    """

    def __init__(self, clock: Clock, ask: Ask) -> None:
        self._clock = clock
        self._ask = ask
        self._known: dict[_Place, tuple[float, Micros]] = {}
        self._asked: Flights[tuple[_Place, str], Micros | None] = Flights()

    async def of(self, binding: Binding) -> Micros | None:
        """The oldest time stored, at most a minute ago; None when nothing is. Raises StoreError."""
        place = (binding.url, binding.database, binding.measurement)
        known = self._known.get(place)
        age = _OLDEST if known is None else self._clock.monotonic() - known[0]
        if known is None or age >= _OLDEST:
            # Each org for itself: another's key may be refused.
            return await self._asked.join((place, binding.id), partial(self._look, place, binding))
        if age >= _FRESH:
            self._asked.begin((place, ""), partial(self._look, place, binding))
        return known[1]

    async def _look(self, place: _Place, binding: Binding) -> Micros | None:
        asked_at = self._clock.monotonic()
        time = await self._ask(binding)
        if time is None:
            self._known.pop(place, None)
            return None
        if len(self._known) >= _MOST_PLACES:
            self._known.clear()
        self._known[place] = (asked_at, time)
        return time
