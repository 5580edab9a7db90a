"""The time."""

from typing import Protocol

from core.model.memory import (
    Micros,
)


class Clock(Protocol):
    """The time. Nothing else in `core` or `flusher` asks the system for it."""

    def micros(self) -> Micros:
        """Wall-clock microseconds since 1970 UTC; may step."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        ...
