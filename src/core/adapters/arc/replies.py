"""What an Arc's answer means: the one table (arc contract 1.2 and 2.3). Pure.

Arc's own words hold paths and statements, and statements hold contents: of them only the class of
the error goes on.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from core.model.errors import (
    StoreAmbiguous,
    StoreDenied,
    StoreError,
    StoreRefused,
    StoreTimeout,
    StoreUnreachable,
)

_READ: Final = 4096
_LONGEST_WAIT: Final = 300
_DEFAULT_WAIT: Final = 5
_NOT_ARC: Final = "look at the binding's URL: `memtrace org show-arc` tells it"
_PERMANENT_WRITE: Final = b"failed to convert columns"
_CLASS: Final = re.compile(
    rb"\b(Binder|Catalog|Conversion|HTTP|IO|Invalid(?: Input)?|Out of Memory|Parser) Error\b"
)
_BAD_STATEMENT: Final = ("Catalog", "Conversion", "Parser")
_FILES_MOVED: Final = ("HTTP", "IO", "Invalid", "Invalid Input")
"""The last two are what half of an old file and half of a new one make, while an Arc rewrites it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, its body decompressed. `retry_after` is what the header said, in seconds."""

    status: int
    body: bytes = field(repr=False)
    retry_after: int | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class OtherColumns(StoreRefused):
    """The files that were read lack a column, or keep it as something else: another writer's."""


def write_error(reply: Reply) -> StoreError:
    """Why a write was not accepted; the reply is no success."""
    if reply.status == 500 and _PERMANENT_WRITE in reply.body[:_READ]:
        return StoreRefused("the Arc cannot convert these memories")
    if reply.status in (400, 413):
        return StoreRefused(f"the Arc refuses these memories ({reply.status})")
    return _error(reply)


def query_error(reply: Reply) -> StoreError:
    """Why a question was not answered; the reply is no success."""
    kind = _class(reply) if reply.status == 500 else ""
    if kind in _FILES_MOVED:
        return StoreAmbiguous("the Arc's files changed while it read them")
    if kind == "Binder":
        return OtherColumns("the Arc's files have other columns than those of a memory")
    if kind in _BAD_STATEMENT or reply.status == 400:
        return StoreRefused(f"the Arc cannot answer this question ({kind or reply.status})")
    return _error(reply)


def admin_error(reply: Reply) -> StoreError:
    """Why a flush or a deletion was not carried out; the reply is no success."""
    if reply.status in (401, 403):
        return StoreDenied(
            f"the Arc refuses to delete ({reply.status})",
            hint="`memtrace org set-admin-key` takes an admin's key; delete.enabled is set in the Arc",
        )
    return query_error(reply)


def _error(reply: Reply) -> StoreError:
    status, wait = reply.status, _wait(reply)
    if status in (401, 403):
        return StoreDenied(
            f"the Arc refuses the binding's key, or the key lacks a right ({status})",
            hint="give the binding a key that may read and write: `memtrace org add-arc`",
        )
    if status == 504:
        return StoreTimeout("the Arc ran out of time", retry_after=wait)
    if status in (429, 502, 503, 508):
        return StoreUnreachable(f"the Arc cannot take it now ({status})", retry_after=wait)
    if status >= 500:
        return StoreUnreachable(f"the Arc failed ({status})", retry_after=wait)
    return StoreUnreachable(f"this is no Arc, or another version of it ({status})", hint=_NOT_ARC)


def no_arc() -> StoreError:
    """For an answer of success that no Arc gives."""
    return StoreUnreachable("what answered is no Arc", hint=_NOT_ARC)


def _wait(reply: Reply) -> int:
    return _DEFAULT_WAIT if reply.retry_after is None else min(reply.retry_after, _LONGEST_WAIT)


def _class(reply: Reply) -> str:
    """DuckDB's class of the error: the first that is named, as what follows may be a caller's words."""
    named = _CLASS.search(reply.body[:_READ])
    return named[1].decode() if named else ""
