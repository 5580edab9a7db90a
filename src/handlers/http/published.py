"""The API's description of itself, for programs and for people."""

from handlers.http.ask import Ask, Reply
from handlers.http.doors import Doors

_HTML: bytes = b"text/html; charset=utf-8"
_POLICY: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
)


async def document(doors: Doors, ask: Ask) -> Reply:
    """The OpenAPI document."""
    return Reply(200, doors.documents.openapi())


async def page(doors: Doors, ask: Ask) -> Reply:
    """The same for people; it loads nothing from anywhere."""
    return Reply(200, doors.documents.page(), _POLICY, _HTML)
