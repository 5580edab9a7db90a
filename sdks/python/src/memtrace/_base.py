"""Names that code written for 0.2.0 may import from here."""

from __future__ import annotations

import httpx

from ._answers import error_of
from ._connecting import DEFAULT_TIMEOUT, build_headers
from .exceptions import (
    AuthenticationError,
    ConflictError,
    MemtraceError,
    NoArcInstanceError,
    NotFoundError,
)

__all__ = [
    "DEFAULT_TIMEOUT",
    "AuthenticationError",
    "ConflictError",
    "MemtraceError",
    "NoArcInstanceError",
    "NotFoundError",
    "build_headers",
    "handle_error",
]


def handle_error(response: httpx.Response) -> None:
    """Raises what the response says went wrong, if anything did."""
    error = error_of(response)
    if error is not None:
        raise error
