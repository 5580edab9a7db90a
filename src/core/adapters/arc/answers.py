"""Rows out of an Arc's answer, in MessagePack by column or in JSON by row. Pure.

JSON may end early and still say success, so a question asked in JSON carries the number of its
rows along.
"""

from typing import Any, Final

import msgspec

from core.adapters.arc.replies import Reply, no_arc
from core.model.errors import StoreAmbiguous

Row = tuple[Any, ...]


class _Columnar(msgspec.Struct):
    success: bool
    columns: list[str] | None = None
    data: list[list[Any]] | None = None
    row_count: int = 0


class _RowWise(msgspec.Struct):
    success: bool
    columns: list[str] | None = None
    data: list[list[Any]] | None = None


_columnar: Final = msgspec.msgpack.Decoder(_Columnar)
_rowwise: Final = msgspec.json.Decoder(_RowWise)


def columnar_rows(reply: Reply) -> list[Row] | None:
    """The rows; None when the Arc read no file at all. Raises StoreAmbiguous for half an answer."""
    try:
        answer = _columnar.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise _unusable(reply) from e
    if not answer.success or answer.data is None:
        raise StoreAmbiguous("the Arc's answer says nothing")
    if not answer.columns:
        return None
    rows = list(zip(*answer.data, strict=False)) if answer.data else []
    if len(rows) != answer.row_count or {len(column) for column in answer.data} - {len(rows)}:
        raise StoreAmbiguous("the Arc's answer is not whole")
    return rows


def counted(statement: str, order: str = "") -> str:
    """The statement with the number of its rows as a last column of each, in this order."""
    ordered = f" ORDER BY {order}" if order else ""
    return f"SELECT *, count(*) OVER () AS rows_in_all FROM ({statement}) AS page{ordered}"


def counting(statement: str) -> str:
    """Only the number of the statement's rows: one row, always."""
    return f"SELECT count(*) AS rows_in_all FROM ({statement}) AS page"


def counted_rows(reply: Reply) -> list[Row] | None:
    """The rows of a `counted` statement without the count; None when the Arc read no file at all.

    Raises StoreAmbiguous when there are fewer than it says. None at all may mean that it broke
    off before the first: ask by `counting` then.
    """
    try:
        answer = _rowwise.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise _unusable(reply) from e
    if not answer.success or answer.data is None:
        raise StoreAmbiguous("the Arc's answer says nothing")
    if not answer.columns:
        return None
    if answer.data and len(answer.data) != int(answer.data[0][-1]):
        raise StoreAmbiguous("the Arc's answer is not whole")
    return [tuple(row[:-1]) for row in answer.data]


def _unusable(reply: Reply) -> Exception:
    """What cannot be decoded was cut short, or is no Arc's."""
    return no_arc() if reply.body.lstrip()[:1] == b"<" else StoreAmbiguous("the Arc's answer is not whole")
