"""From one page to the next. No I/O."""

from __future__ import annotations

from typing import Any, Final, Protocol, TypeVar

from ._calls import Call
from .exceptions import InvalidResponseError, MemtraceError

_DEFAULT_LIMIT: Final = 100
_MOST_LIMIT: Final = 1_000


class Page(Protocol):
    """What all pages have."""

    has_more: bool
    next_cursor: str | None


P = TypeVar("P", bound=Page)


def following(call: Call[P], page: P, length: int) -> Call[P] | None:
    """The call for the page after this one; `None` on the last.

    Where the server has no cursors, lists of memories go on by offset. Raises InvalidResponseError for a
    cursor that leads to itself.
    """
    if not page.has_more:
        return None
    asked = call.asked
    if page.next_cursor:
        if page.next_cursor == asked.get("cursor"):
            raise InvalidResponseError("the server repeats its cursor")
        return call.asking(_without(asked, "offset") | {"cursor": page.next_cursor})
    if call.has_offset and length:
        return call.asking(_without(asked, "cursor") | {"offset": int(asked.get("offset") or 0) + length})
    return None


def smaller(call: Call[P], error: MemtraceError) -> Call[P]:
    """The call for a quarter of that page, where it was larger than one answer may be.

    Functions in AWS Lambda answer no more than 6 MB. Raises the error where it is another one.
    """
    limit = int(call.asked.get("limit") or _DEFAULT_LIMIT)
    if error.status_code != 400 or error.field != "limit" or not 1 < limit <= _MOST_LIMIT:
        raise error
    return call.asking(call.asked | {"limit": max(1, limit // 4)})


def _without(asked: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key != name}
