"""A client's statement as Arc hands it to DuckDB: files in the place of tables. Pure but for `source`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from local.arc.gate import name_fault
from local.arc.masking import masked, unmasked, with_inner_from, without_comments, without_inner_from

Source = Callable[[str, str], str]
"""(database, measurement) → what DuckDB reads for it."""

_DOTTED: Final = r"([A-Za-z0-9_]+)\.([A-Za-z0-9_]+)\b"
_TABLE: Final = r"([A-Za-z_][A-Za-z0-9_]*)\b"
_JOIN: Final = (
    r"\b((?:(?:LEFT|RIGHT|FULL|INNER|OUTER|CROSS|NATURAL|SEMI|ANTI|ASOF|POSITIONAL)\s+)*"
    r"(?:LATERAL\s+)?JOIN\s+(?:LATERAL\s+)?)"
)
_LEADS: Final = (r"\b(FROM\s+)", _JOIN)
_CTE: Final = re.compile(r"(?:\bWITH\s+(?:RECURSIVE\s+)?|,\s*)(\w+)(?:\s*\([^)]*\))?\s+AS\s*\(", re.I | re.A)
_NOT_TABLES: Final = ("read_parquet", "information_schema", "pg_", "duckdb_")
_SIMPLE: Final = re.compile(
    r"(?!.*(?:--|/\*|with |from\s*\(|\b(?:extract|substring|trim|overlay)\s*\())[^'\"$]*", re.I | re.A | re.S
)
_SIMPLE_TABLE: Final = re.compile(
    r"from [ \t\n]*(?!read_parquet|information_schema|pg_|duckdb_)(\w+)", re.I | re.A
)
"""What follows FROM in a statement without any quote is a table, even if it is called like a function."""
_INVALID: Final = ".arc-invalid-quoted-identifier"
_SPAN: Final = r"(?:INTERVAL\s*)?'(\d+)\s*(second|minute|hour|day|week|month)s?'"
_BUCKET_FROM: Final = re.compile(
    rf"\btime_bucket\s*\(\s*{_SPAN}\s*,\s*([^,]+)\s*,\s*(?:TIMESTAMP\s*)?'([^']+)'\s*\)", re.I | re.A
)
_BUCKET: Final = re.compile(rf"\btime_bucket\s*\(\s*{_SPAN}\s*,\s*([^,)]+)\)", re.I | re.A)
_TRUNC: Final = re.compile(
    r"\bdate_trunc\s*\(\s*'(second|minute|hour|day|week|month)'\s*,\s*([^)]+)\)", re.I | re.A
)
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_ORIGIN: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d:\d\dZ?)?", re.A)


def rewritten(sql: str, database: str, source: Source) -> str:
    """With a header's database, or without one (`""`), where `db.table` works and `default` is assumed."""
    lowered = sql.lower()
    if "read_parquet" in lowered or not ("from" in lowered or "join" in lowered):
        return sql
    sql = _with_plain_times(sql)
    if database and _SIMPLE.fullmatch(sql) and lowered.count("from ") == 1 and " join " not in lowered:
        return _SIMPLE_TABLE.sub(lambda m: f"FROM {source(database, m[1])}", sql, count=1)
    hidden, masks = masked(sql)
    hidden = without_comments(without_inner_from(hidden))
    tables = _Tables(
        database or "default",
        source,
        {mask.placeholder: mask.name for mask in masks if mask.is_name},
        frozenset(name.lower() for name in _CTE.findall(hidden)),
    )
    if not database:
        for lead in _LEADS:
            hidden = re.sub(lead + _DOTTED, tables.dotted, hidden, flags=re.I | re.A)
    for lead in _LEADS:
        hidden = re.sub(lead + _TABLE, tables.plain, hidden, flags=re.I | re.A)
    return unmasked(with_inner_from(hidden), masks)


@dataclass(frozen=True, slots=True)
class _Tables:
    database: str
    source: Source
    names: Mapping[str, str]
    """Placeholder → the quoted name it stands for."""
    ctes: frozenset[str]

    def dotted(self, match: re.Match[str]) -> str:
        return _lead(match[1]) + self.source(self._resolved(match[2]), self._resolved(match[3]))

    def plain(self, match: re.Match[str]) -> str:
        table = self._resolved(match[2])
        if table.lower() in self.ctes or match[2].lower() in self.ctes:
            return match[0]
        follows = match.string[match.end() :].lstrip(" \t")
        if table.lower().startswith(_NOT_TABLES) or follows.startswith((".", "(")):
            return match[0]
        return _lead(match[1]) + self.source(self.database, table)

    def _resolved(self, token: str) -> str:
        name = self.names.get(token)
        if name is None:
            return token
        return _INVALID if not name or name_fault(name) else name


def _lead(text: str) -> str:
    return " ".join(text.split()) + " "


def _with_plain_times(sql: str) -> str:
    """Buckets as whole seconds since 1970, which rounds and begins weeks on Thursdays, as Arc does."""
    sql = _BUCKET_FROM.sub(_bucket_from, sql)
    sql = _BUCKET.sub(lambda m: _bucket(m, int(m[1]), m[2], m[3]), sql)
    return _TRUNC.sub(lambda m: _bucket(m, 1, m[1], m[2]), sql)


def _bucket(match: re.Match[str], amount: int, unit: str, column: str) -> str:
    seconds = amount * _SECONDS.get(unit.lower(), 0)
    if "(" in column or not seconds:
        return match[0]
    return f"to_timestamp((epoch({column.strip()})::BIGINT // {seconds}) * {seconds})"


def _bucket_from(match: re.Match[str]) -> str:
    seconds = int(match[1]) * _SECONDS.get(match[2].lower(), 0)
    column = match[3].strip()
    if "(" in column or not seconds or not _ORIGIN.fullmatch(match[4]):
        return match[0]
    origin = round(datetime.fromisoformat(match[4].removesuffix("Z")).replace(tzinfo=UTC).timestamp())
    return f"to_timestamp({origin} + ((epoch({column})::BIGINT - {origin}) // {seconds}) * {seconds})"
