"""What browsers ask before they let a page of another origin read an answer."""

from collections.abc import Sequence
from typing import Final

from handlers.http.ask import Headers, Reply

HeaderList = tuple[tuple[bytes, bytes], ...]

_ALLOWED_METHODS: Final = b"GET, POST, PUT, DELETE, HEAD, OPTIONS"
_ALLOWED_HEADERS: Final = (
    b"Content-Type, Authorization, x-api-key, Idempotency-Key, X-Request-ID, X-Request-Timeout,"
    b" Mcp-Protocol-Version, Mcp-Method, Mcp-Name"
)
_EXPOSED_HEADERS: Final = (
    b"X-Request-ID, Retry-After, RateLimit, RateLimit-Policy,"
    b" X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset"
)
_MAX_AGE: Final = b"600"


class Cors:
    """Open to every origin (`*`), to those listed, or to none. Costs nothing without an Origin header.

    Credentials are never allowed: the key travels in a header that the page sets itself.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._is_open = "*" in origins
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, origin: bytes) -> HeaderList:
        """What an answer to this origin carries."""
        allowed = self._allowed(origin)
        return (*allowed, (b"access-control-expose-headers", _EXPOSED_HEADERS)) if allowed else _VARY

    def preflight(self, headers: Headers) -> Reply | None:
        """The answer to a preflight request, or None when this is none."""
        if b"access-control-request-method" not in headers or b"origin" not in headers:
            return None
        if not self._allowed(headers[b"origin"]):
            return Reply(204, b"")
        return Reply(
            204,
            b"",
            (
                (b"access-control-allow-methods", _ALLOWED_METHODS),
                (b"access-control-allow-headers", _ALLOWED_HEADERS),
                (b"access-control-max-age", _MAX_AGE),
            ),
        )

    def _allowed(self, origin: bytes) -> HeaderList:
        if self._is_open:
            return _OPEN
        if origin in self._origins:
            return ((b"access-control-allow-origin", origin), *_VARY)
        return ()


_OPEN: Final[HeaderList] = ((b"access-control-allow-origin", b"*"),)
_VARY: Final[HeaderList] = ((b"vary", b"Origin"),)
