"""Text from outside as part of one line: line breaks folded, cuts that split no character."""

import re
import unicodedata
from typing import Final

ELLIPSIS: Final = "..."

_BREAKS: Final = "\x00-\x1f\x7f-\x9f\u2028\u2029"
_RUNS: Final = re.compile(f"(?:[{_BREAKS}]| (?=[ {_BREAKS}]))[ {_BREAKS}]*")
_BREAK: Final = re.compile(f"[{_BREAKS}]")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_JOINER: Final = "\u200d"
_VIRAMA: Final = 9
_SPARE: Final = 4


def one_line(text: str) -> str:
    """The text without line breaks and control characters: each run with one in it is one space.

    Nothing that any reader takes for the end of a line is left, and no lone surrogate.
    """
    if text.isprintable():
        return text.strip(" ")
    folded = _RUNS.sub(lambda run: " " if _BREAK.search(run[0]) else run[0], text)
    return _SURROGATES.sub("\ufffd", folded).strip(" ")


def opening(text: str, length: int) -> tuple[str, bool]:
    """(the start of `one_line(text)`, whether that is all of it). At most `length` characters.

    Reads no more of a long text than it needs.
    """
    head = text[: length * _SPARE]
    line = one_line(head)
    if len(head) < len(text) and len(line) <= length:
        line = one_line(text)
    if len(line) <= length:
        return line, True
    return line[: safe_cut(line, length)], False


def safe_cut(text: str, at: int) -> int:
    """The last place at or before `at` where a cut splits no character as people see it."""
    while 0 < at < len(text) and _continues(text, at):
        at -= 1
    return min(at, len(text))


def _continues(text: str, at: int) -> bool:
    """Whether the code point at this place belongs to the character before it."""
    char, before = text[at], text[at - 1]
    if char < "\u0300":
        return False
    return (
        unicodedata.category(char) in ("Mn", "Mc", "Me")
        or before == _JOINER
        or _extends(char)
        or (unicodedata.combining(before) == _VIRAMA and char.isalpha())
        or (_is_regional(char) and _regionals_before(text, at) % 2 == 1)
    )


def _extends(char: str) -> bool:
    """Joiners, skin tones, tags, the later letters of a Hangul syllable, half-width voice marks."""
    return (
        "\u200c" <= char <= _JOINER
        or "\u1160" <= char <= "\u11ff"
        or "\ud7b0" <= char <= "\ud7ff"
        or "\uff9e" <= char <= "\uff9f"
        or "\U0001f3fb" <= char <= "\U0001f3ff"
        or "\U000e0020" <= char <= "\U000e007f"
    )


def _is_regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _regionals_before(text: str, at: int) -> int:
    start = at
    while start > 0 and _is_regional(text[start - 1]):
        start -= 1
    return at - start
