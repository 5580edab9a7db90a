"""What operators decide for one org: how long its memories are kept, and how fast it may go. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "retention_days": (1, 36_500),
    "requests_per_second": (0, 1_000_000),
    "memories_per_second": (0, 1_000_000),
    "key_requests_per_second": (0, 1_000_000),
    "key_memories_per_second": (0, 1_000_000),
    "burst_seconds": (0.1, 3_600),
}
"""Of every member that is known here, by the name under which it is stored; both are inclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateOverrides:
    """Rates of one org instead of those of all; None is theirs, 0 is no limit."""

    requests_per_second: float | None = None
    memories_per_second: float | None = None
    key_requests_per_second: float | None = None
    key_memories_per_second: float | None = None
    burst_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgSettings:
    """What is set for one org; None is what holds for all."""

    retention_days: int | None = None
    """Whole days for which memories are kept; None: for good."""
    rates: RateOverrides | None = None

    def members(self) -> dict[str, float]:
        """What is set, by the names under which it is stored."""
        rates = {f.name: getattr(self.rates, f.name, None) for f in fields(RateOverrides)}
        return {
            name: value
            for name, value in {"retention_days": self.retention_days, **rates}.items()
            if value is not None
        }


NO_SETTINGS: Final = OrgSettings()


def settings_of(members: Mapping[str, Any]) -> OrgSettings:
    """Stored members as settings.

    What is out of its bounds or no number, as a foreign writer may have left it, counts as not
    set: nothing may be deleted because of a value that nobody can mean.
    """
    if not members:
        return NO_SETTINGS
    days = _number("retention_days", members)
    rates = {f.name: _number(f.name, members) for f in fields(RateOverrides)}
    return OrgSettings(
        retention_days=int(days) if days is not None and float(days).is_integer() else None,
        rates=RateOverrides(**rates) if any(rate is not None for rate in rates.values()) else None,
    )


def _number(name: str, members: Mapping[str, Any]) -> float | None:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    low, high = BOUNDS[name]
    return value if low <= value <= high else None
