"""The rules for single values that JSON types cannot express. Every refusal names its field."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from core.model.errors import InvalidRequest

MAX_BATCH: Final = 1_000
MAX_CONTENT_BYTES: Final = 256 * 1024
MAX_METADATA_BYTES: Final = 64 * 1024
MAX_TAGS: Final = 64
MAX_DEDUP_KEY_BYTES: Final = 256
MAX_NEEDLE_BYTES: Final = 8 * 1024
MAX_LIMIT: Final = 1_000
MAX_EVENT_TYPES: Final = 64
MAX_NAME_BYTES: Final = 256
MAX_DESCRIPTION_BYTES: Final = 4 * 1024
_MAX_NESTING: Final = 64

_encoder: Final = msgspec.json.Encoder()
is_id: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,127}").fullmatch
is_event_type: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,63}").fullmatch
is_tag: Final = re.compile(r"[a-zA-Z0-9_.\-]{1,64}").fullmatch


def refuse(field: str, rule: str, **more: Any) -> InvalidRequest:
    """The error that says which rule this field breaks."""
    return InvalidRequest(f"{field} {rule}", field=field, **more)


def checked_id(value: str, field: str) -> str:
    """An id, or an empty string."""
    if value and not is_id(value):
        raise refuse(field, "must be a letter and up to 127 more letters, digits, `_` or `-`")
    return value


def checked_event_type(value: str, field: str) -> str:
    """An event type, or an empty string."""
    if value and not is_event_type(value):
        raise refuse(field, "must be a letter and up to 63 more letters, digits or `_`")
    return value


def checked_tags(tags: Sequence[str], field: str = "tags") -> Sequence[str]:
    """Not too many tags, each of them well formed."""
    if len(tags) > MAX_TAGS:
        raise refuse(field, f"must hold at most {MAX_TAGS} tags")
    for index, tag in enumerate(tags):
        if not is_tag(tag):
            raise refuse(f"{field}[{index}]", "must be 1 to 64 letters, digits, `_`, `.` or `-`")
    return tags


def checked_size(text: str, field: str, max_bytes: int) -> str:
    """A text of so many bytes of UTF-8 at most."""
    # A character is four bytes at most, so most texts need no encoding to be measured.
    if len(text) * 4 > max_bytes and len(text.encode()) > max_bytes:
        limit = f"{max_bytes // 1024} KB" if max_bytes >= 1024 else f"{max_bytes} bytes"
        raise refuse(field, f"must be at most {limit} of UTF-8", max_bytes=max_bytes)
    return text


def compact_json(value: dict[str, Any], field: str) -> str:
    """The object as compact JSON, within the limits of size and nesting; empty when it is empty."""
    if not value:
        return ""
    encoded = _encoder.encode(value)
    if len(encoded) > MAX_METADATA_BYTES:
        raise refuse(field, f"must be at most {MAX_METADATA_BYTES // 1024} KB", max_bytes=MAX_METADATA_BYTES)
    if encoded.count(b"{") + encoded.count(b"[") > _MAX_NESTING:
        check_nesting(value, field)
    return encoded.decode()


def check_nesting(value: Any, field: str, levels: int = _MAX_NESTING) -> None:
    """Raises when the value is nested deeper than other programs may be able to read."""
    if levels < 0:
        raise refuse(field, f"must not be nested deeper than {_MAX_NESTING} levels")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in inner:
        check_nesting(part, field, levels - 1)
