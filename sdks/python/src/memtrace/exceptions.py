"""Everything that this package raises itself. Connections that fail raise `httpx.TransportError`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .buffered import WriteResult


class MemtraceError(Exception):
    """The server answered with an error, or with what is no answer of Memtrace.

    `message` is for people and may change, `code` is the stable word for programs. What the server did not
    send is `None`; `body` has all that it did send.
    """

    code: str | None = None
    request_id: str | None = None
    hint: str | None = None
    field: str | None = None
    index: int | None = None
    id: str | None = None
    retry_after: float | None = None
    body: dict[str, Any] | None = None

    def __init__(self, message: str, status_code: int = 0):
        self.message = message
        self.status_code = status_code
        super().__init__(message)


class AuthenticationError(MemtraceError):
    """401: no key, or none that is valid."""

    def __init__(self, message: str = "Invalid or missing API key"):
        super().__init__(message, status_code=401)


class NotFoundError(MemtraceError):
    """404: no such memory, agent, session or deletion."""

    def __init__(self, message: str = "Resource not found"):
        super().__init__(message, status_code=404)


class ConflictError(MemtraceError):
    """409: an equal memory is there, which `id` names; an agent has the name; or the key was used."""

    def __init__(self, message: str = "Conflict"):
        super().__init__(message, status_code=409)


class RateLimitError(MemtraceError):
    """429: the key or its organization sends more than its rate; wait `retry_after` seconds."""

    def __init__(self, message: str = "Too many requests"):
        super().__init__(message, status_code=429)


class NoArcInstanceError(MemtraceError):
    """503: the organization has no store yet. An operator binds one: `memtrace org add-arc <org_id>`."""

    def __init__(self, message: str = "no arc instance configured for this org"):
        super().__init__(message, status_code=503)


class InvalidResponseError(MemtraceError, ValueError):
    """A success that is no answer of Memtrace: mostly something in between that answered in its place."""

    code = "invalid_response"


class BufferFullError(MemtraceError):
    """A buffered writer had no room within the time given. The memory was not taken."""

    code = "buffer_full"


class BufferedWriteError(MemtraceError):
    """Memories that a buffered writer took and did not store: `failures` has each with its error."""

    code = "buffered_write_failed"

    def __init__(self, message: str, failures: Sequence[WriteResult] = ()):
        super().__init__(message)
        self.failures = tuple(failures)
