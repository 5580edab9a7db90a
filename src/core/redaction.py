"""Masks what must not be read by people or machines that read logs. Pure.

A safety net under code that should not have tried: API keys wherever they stand, and any field
whose name says that it is a secret.
"""

import re
from typing import Any, Final

MASK: Final = "****"
_SECRET_NAMES: Final = frozenset(
    {"key", "secret", "token", "password", "cipher", "ciphertext", "authorization", "nonce"}
)
_API_KEY: Final = re.compile(r"mtk_[A-Za-z0-9_\-]+")
_BEARER: Final = re.compile(r"(?i)\b(bearer|x-api-key:)\s+\S+")
_QUERY: Final = re.compile(r"((?:https?://|/)[^\s?\"']*)\?[^\s\"']*")
_LONGEST: Final = 8_192
_DEEPEST: Final = 4


def redacted(name: str, value: Any, depth: int = 0) -> Any:
    """The value of a field as it may be logged: masked, or bounded in length and depth."""
    if name.lower().rpartition("_")[2] in _SECRET_NAMES:
        return MASK
    match value:
        case str():
            return _text(value)
        case bytes() | bytearray():
            return f"{len(value)} bytes"
        case dict() | list() | tuple() | set() | frozenset() if depth >= _DEEPEST:
            return "…"
        case dict():
            return {str(k): redacted(str(k), v, depth + 1) for k, v in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redacted("", v, depth + 1) for v in value]
        case None | bool() | int() | float():
            return value
        case _:
            return _text(str(value))


def without_queries(text: str) -> str:
    """The text with the query strings of its URLs cut off."""
    return _QUERY.sub(r"\1?…", text)


def printable(text: str) -> str:
    """The text without anything that a terminal would obey, and on one line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _text(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    if not text.isascii():
        # Half characters, as they come from file names, cannot be written as UTF-8.
        text = text.encode("utf-8", "backslashreplace").decode()
    return _BEARER.sub(rf"\1 {MASK}", _API_KEY.sub(f"mtk_{MASK}", text))
