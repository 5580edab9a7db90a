"""Rate limits: who may send a request, and how many memories, at this moment.

Counted in this process alone. Where nobody is limited it costs one comparison a request.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from core.model.errors import RateLimited
from core.model.org_settings import RateSettings
from core.model.rates import Rate, rates_of
from core.model.tenant import Principal
from core.ports import Clock

_MOST_BUCKETS: Final = 50_000
"""Of a generation; more than callers are remembered at once."""
_MOST_RATES: Final = 10_000
Bucket = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Standing:
    """How one caller stands with one rate."""

    rate: Rate
    left: int
    """Whole units that may pass now."""
    wait: int
    """Whole seconds until another one may; 0 while the bucket is full."""


class Limiter:
    """Lives on one event loop. Rates that operators change hold from the next request of a caller
    that is read anew, within seconds.
    """

    def __init__(self, *, defaults: RateSettings, clock: Clock, most_buckets: int = _MOST_BUCKETS) -> None:
        self._clock = clock
        self._buckets = _Buckets(most_buckets)
        self._rates = lru_cache(_MOST_RATES)(lambda own: rates_of(defaults, own))
        everybody = self._rates(None)
        self._limits_all = bool(everybody.requests or everybody.memories)

    def limits(self, principal: Principal) -> bool:
        """Whether any rate may hold for this caller."""
        return self._limits_all or principal.settings.rates is not None

    def admit_request(self, principal: Principal, *, writes: bool) -> None:
        """Counts a request. Raises RateLimited, and then counts nothing.

        One that `writes` memories is refused here already where not even one could pass: its body
        need not be read.
        """
        rates = self._rates(principal.settings.rates)
        if writes:
            self._check(rates.memories, principal, 1)
        self._take(rates.requests, principal, 1)

    def admit_memories(self, principal: Principal, count: int) -> None:
        """Counts so many memories. Raises RateLimited, and then counts nothing."""
        if self.limits(principal):
            self._take(self._rates(principal.settings.rates).memories, principal, count)

    def standings(self, principal: Principal) -> list[Standing]:
        """How the caller stands with every rate that holds for it."""
        now = self._clock.monotonic()
        rates = self._rates(principal.settings.rates)
        return [self._standing(rate, principal, now) for rate in rates.requests + rates.memories]

    def _standing(self, rate: Rate, principal: Principal, now: float) -> Standing:
        full_at = self._buckets.full_at(_bucket(rate, principal))
        left = rate.units_left(full_at, now)
        return Standing(rate, left, _whole(rate.wait(full_at, now, left + 1)))

    def _check(self, rates: tuple[Rate, ...], principal: Principal, units: int) -> None:
        now = self._clock.monotonic()
        waits = [rate.wait(self._buckets.full_at(_bucket(rate, principal)), now, units) for rate in rates]
        wait = max(waits, default=0.0)
        if wait > 0:
            rate = rates[waits.index(wait)]
            raise RateLimited(
                f"{_WHOSE[rate.scope]} may send {rate.per_second:g} {rate.unit} a second",
                hint=f"wait as long as Retry-After says; up to {rate.burst} may come at once",
                retry_after=_whole(wait),
                policy=rate.name,
            )

    def _take(self, rates: tuple[Rate, ...], principal: Principal, units: int) -> None:
        self._check(rates, principal, units)
        now = self._clock.monotonic()
        for rate in rates:
            bucket = _bucket(rate, principal)
            self._buckets.keep(bucket, rate.spent(self._buckets.full_at(bucket), now, units))


_WHOSE: Final = {"org": "this organization", "key": "this API key"}


def _bucket(rate: Rate, principal: Principal) -> Bucket:
    return (rate.unit, principal.org_id, principal.key_id if rate.scope == "key" else -1)


def _whole(seconds: float) -> int:
    """Rounded up, but not because of what rounding had added."""
    return math.ceil(seconds - 1e-6)


class _Buckets:
    """Buckets by their owners, in two generations: those that nobody used for so long that as many
    others came meanwhile are forgotten, and so full again.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[Bucket, float] = {}
        self._old: dict[Bucket, float] = {}

    def full_at(self, bucket: Bucket) -> float:
        young = self._young.get(bucket)
        return self._old.get(bucket, 0.0) if young is None else young

    def keep(self, bucket: Bucket, full_at: float) -> None:
        if len(self._young) >= self._most and bucket not in self._young:
            self._old, self._young = self._young, {}
        self._young[bucket] = full_at
