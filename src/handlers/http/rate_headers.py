"""How a caller stands with its rates, as headers. Pure.

`RateLimit-Policy` and `RateLimit` as in draft-ietf-httpapi-ratelimit-headers-10, with one quota unit
beyond its registry (`memories`); and the older `X-RateLimit-*`, which tell of one rate only.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from core.limiter import Standing
from core.model.rates import Rates
from handlers.http.cors import HeaderList

_UNITS: Final = {"requests": "", "memories": ';qu="memories"'}


def rate_headers(rates: Rates, standings: Sequence[Standing], seconds: int) -> HeaderList:
    """For the answer to a caller that stands so, at this Unix time. Nothing where no rate holds."""
    if not standings:
        return ()
    limits = [f'"{rate.name}";r={left};t={wait}' for rate, left, wait in standings]
    rate, left, wait = _nearest(standings)
    return (
        (b"ratelimit-policy", _policies(rates)),
        (b"ratelimit", ", ".join(limits).encode()),
        (b"x-ratelimit-limit", b"%d" % rate.burst),
        (b"x-ratelimit-remaining", b"%d" % left),
        (b"x-ratelimit-reset", b"%d" % (seconds + wait)),
    )


@lru_cache(1_024)
def _policies(rates: Rates) -> bytes:
    policies = [f'"{one.name}";q={one.burst}{_UNITS[one.unit]};w={one.window}' for one in rates.all]
    return ", ".join(policies).encode()


def _nearest(standings: Sequence[Standing]) -> Standing:
    """The one nearest to its end, of those of requests, which is what older clients count, if any."""
    requests = [standing for standing in standings if standing.rate.unit == "requests"]
    return min(requests or standings, key=lambda standing: standing.left / standing.rate.burst)
