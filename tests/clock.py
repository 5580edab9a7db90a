"""A clock that only tests move."""


class ManualClock:
    """Stands still until `advance`; wall clock and monotonic clock move together."""

    def __init__(self, micros: int = 1_780_000_000_000_000) -> None:
        self._micros = micros
        self._monotonic = 1000.0

    def micros(self) -> int:
        return self._micros

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._micros += round(seconds * 1_000_000)
        self._monotonic += seconds

    def step_wall(self, seconds: float) -> None:
        """Moves the wall clock alone, as an administrator or NTP would."""
        self._micros += round(seconds * 1_000_000)
