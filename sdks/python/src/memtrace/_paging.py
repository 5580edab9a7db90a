"""From one page to the next. No I/O."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from ._calls import Call
from .exceptions import InvalidResponseError


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


def _without(asked: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in asked.items() if key != name}
