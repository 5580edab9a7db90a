"""Text as a SQL literal that means exactly that text, to DuckDB and through Arc's rewriter alike.

Arc masks literals with a scanner of its own before it rewrites a statement, and that scanner
reads a backslash before a quote as an escape, puts other literals where a text looks like one
of its placeholders (`__STR_1__`), and looks for `read_parquet` inside texts. So no emitted
piece ever holds a backslash, a NUL, two underscores in a row or that word.
"""

import re
from typing import Final

_CUTS: Final = re.compile(r"([\\\0])|(?<=_)(?=_)|(?<=read)(?=_parquet)", re.IGNORECASE)
_BRANCHES: Final = 32


def literal(text: str) -> str:
    """A SQL expression whose value is `text`, whatever is in it; parenthesised unless it is one literal."""
    pieces = [_piece(part) for part in _CUTS.split(text) if part]
    if not pieces:
        return "''"
    return pieces[0] if len(pieces) == 1 and pieces[0][0] == "'" else f"({_joined(pieces)})"


def _piece(part: str) -> str:
    if part in ("\\", "\0"):
        return f"chr({ord(part)})"
    doubled = part.replace("'", "''")
    return f"'{doubled}'"


def _joined(pieces: list[str]) -> str:
    """A balanced concatenation: a plain chain of a thousand pieces is deeper than DuckDB parses."""
    while len(pieces) > _BRANCHES:
        groups = (pieces[i : i + _BRANCHES] for i in range(0, len(pieces), _BRANCHES))
        pieces = [f"({' || '.join(group)})" for group in groups]
    return " || ".join(pieces)


def literal_within(text: str, room: int) -> tuple[str, bool]:
    """The literal of the longest prefix that takes at most `room` bytes, and whether it is all of `text`.

    Room for less than one character gives the empty literal.
    """
    whole = literal(text)
    if len(whole.encode()) <= room:
        return whole, True
    low, high = 0, min(len(text), max(room, 0))
    while low < high:
        middle = (low + high + 1) // 2
        if len(literal(text[:middle]).encode()) <= room:
            low = middle
        else:
            high = middle - 1
    return literal(text[:low]), False
