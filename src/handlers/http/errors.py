"""The one table of HTTP statuses, and the one shape of every error."""

from typing import Final

import msgspec

from core.model.errors import (
    ConfigurationError,
    Conflict,
    DatabaseError,
    DeadlineExceeded,
    Forbidden,
    HeldByOther,
    IdempotencyConflict,
    InternalError,
    InvalidRequest,
    LeaseLost,
    MemtraceError,
    NotFound,
    RateLimited,
    RequestTimeout,
    RequestTooLarge,
    StoreError,
    StoreTimeout,
    Unauthenticated,
    Unavailable,
)
from handlers.http.ask import Reply

STATUSES: Final[dict[type[MemtraceError], int]] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    RequestTimeout: 408,
    Conflict: 409,
    IdempotencyConflict: 409,
    RequestTooLarge: 413,
    RateLimited: 429,
    InternalError: 500,
    ConfigurationError: 500,
    LeaseLost: 500,
    HeldByOther: 500,
    StoreError: 502,
    Unavailable: 503,
    DatabaseError: 503,
    DeadlineExceeded: 504,
    StoreTimeout: 504,
}
"""An error that is not listed has the status of its nearest ancestor that is."""

_OURS: Final = (InternalError, ConfigurationError, LeaseLost, HeldByOther)
"""Whose words are for the operator: they name files and settings. Callers get the general sentence."""
_DATABASE_RETRY_SECONDS: Final = 5


def status_of(error: type[MemtraceError]) -> int:
    """The status of this class of error."""
    return next((STATUSES[cls] for cls in error.__mro__ if cls in STATUSES), 500)


_STORE_HINT: Final = "the operator finds the reason in the log and with `memtrace status`"


def is_for_operators(error: MemtraceError) -> bool:
    """Whether it tells of something that an operator should look at, so that it is logged."""
    return isinstance(error, (*_OURS, StoreError)) or status_of(type(error)) == 500


def error_reply(error: MemtraceError, request_id: str) -> Reply:
    """The error as an answer: message, code, request id, hint, and the error's own fields."""
    cls = type(error)
    retry_after = error.retry_after
    if isinstance(error, _OURS) and not isinstance(error, InternalError):
        error = cls()
    if isinstance(error, StoreError) and not isinstance(error, StoreTimeout):
        error = cls(hint=_STORE_HINT)  # its own words may name folders; they are in the log
    if isinstance(error, DatabaseError) and retry_after is None:
        retry_after = _DATABASE_RETRY_SECONDS
    headers = () if retry_after is None else ((b"retry-after", b"%d" % retry_after),)
    if isinstance(error, RequestTimeout):
        headers = (*headers, (b"connection", b"close"))  # nobody waits for the rest of the request
    return problem(status_of(cls), error.message, cls.code, request_id, error.hint, error.fields, headers)


def problem(
    status: int,
    message: str,
    code: str,
    request_id: str,
    hint: str | None = None,
    fields: dict[str, object] | None = None,
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Reply:
    """An error in the shape that all of them have."""
    content: dict[str, object] = {"error": message, "code": code, "request_id": request_id}
    if hint is not None:
        content["hint"] = hint
    for name, value in (fields or {}).items():
        content.setdefault(name, value)
    return Reply(status, msgspec.json.encode(content), headers)


def failure_reply(request_id: str) -> Reply:
    """For what should not have happened; the log knows more."""
    return error_reply(InternalError(hint="the server's log has more under this request_id"), request_id)


def method_not_allowed(allowed: bytes, request_id: str) -> Reply:
    """405, and which methods there are."""
    words = allowed.decode()
    return problem(
        405,
        "method not allowed",
        "method_not_allowed",
        request_id,
        f"this path knows {words}",
        headers=((b"allow", allowed),),
    )
