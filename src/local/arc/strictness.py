"""What a strict double refuses although Arc takes it: statements that Arc gets wrong. Pure.

Arc's own scanner misreads such a text, or its optimizer changes what such a condition means. A
client that never sends one gets the same from Arc and from a double that is not strict.
"""

import re
from typing import Final

from local.arc.gate import Refused

_TEXT: Final = re.compile(r"(?<!\w)(?P<kind>[eE])?'(?P<text>(?:''|[^'])*)'|\"(?:\"\"|[^\"])*\"", re.A)
_MISREAD: Final = (("\\", "a backslash"), ("__", "two underscores in a row"), ("\0", "a NUL"))
_UNEQUAL: Final = re.compile(r"<>\s*'\s*'", re.A)
_LIKE: Final = re.compile(r"\bI?LIKE\b", re.I | re.A)
_BUCKET: Final = re.compile(r"\b(?:date_trunc|time_bucket)\s*\([^(),]*,\s*[\w.]+\s*[,)]", re.I | re.A)
_REGEX: Final = re.compile(r"\bregexp_(?:replace|extract)\s*\(", re.I | re.A)


def check_strictly(sql: str) -> None:
    """Raises Refused with words that no Arc says."""
    for found in _TEXT.finditer(sql):
        text = found["text"]
        if text is None:
            continue
        if found["kind"]:
            _refuse("an escape string (E'…') is read differently by its scanner and by DuckDB")
        for piece, name in _MISREAD:
            if piece in text:
                _refuse(f"a literal holds {name}; its scanner misreads that")
        if "read_parquet" in text.lower():
            _refuse("a literal holds read_parquet; no table of the statement would be found")
    _check_shape(_TEXT.sub("''", sql))


def _check_shape(sql: str) -> None:
    if "$$" in sql:
        _refuse("dollar quotes need a tag that no text holds; use the encoder of literals")
    if _UNEQUAL.search(sql) and _LIKE.search(sql):
        _refuse("<> '' beside LIKE is moved to the front of the WHERE; write !=")
    if _BUCKET.search(sql):
        _refuse("date_trunc and time_bucket round a bare column; put it in brackets")
    if _REGEX.search(sql):
        _refuse("calls of regexp_replace and regexp_extract may be replaced")


def _refuse(why: str) -> None:
    raise Refused(f"refused by the double, Arc would get it wrong: {why}")
