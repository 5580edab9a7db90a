"""What the metadata tables hold, as values: times and JSON kept as text, and broken rules as our errors.

Times are written as `2026-11-21T00:43:16.123456Z`, which sorts as text.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from core.model.errors import AlreadyExists, DatabaseError, NotFound

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_TAKEN: Final = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


def text_of(moment: datetime) -> str:
    """Always six digits of a second and a `Z`, so that texts sort as their times do."""
    return moment.astimezone(UTC).strftime(_DIGITS)


def moment_in(text: str | None) -> datetime:
    """Reads our form and both of the original's (no zone means UTC); no time at all reads as 1970."""
    if text is None:
        return _EPOCH
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as e:
        raise DatabaseError("the database holds a time that cannot be read") from e
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def moment_or_none(text: str | None) -> datetime | None:
    return moment_in(text) if text else None


def json_of(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def object_in(text: str | None) -> dict[str, Any]:
    """The object that was stored; an empty one when a foreign writer left none."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


@contextlib.contextmanager
def rules(*, taken: str, orphaned: str = "organization not found") -> Iterator[None]:
    """A broken uniqueness rule becomes AlreadyExists(taken), a missing owner NotFound(orphaned)."""
    try:
        yield
    except sqlite3.IntegrityError as e:
        if e.sqlite_errorname in _TAKEN:
            raise AlreadyExists(taken) from e
        if e.sqlite_errorname == "SQLITE_CONSTRAINT_FOREIGNKEY":
            raise NotFound(orphaned) from e
        raise
