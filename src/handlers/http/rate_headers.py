"""How a caller stands with its rates, as headers. Pure.

`RateLimit-Policy` and `RateLimit` as in draft-ietf-httpapi-ratelimit-headers-10, with one quota unit
beyond its registry (`memories`); and the older `X-RateLimit-*`, which tell of one rate only.
"""

from collections.abc import Sequence
from typing import Final

from core.limiter import Standing
from handlers.http.cors import HeaderList

_UNITS: Final = {"requests": "", "memories": ';qu="memories"'}


def rate_headers(standings: Sequence[Standing], seconds: int) -> HeaderList:
    """For the answer to a caller that stands so, at this Unix time. Nothing where no rate holds."""
    if not standings:
        return ()
    policies = [f'"{s.rate.name}";q={s.rate.burst}{_UNITS[s.rate.unit]};w={s.rate.window}' for s in standings]
    limits = [f'"{s.rate.name}";r={s.left};t={s.wait}' for s in standings]
    nearest = min(_of_requests(standings), key=lambda s: s.left / s.rate.burst)
    return (
        (b"ratelimit-policy", ", ".join(policies).encode()),
        (b"ratelimit", ", ".join(limits).encode()),
        (b"x-ratelimit-limit", b"%d" % nearest.rate.burst),
        (b"x-ratelimit-remaining", b"%d" % nearest.left),
        (b"x-ratelimit-reset", b"%d" % (seconds + nearest.wait)),
    )


def _of_requests(standings: Sequence[Standing]) -> Sequence[Standing]:
    """Those of requests, which is what older clients count; the others where there are none."""
    return [s for s in standings if s.rate.unit == "requests"] or standings
