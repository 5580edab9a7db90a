"""Which deletions Arc refuses before it looks at any file, in its words. Pure."""

import re
from typing import Any, Final, NamedTuple

from local.arc.gate import FILE_FUNCTIONS, Refused

_KEYWORDS: Final = (
    "DROP DELETE INSERT UPDATE EXEC EXECUTE UNION SELECT CREATE ALTER COPY ATTACH DETACH LOAD INSTALL"
    " PRAGMA CALL SET"
)
_KEYWORD: Final = re.compile(rf"\b({'|'.join(_KEYWORDS.split())})\b", re.I | re.A)
_READS_FILES: Final = re.compile(rf"\b({'|'.join(FILE_FUNCTIONS)})\s*\(", re.I | re.A)
_PUNCTUATION: Final = (";", "--", "/*")
_EVERYTHING: Final = ("1=1", "TRUE", "1")


class Order(NamedTuple):
    """What is to be deleted."""

    database: str
    measurement: str
    where: str
    dry_run: bool
    confirm: bool


def order_of(body: dict[str, Any]) -> Order:
    """Checks all that needs no file; words are refused inside texts too. Raises Refused."""
    order = Order(
        *(_field(body, name, str) for name in ("database", "measurement", "where")),
        *(_field(body, name, bool) for name in ("dry_run", "confirm")),
    )
    for name in ("database", "measurement"):
        _check_name(name, getattr(order, name))
    is_everything = _check_where(order.where)
    if is_everything and not order.confirm:
        raise Refused("Full table delete detected (WHERE 1=1). Set confirm=true to proceed.")
    if not (order.dry_run or order.confirm):
        raise Refused(
            "Confirmation required for delete operation. Set confirm=true or use dry_run=true to preview."
        )
    return order


def check_extent(rows: int, confirm: bool, *, most: int, threshold: int) -> None:
    """Dry runs are held to it too. Raises Refused."""
    if rows > most:
        raise Refused(
            f"Delete would affect {rows} rows, exceeding maximum of {most}."
            " Adjust delete.max_rows_per_delete in arc.toml or refine WHERE clause."
        )
    if rows > threshold and not confirm:
        raise Refused(
            f"Delete would affect {rows} rows (threshold: {threshold}). Set confirm=true to proceed."
        )


def _field(body: dict[str, Any], name: str, kind: type) -> Any:
    value = body.get(name)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise Refused(f"Invalid request body: json: cannot unmarshal into field DeleteRequest.{name}")
    return value


def _check_name(what: str, name: str) -> None:
    if not name:
        raise Refused(f"{what} is required")
    if "/" in name or "\\" in name or ".." in name:
        raise Refused(f"{what} name contains invalid characters")


def _check_where(where: str) -> bool:
    """Whether it says all rows. Raises Refused."""
    if not where.strip():
        raise Refused(
            "WHERE clause is required. To delete all data, use WHERE clause '1=1' with confirm=true"
        )
    shouted = where.strip().upper()
    shouted = shouted.removeprefix("WHERE ").strip()
    for piece in _PUNCTUATION:
        if piece in shouted:
            raise Refused(f"WHERE clause contains forbidden pattern: {piece}")
    if keyword := _KEYWORD.search(where):
        raise Refused(f"WHERE clause contains forbidden keyword: {keyword[1].upper()}")
    if function := _READS_FILES.search(where.replace('"', "").replace("`", "")):
        raise Refused(f"WHERE clause contains forbidden file I/O function: {function[1]}()")
    if where.count("'") % 2:
        raise Refused("WHERE clause has unmatched quotes")
    if where.count("(") != where.count(")"):
        raise Refused("WHERE clause has unmatched parentheses")
    return shouted in _EVERYTHING
