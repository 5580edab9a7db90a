"""From responses to values or errors. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

import httpx

from ._calls import Answer
from .exceptions import (
    AuthenticationError,
    ConflictError,
    InvalidResponseError,
    MemtraceError,
    NoArcInstanceError,
    NotFoundError,
    RateLimitError,
)

T = TypeVar("T")

_KINDS: Final[dict[int, Callable[[str], MemtraceError]]] = {
    401: AuthenticationError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitError,
}
_NO_STORE: Final = "arc instance"
_SECONDS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_LONGEST_MESSAGE: Final = 1_000
_TEXTS: Final = ("code", "hint", "field", "id")


def value_of(response: httpx.Response, read: Callable[[Answer], T]) -> T:
    """What the response holds. Raises what it says went wrong, or InvalidResponseError."""
    error = error_of(response)
    if error is not None:
        raise error
    if response.status_code >= 300:
        raise _not_ours(response, "redirects are not followed")
    try:
        return read(response)
    except (ValueError, RecursionError) as e:
        raise _not_ours(response, "its body is not what was asked for") from e


def error_of(response: httpx.Response) -> MemtraceError | None:
    """The error that a response is; `None` below 400."""
    status = response.status_code
    if status < 400:
        return None
    body = _body_of(response)
    told = (body or {}).get("error")
    text = told if isinstance(told, str) and told else response.text.strip()[:_LONGEST_MESSAGE]
    message = text or f"HTTP {status}"
    error = _kind(status, message, body or {})
    _describe(error, body or {})
    error.request_id = error.request_id or response.headers.get("x-request-id")
    error.retry_after = _retry_after(response.headers.get("retry-after", ""))
    return error


def _kind(status: int, message: str, body: dict[str, Any]) -> MemtraceError:
    if status in _KINDS:
        return _KINDS[status](message)
    if status == 503 and (body.get("code") == "no_arc_instance" or _NO_STORE in message.lower()):
        return NoArcInstanceError(message)
    return MemtraceError(message, status_code=status)


def _describe(error: MemtraceError, body: dict[str, Any]) -> None:
    error.body = body or None
    for name in (*_TEXTS, "request_id"):
        if isinstance(body.get(name), str):
            setattr(error, name, body[name])
    if isinstance(body.get("index"), int):
        error.index = body["index"]


def _body_of(response: httpx.Response) -> dict[str, Any] | None:
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _retry_after(text: str) -> float | None:
    """Seconds from now; `None` where the header is missing or cannot be read."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), 1e9)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


def _not_ours(response: httpx.Response, why: str) -> InvalidResponseError:
    kind = response.headers.get("content-type", "no content type")
    error = InvalidResponseError(f"HTTP {response.status_code} with {kind}: {why}", response.status_code)
    error.request_id = response.headers.get("x-request-id")
    return error
