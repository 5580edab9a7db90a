"""The API's description of itself, for programs and for people: two files beside this one.

scripts/openapi_docs.py makes them, and a test holds that they are what it would make. They are read
when they are first asked for, so that a start in Lambda pays nothing for them.
"""

from functools import cache
from pathlib import Path
from typing import Final

from handlers.http.ask import Ask, Reply
from handlers.http.doors import Doors

ASSETS: Final = Path(__file__).with_name("assets")
_HTML: Final = b"text/html; charset=utf-8"
_POLICY: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    ),
)


async def document(doors: Doors, ask: Ask) -> Reply:
    """The OpenAPI document."""
    return Reply(200, _asset("openapi.json"))


async def page(doors: Doors, ask: Ask) -> Reply:
    """The same for people; it loads nothing from anywhere."""
    return Reply(200, _asset("docs.html"), _POLICY, _HTML)


@cache
def _asset(name: str) -> bytes:
    return (ASSETS / name).read_bytes()
