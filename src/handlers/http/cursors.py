"""Opaque cursors: a place in a list, in a form that callers pass back and need not understand."""

import base64
import binascii
from datetime import datetime
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from core.model.errors import InvalidCursor
from core.model.memory import Position
from core.model.timewindow import LATEST, micros_of, moment_of

Kind = Literal["agents", "sessions"]
After = tuple[datetime, str]

_CHECK_BYTES: Final = 4
_LONGEST: Final = 4_096
_positions: Final = msgspec.msgpack.Decoder(Position)
_afters: Final = msgspec.msgpack.Decoder(tuple[str, int, str])
_encoder: Final = msgspec.msgpack.Encoder()


def seal_position(position: Position) -> str:
    """A cursor for a list of memories."""
    return _sealed(_encoder.encode(position))


def open_position(cursor: str) -> Position:
    """The position that `seal_position` made this cursor of. Raises InvalidCursor for anything else."""
    try:
        position = _positions.decode(_opened(cursor))
    except msgspec.DecodeError:
        raise InvalidCursor() from None
    if not 0 <= position.time <= LATEST:
        raise InvalidCursor()
    return position


def seal_after(kind: Kind, after: After) -> str:
    """A cursor for a list that goes by creation."""
    return _sealed(_encoder.encode((kind, micros_of(after[0]), after[1])))


def open_after(kind: Kind, cursor: str) -> After | None:
    """What `seal_after` made this cursor of; None for an empty one. Raises InvalidCursor."""
    if not cursor:
        return None
    try:
        found, time, id = _afters.decode(_opened(cursor))
    except msgspec.DecodeError:
        raise InvalidCursor() from None
    if found != kind or not 0 <= time <= LATEST:
        raise InvalidCursor()
    return moment_of(time), id


def _sealed(content: bytes) -> str:
    """With a digest, so that a cut or altered cursor is noticed. It is no secret: a cursor opens nothing."""
    digest = blake2b(content, digest_size=_CHECK_BYTES).digest()
    return base64.urlsafe_b64encode(digest + content).decode().rstrip("=")


def _opened(cursor: str) -> bytes:
    if len(cursor) > _LONGEST:
        raise InvalidCursor()
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidCursor() from None
    content = sealed[_CHECK_BYTES:]
    if _sealed(content) != cursor.rstrip("="):
        raise InvalidCursor()
    return content
