"""How Arc hides the texts in a statement from its own rules, mistakes included. Pure.

A backslash before a quote counts as an escape here, though DuckDB knows none; and a placeholder
is put back by searching for its text, wherever that stands.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

_QUOTED: Final = re.compile(
    r"""
      (?<!\w)\$(?P<tag>(?:[A-Za-z_]\w*)?)\$ (?: .*?\$(?P=tag)\$ | .* )   # dollar quotes, to the end if open
    | (?:(?<!\w)[eE])? ' (?: '' | (?<=\\)' | [^'] )*+ '?
    | (?P<name> " (?: "" | (?<=\\)" | [^"] )*+ "? )
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_COMMENT: Final = re.compile(r"--[^\n]*|/\*(?:.*?\*/(?:.?\Z)?|.*)", re.DOTALL)
_TAKES_FROM: Final = re.compile(r"(?<![\w\"`])(?:extract|substring|trim|overlay)\s*\(", re.I | re.A)
_FROM_OR_BRACKET: Final = re.compile(r"\bFROM\b|[()]", re.I | re.A)


class Mask(NamedTuple):
    placeholder: str
    original: str
    is_name: bool
    """Double-quoted: a name and no text."""

    @property
    def name(self) -> str:
        text = self.original
        if len(text) >= 2 and text.endswith('"'):
            text = text[1:-1]
        return text.replace('""', '"')


def masked(sql: str) -> tuple[str, list[Mask]]:
    """The statement with placeholders for its texts and quoted names, and what they stand for."""
    masks: list[Mask] = []
    names: dict[str, str] = {}

    def hide(match: re.Match[str]) -> str:
        text = match[0]
        if match["name"] is not None and text in names:
            return names[text]
        kind = "STR" if match["name"] is None else "IDENT"
        mask = Mask(f"__{kind}_{len(masks):d}__", text, kind == "IDENT")
        masks.append(mask)
        if mask.is_name:
            names[text] = mask.placeholder
        return mask.placeholder

    return _QUOTED.sub(hide, sql), masks


def unmasked(sql: str, masks: Sequence[Mask]) -> str:
    """Puts back what was hidden, in order, at the first place that looks like its placeholder."""
    for mask in masks:
        sql = sql.replace(mask.placeholder, mask.original, -1 if mask.is_name else 1)
    return sql


def without_comments(sql: str) -> str:
    """To be called with the texts masked. A last character right behind a block comment is lost."""
    return _COMMENT.sub(lambda match: " " if match[0].startswith("/*") else "", sql)


FROM_MASK: Final = "__FROM_MASK__"


def without_inner_from(sql: str) -> str:
    """Hides the FROM that belongs to EXTRACT(… FROM …) and its like: no table follows it."""
    opened = {match.end() - 1 for match in _TAKES_FROM.finditer(sql)}
    if not opened:
        return sql
    levels: list[bool] = []
    pieces: list[str] = []
    last = 0
    for match in _FROM_OR_BRACKET.finditer(sql):
        if match[0] == "(":
            levels.append(match.start() in opened)
        elif match[0] == ")":
            del levels[-1:]
        elif levels and levels[-1]:
            pieces += [sql[last : match.start()], FROM_MASK]
            last = match.end()
    return "".join([*pieces, sql[last:]])


def with_inner_from(sql: str) -> str:
    return sql.replace(FROM_MASK, "FROM")
