"""Which statements Arc refuses before it looks at them any further, in its words. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from local.arc.masking import masked, without_comments, without_inner_from

MOST_BYTES: Final = 10_000
_PAIRS: Final = (
    r"DROP\s+(?:TABLE|DATABASE|INDEX|VIEW)",
    r"DELETE\s+FROM",
    r"TRUNCATE\s+TABLE",
    r"ALTER\s+TABLE",
    r"CREATE\s+(?:TABLE|DATABASE|INDEX)",
    r"INSERT\s+INTO",
    r"UPDATE\s+\w+\s+SET",
    r"(?:EX|IM)PORT\s+DATABASE",
    r"(?:CREATE|DROP)\b[^;]*?\bSECRET",
)
_WORDS: Final = ("ATTACH", "DETACH", "COPY", "PRAGMA", "SET", "RESET", "LOAD", "INSTALL", "CALL")
_DANGEROUS: Final = re.compile(rf"\b(?:{'|'.join((*_PAIRS, *_WORDS))})\b", re.I | re.A)
_PARQUET: Final = "metadata schema file_metadata kv_metadata bloom_probe"
_READS: Final = (
    "parquet csv csv_auto json json_auto json_objects json_objects_auto ndjson ndjson_auto"
    " ndjson_objects text blob xlsx"
)
FILE_FUNCTIONS: Final = (
    *(f"read_{kind}" for kind in _READS.split()),
    *(f"parquet_{kind}" for kind in ("scan", *_PARQUET.split())),
    *("sniff_csv", "glob", "delta_scan", "iceberg_scan", "iceberg_metadata", "iceberg_snapshots"),
    "arc_partition_agg",
)
_READS_FILES: Final = re.compile(rf"\b({'|'.join(FILE_FUNCTIONS)})\s*\(", re.I | re.A)
_PLACEHOLDER: Final = re.compile(r"__(?:STR|IDENT)_\d+__")
_TOKEN: Final = re.compile(r"__(?:STR|IDENT)_\d+__|[A-Za-z_]\w*|[(),]", re.A)
_ENDS_TABLES: Final = frozenset(
    "where group having order limit offset window qualify union except intersect fetch for".split()
)
_DOTTED: Final = re.compile(r"\b(?:FROM|JOIN)[ \t\r\n]+\w+\.\w", re.I | re.A)
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
MOST_NAME: Final = 128


class Refused(Exception):
    """A statement or a name that Arc answers with 400, in its words."""


def check_statement(sql: str) -> None:
    """Raises Refused."""
    if not sql.strip():
        raise Refused("SQL query is required")
    if len(sql.encode(errors="surrogatepass")) > MOST_BYTES:
        raise Refused(f"SQL query exceeds maximum length ({MOST_BYTES} characters)")
    hidden, masks = masked(sql.replace("`", '"'))
    hidden = without_comments(hidden)
    if ";" in hidden.rstrip(" \t\n\r;"):
        raise Refused("Multiple SQL statements are not allowed")
    if _DANGEROUS.search(hidden):
        raise Refused("Dangerous SQL operation not allowed")
    bare = without_comments(masked(sql.replace('"', "").replace("`", ""))[0])
    if function := _READS_FILES.search(bare):
        raise Refused(f"File I/O function not allowed in user SQL: {function[1]}()")
    if _in_table_position(bare, lambda token: token.startswith("__STR_")):
        raise Refused(
            "String literal not allowed in table position (replacement scans are disabled);"
            " reference a table by name"
        )
    _check_quoted_tables(hidden, {mask.placeholder: mask.name for mask in masks if mask.is_name})


def check_header(database: str) -> None:
    """Raises Refused for a database header that no query may carry; none is fine."""
    if database and (why := name_fault(database)):
        raise Refused(f"invalid x-arc-database header: {why}")


def check_one_database(sql: str) -> None:
    """Raises Refused for `db.table`, which does not go together with the header."""
    if _DOTTED.search(without_comments(without_inner_from(masked(sql)[0]))):
        raise Refused(
            "Cross-database queries (db.table syntax) not allowed when x-arc-database header is set"
        )


def name_fault(name: str) -> str:
    """Why a query may not name this; empty when it may."""
    if len(name) > MOST_NAME:
        return f"name too long (max {MOST_NAME} characters)"
    if not _NAME.fullmatch(name):
        return "name contains invalid characters (allowed: alphanumeric, underscore, hyphen)"
    return ""


def _check_quoted_tables(hidden: str, names: Mapping[str, str]) -> None:
    def is_wrong(token: str) -> bool:
        return token.startswith("__IDENT_") and bool(name_fault(names.get(token, token + "?")))

    if wrong := _in_table_position(hidden, is_wrong) if names else "":
        raise Refused(
            "Quoted identifier in table position is not a valid database or measurement name"
            f" (replacement scans are disabled): {names.get(wrong, wrong)}"
        )


def _in_table_position(hidden: str, is_wrong: Callable[[str], bool]) -> str:
    """The first placeholder that stands where a table's name belongs and is wrong there, or nothing."""
    lists = [False]
    """For each bracket that is open: whether a comma goes on with a list of tables."""
    expects_table = False
    for token in _TOKEN.findall(_PLACEHOLDER.sub(r" \g<0> ", hidden)):
        word = token.lower()
        if word == "," and lists[-1]:
            expects_table = True
            continue
        if token.startswith(("__STR_", "__IDENT_")):
            if expects_table and is_wrong(token):
                return str(token)
        elif word in ("from", "join"):
            lists[-1] = True
        else:
            _follow(lists, word)
        expects_table = word in ("from", "join")
    return ""


def _follow(lists: list[bool], word: str) -> None:
    if word == "(":
        lists.append(False)
    elif word == ")":
        if len(lists) > 1:
            lists.pop()
    elif word in _ENDS_TABLES:
        lists[-1] = False
