"""What operators decide for one org: how long its memories are kept, and how fast it may go. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

MOST_PER_SECOND: Final = 1_000_000
LONGEST_BURST: Final = 3_600
BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "retention_days": (1, 36_500),
    "requests_per_second": (0, MOST_PER_SECOND),
    "memories_per_second": (0, MOST_PER_SECOND),
    "key_requests_per_second": (0, MOST_PER_SECOND),
    "key_memories_per_second": (0, MOST_PER_SECOND),
    "burst_seconds": (1, LONGEST_BURST),
}
"""Of every member that is known here, by the name under which it is stored; both are inclusive."""
_WHOLE: Final = ("retention_days", "burst_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSettings:
    """How fast an org and each of its keys may go; None: not set here, 0: no limit."""

    requests_per_second: float | None = None
    memories_per_second: float | None = None
    key_requests_per_second: float | None = None
    key_memories_per_second: float | None = None
    burst_seconds: float | None = None
    """How much may come at once: what the rates give in so many whole seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgSettings:
    """What is set for one org; None is what holds for all."""

    retention_days: int | None = None
    """Whole days for which memories are kept; None: for good."""
    rates: RateSettings | None = None

    def members(self) -> dict[str, float]:
        """What is set, by the names under which it is stored."""
        rates = {name: getattr(self.rates, name, None) for name in RATES}
        return {
            name: value
            for name, value in {"retention_days": self.retention_days, **rates}.items()
            if value is not None
        }


NO_SETTINGS: Final = OrgSettings()
RATES: Final = tuple(f.name for f in fields(RateSettings))


def settings_of(members: Mapping[str, Any]) -> OrgSettings:
    """Stored members as settings.

    What is out of its bounds or no number, as a foreign writer may have left it, counts as not
    set: nothing may be deleted because of a value that nobody can mean.
    """
    if not members:
        return NO_SETTINGS
    days = _number("retention_days", members)
    rates = {name: _number(name, members) for name in RATES}
    return OrgSettings(
        retention_days=None if days is None else int(days),
        rates=RateSettings(**rates) if any(rate is not None for rate in rates.values()) else None,
    )


def _number(name: str, members: Mapping[str, Any]) -> float | None:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    low, high = BOUNDS[name]
    if not low <= value <= high or (name in _WHOLE and int(value) != value):
        return None
    return value
