"""Whether to try again, and when. No I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

import httpx

from .exceptions import MemtraceError, NoArcInstanceError

LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds; a server that asks for more is told as an error at once."""
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 8.0
_STATUSES: Final = frozenset({429, 502, 503, 504})
_FINAL_CODES: Final = frozenset({"store_refused", "store_denied"})
_FAULTS: Final = (httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError)
"""Connections that were not made or broke. A request that timed out has had its time."""


@dataclass(frozen=True)
class Retries:
    """At most so many attempts after the first; after timeouts too where nobody waits for the answer."""

    most: int
    timeouts: bool = False

    def wait_after(self, attempt: int, error: MemtraceError | httpx.TransportError) -> float | None:
        """Seconds until the next attempt, `None` where there is to be none; attempts count from 0."""
        again = is_passing(error) or (self.timeouts and isinstance(error, httpx.TimeoutException))
        if attempt >= self.most or not again:
            return None
        told = error.retry_after if isinstance(error, MemtraceError) else None
        if told is not None:
            return told if told <= LONGEST_RETRY_AFTER else None
        longest = min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 16))
        return random.uniform(longest / 2, longest)


def is_passing(error: Exception) -> bool:
    """Whether the same request may well succeed later."""
    if not isinstance(error, MemtraceError):
        return isinstance(error, _FAULTS)
    if isinstance(error, NoArcInstanceError) or error.code in _FINAL_CODES:
        return False
    return error.status_code in _STATUSES
