"""The system's clock."""

import time

from core.model.memory import Micros


class SystemClock:
    """Wall-clock time in microseconds UTC, and monotonic seconds."""

    def micros(self) -> Micros:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()
