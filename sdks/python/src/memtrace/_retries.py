"""Whether to try again, and when. No I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

import httpx

from .exceptions import InvalidResponseError, MemtraceError, NoArcInstanceError

LONGEST_RETRY_AFTER: Final = 60.0
"""Seconds; a server that asks for more is told as an error at once."""
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 8.0
_STATUSES: Final = frozenset({429, 502, 503, 504})
_FINAL_CODES: Final = frozenset({"store_refused", "store_denied"})
_FAULTS: Final = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ProxyError)
"""Connections that were not made, broke, or said nothing in time."""
_LONGEST_PAUSE: Final = 30.0
_LONGEST_ASKED_PAUSE: Final = 300.0


@dataclass(frozen=True)
class Retries:
    """At most so many attempts after the first."""

    most: int

    def wait_after(self, attempt: int, error: MemtraceError | httpx.TransportError) -> float | None:
        """Seconds until the next attempt, `None` where there is to be none; attempts count from 0."""
        if attempt >= self.most or not is_passing(error):
            return None
        told = error.retry_after if isinstance(error, MemtraceError) else None
        if told is not None:
            return told if told <= LONGEST_RETRY_AFTER else None
        return _jittered(min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 16)))


def is_passing(error: Exception) -> bool:
    """Whether the same request may well succeed soon."""
    if not isinstance(error, MemtraceError):
        return isinstance(error, _FAULTS)
    return error.status_code in _STATUSES and not _is_final(error)


def is_for_now(error: Exception) -> bool:
    """Whether the server may take the same memories some day: it is not there, or it fails."""
    if not isinstance(error, MemtraceError):
        return isinstance(error, _FAULTS)
    if isinstance(error, InvalidResponseError):
        return True
    return (error.status_code in (408, 429) or error.status_code >= 500) and not _is_final(error)


def pause_after(misses: int, error: Exception) -> float:
    """Seconds that a writer waits after so many turns in a row that failed, the last one with this error."""
    pause = _jittered(min(_LONGEST_PAUSE, 2.0 ** min(misses - 1, 16)))
    told = error.retry_after if isinstance(error, MemtraceError) else None
    return max(pause, min(told or 0.0, _LONGEST_ASKED_PAUSE))


def _is_final(error: MemtraceError) -> bool:
    """Whether an operator has to do something first."""
    return isinstance(error, NoArcInstanceError) or error.code in _FINAL_CODES


def _jittered(longest: float) -> float:
    return random.uniform(longest / 2, longest)
