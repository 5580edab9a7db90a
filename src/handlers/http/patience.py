"""How long a caller says that it will wait for the answer: the `X-Request-Timeout` header."""

import re
from typing import Final

from core.model.errors import InvalidRequest
from handlers.http.ask import Headers

_HEADER: Final = b"x-request-timeout"
_is_seconds: Final = re.compile(rb"[0-9]{1,6}(\.[0-9]{1,6})?").fullmatch


def patience_of(headers: Headers) -> float | None:
    """Seconds from when the head had arrived; None where nothing is said. Raises InvalidRequest."""
    given = headers.get(_HEADER)
    if given is None:
        return None
    seconds = float(given) if _is_seconds(given.strip()) else 0.0
    if seconds <= 0:
        raise InvalidRequest(
            "X-Request-Timeout must be a number of seconds above 0, as in 5 or 0.5", field="X-Request-Timeout"
        )
    return seconds
