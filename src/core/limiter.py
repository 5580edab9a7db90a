"""Rate limits: who may send a request, and how many memories, at this moment.

Counted in this process alone. Where nobody is limited it costs one comparison a request.
"""

import math
from functools import lru_cache
from typing import Final, NamedTuple

from core.model.errors import RateLimited
from core.model.org_settings import RateSettings
from core.model.rates import Rate, Rates, rates_of
from core.model.tenant import Principal
from core.ports import Clock

_MOST_BUCKETS: Final = 50_000
"""Of a generation; more than callers are remembered at once."""
_MOST_RATES: Final = 10_000
Bucket = tuple[str, str, int]
_Found = tuple[Rate, Bucket, float, float]
"""A rate, its bucket, when that will be full, and now."""


class Standing(NamedTuple):
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
        self._everybody = rates_of(defaults, None)
        self._limits_all = bool(self._everybody.all)

    def limits(self, principal: Principal) -> bool:
        """Whether any rate may hold for this caller."""
        return self._limits_all or principal.settings.rates is not None

    def admit_request(self, principal: Principal, *, writes: bool) -> None:
        """Counts a request. Raises RateLimited, and then counts nothing.

        One that `writes` memories is refused here already where not even one could pass: its body
        need not be read.
        """
        rates = self.rates(principal)
        if writes and rates.memories:
            self._find(rates.memories, principal, 1)
        self._take(rates.requests, principal, 1)

    def admit_memories(self, principal: Principal, count: int) -> None:
        """Counts so many memories. Raises RateLimited, and then counts nothing."""
        if self.limits(principal):
            self._take(self.rates(principal).memories, principal, count)

    def rates(self, principal: Principal) -> Rates:
        """Those that hold for the caller: for all who have the same settings, the same object."""
        own = principal.settings.rates
        return self._everybody if own is None else self._rates(own)

    def standings(self, principal: Principal) -> list[Standing]:
        """How the caller stands with every rate that holds for it."""
        now = self._clock.monotonic()
        standings = []
        for rate in self.rates(principal).all:
            left, wait = rate.standing(self._buckets.full_at(_bucket(rate, principal)), now)
            standings.append(Standing(rate, left, _whole(wait)))
        return standings

    def _take(self, rates: tuple[Rate, ...], principal: Principal, units: int) -> None:
        for rate, bucket, full_at, now in self._find(rates, principal, units):
            self._buckets.keep(bucket, rate.spent(full_at, now, units))

    def _find(self, rates: tuple[Rate, ...], principal: Principal, units: int) -> list[_Found]:
        """The caller's buckets, in each of which is enough. Raises RateLimited: for the longest wait."""
        now = self._clock.monotonic()
        found, longest, lacking = [], 0.0, None
        for rate in rates:
            bucket = _bucket(rate, principal)
            full_at = self._buckets.full_at(bucket)
            found.append((rate, bucket, full_at, now))
            wait = rate.wait(full_at, now, units)
            if wait > longest:
                longest, lacking = wait, rate
        if lacking is not None:
            raise _refusal(lacking, longest)
        return found


def _refusal(rate: Rate, wait: float) -> RateLimited:
    return RateLimited(
        f"{_WHOSE[rate.scope]} may send {rate.per_second:g} {rate.unit} a second",
        hint=f"wait as long as Retry-After says; up to {rate.burst} may come at once",
        retry_after=max(1, _whole(wait)),
        policy=rate.name,
    )


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
