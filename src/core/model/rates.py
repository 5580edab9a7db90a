"""How fast somebody may go: token buckets, each kept as one number. Pure.

A bucket holds what its rate gives in some seconds and fills at that rate. All there is to know of
it is the moment at which it will be full (the generic cell rate algorithm): no timer fills it,
and a bucket that is full need not be kept at all.
"""

import math
from dataclasses import dataclass, field
from typing import Final, Literal

from core.model.org_settings import RateSettings

Scope = Literal["org", "key"]
Unit = Literal["requests", "memories"]
_SLIGHTLY: Final = 1e-6
"""Units that rounding may take away."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many units a second, and up to `burst` of them at once. `name` is what callers see."""

    scope: Scope
    unit: Unit
    per_second: float
    burst: int
    name: str = field(init=False)
    window: int = field(init=False)
    """Whole seconds in which an empty bucket fills."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", f"{self.scope}-{self.unit}")
        object.__setattr__(self, "window", math.ceil(self.burst / self.per_second))

    def left(self, full_at: float, now: float) -> float:
        """What is in a bucket that will be full at that time; less than nothing after a large batch."""
        return self.burst - max(0.0, full_at - now) * self.per_second

    def standing(self, full_at: float, now: float) -> tuple[int, float]:
        """Whole units that may pass now, and the seconds until there is one more; 0 when it is full."""
        left = self.left(full_at, now)
        units = max(0, math.floor(left + _SLIGHTLY))
        lacking = min(units + 1, self.burst) - left
        return units, lacking / self.per_second if lacking > _SLIGHTLY else 0.0

    def wait(self, full_at: float, now: float, units: int) -> float:
        """Seconds until so many units may pass; 0: now.

        What is larger than the bucket passes when it is full, and is paid off afterwards: a batch
        that could never pass would be refused for good.
        """
        lacking = min(units, self.burst) - self.left(full_at, now)
        return lacking / self.per_second if lacking > _SLIGHTLY else 0.0

    def spent(self, full_at: float, now: float, units: int) -> float:
        """When the bucket will be full after so many units have passed."""
        return max(full_at, now) + units / self.per_second


@dataclass(frozen=True, eq=False, slots=True)
class Rates:
    """Everything that bounds one caller. Each is equal to itself alone, and so found quickly."""

    requests: tuple[Rate, ...]
    memories: tuple[Rate, ...]

    @property
    def all(self) -> tuple[Rate, ...]:
        return self.requests + self.memories


def rates_of(defaults: RateSettings, own: RateSettings | None) -> Rates:
    """What holds for an org: its own settings, and the defaults where it has none."""

    def chosen(name: str) -> float:
        value = getattr(own, name, None)
        return (getattr(defaults, name) if value is None else value) or 0.0

    def rate(scope: Scope, unit: Unit, name: str) -> tuple[Rate, ...]:
        per_second = chosen(name)
        burst = max(1, math.floor(per_second * chosen("burst_seconds") + _SLIGHTLY))
        return (Rate(scope, unit, per_second, burst),) if per_second else ()

    return Rates(
        requests=rate("key", "requests", "key_requests_per_second")
        + rate("org", "requests", "requests_per_second"),
        memories=rate("key", "memories", "key_memories_per_second")
        + rate("org", "memories", "memories_per_second"),
    )
