"""What the metadata tables hold, as values: times and JSON kept as text, and broken rules as our errors.

Times are written as `2026-11-21T00:43:16.123456Z`, which sorts as text.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from core.adapters.sqlite.foreign_values import moment_from, text_of
from core.model.errors import AlreadyExists, DatabaseError, NotFound

__all__ = ["json_of", "moment_in", "moment_or_none", "object_in", "rules", "text_of"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TAKEN: Final = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


def moment_in(text: str | None) -> datetime:
    """Reads our form and those of the original (no zone means UTC); no time at all reads as 1970."""
    if text is None:
        return _EPOCH
    moment = moment_from(str(text))  # a number, where another writer left one
    if moment is None:
        raise DatabaseError("the database holds a time that cannot be read")
    return moment


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
