"""Query answers as Arc writes them: JSON by rows, msgpack by columns with types. Pure."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgpack  # type: ignore[import-untyped]

from local.arc.engine import Answer, Column

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LARGEST: Final = (1 << 63) - 1
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_HUGE: Final = ("HUGEINT", "UHUGEINT")
_WIRE: Final = {
    "BOOLEAN": "bool",
    "TINYINT": "int8",
    "SMALLINT": "int16",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "UTINYINT": "uint8",
    "USMALLINT": "uint16",
    "UINTEGER": "uint32",
    "UBIGINT": "uint64",
    "HUGEINT": "int64",
    "UHUGEINT": "int64",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "BLOB": "binary",
    "DATE": "date32",
    "TIMESTAMP": "timestamp[us]",
    "TIMESTAMP WITH TIME ZONE": "timestamp[us]",
    "TIMESTAMP_S": "timestamp[s]",
    "TIMESTAMP_MS": "timestamp[ms]",
    "TIMESTAMP_NS": "timestamp[ns]",
    "TIME": "string_encoded",
    "INTERVAL": "string_encoded",
    '"NULL"': "null",
}


class Unrenderable(Exception):
    """An answer that Arc cannot encode, in its words."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What an answer says about itself."""

    elapsed_ms: int
    timestamp: str


def wire_type(type: str) -> str:
    """Arc's name for a type, as the msgpack answer carries it."""
    if type.startswith("DECIMAL("):
        return "int64" if type.endswith(",0)") else "float64"
    if type.endswith("]"):
        return "list"
    if type.startswith("STRUCT("):
        return "struct"
    if type.startswith("MAP("):
        return "map"
    if type.startswith("ENUM("):
        return "unknown:dictionary<values=utf8, indices=uint8, ordered=false>"
    return _WIRE.get(type, "utf8")


def as_json(answer: Answer, moment: Moment) -> bytes:
    """One row an array; integral doubles look like integers, and there are no types."""
    writers = [_json_writer(column) for column in answer.columns]
    rows = ",".join(
        f"[{','.join('null' if v is None else w(v) for w, v in zip(writers, row, strict=True))}]"
        for row in answer.rows
    )
    names = ",".join(_text(column.name) for column in answer.columns)
    whole = (
        f'{{"success":true,"columns":[{names}],"data":[{rows}],"row_count":{len(answer.rows)},'
        f'"execution_time_ms":{moment.elapsed_ms},"timestamp":"{moment.timestamp}"}}'
    )
    return whole.encode(errors="surrogateescape")


def as_msgpack(answer: Answer, moment: Moment) -> bytes:
    """One column an array. Raises Unrenderable for an integer that needs more than 64 bits."""
    data = []
    for i, column in enumerate(answer.columns):
        packed = _packer(column)
        data.append([None if row[i] is None else packed(row[i]) for row in answer.rows])
    document = {
        "success": True,
        "columns": [column.name for column in answer.columns],
        "types": [wire_type(column.type) for column in answer.columns],
        "data": data,
        "row_count": len(answer.rows),
        "execution_time_ms": moment.elapsed_ms,
        "timestamp": moment.timestamp,
    }
    return _packed(document)


def error_as_json(error: str, moment: Moment) -> bytes:
    document = {
        "success": False,
        "columns": None,
        "data": None,
        "row_count": 0,
        "execution_time_ms": moment.elapsed_ms,
        "timestamp": moment.timestamp,
        "error": error,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def error_as_msgpack(error: str, moment: Moment) -> bytes:
    document = {
        "success": False,
        "error": error,
        "execution_time_ms": moment.elapsed_ms,
        "timestamp": moment.timestamp,
    }
    return _packed(document)


def _packed(document: dict[str, Any]) -> bytes:
    packed: bytes = msgpack.packb(document, unicode_errors="replace")
    return packed


def _json_writer(column: Column) -> Callable[[Any], str]:
    wire = wire_type(column.type)
    if column.type in _HUGE or column.type.startswith("DECIMAL("):
        return _quoted_number
    if wire.startswith("float"):
        return _float
    if wire.startswith("timestamp"):
        per_second = _PER_SECOND[wire[10:-1]]
        return lambda value: f'"{rfc3339(value, per_second)}"'
    if wire == "date32":
        return lambda value: f'"{rfc3339(value, 10**6)}"'
    if wire == "bool":
        return lambda value: "true" if value else "false"
    if wire == "binary":
        return lambda value: _text(bytes(value).decode(errors="surrogateescape"))
    return str if wire.startswith(("int", "uint")) else _text


def _text(value: Any) -> str:
    return json.dumps(str(value), ensure_ascii=False)


def _quoted_number(value: Any) -> str:
    text = f"{value:f}" if isinstance(value, Decimal) else str(value)
    return f'"{text.rstrip("0").rstrip(".") if "." in text else text}"'


def _float(value: float) -> str:
    if not math.isfinite(value):
        return "null"
    text = f"{Decimal(repr(value)):f}"
    return text.removesuffix(".0")


def rfc3339(value: int, per_second: int) -> str:
    """With as many digits of a second as are not zero, or none."""
    seconds, rest = divmod(value, per_second)
    digits = str(rest).rjust(len(str(per_second)) - 1, "0").rstrip("0") if rest else ""
    moment = _EPOCH + timedelta(seconds=seconds)
    head = moment.isoformat(timespec="seconds").removesuffix("+00:00")
    return f"{head}{'.' if digits else ''}{digits}Z"


def _packer(column: Column) -> Callable[[Any], Any]:
    wire = wire_type(column.type)
    if column.type in _HUGE or (column.type.startswith("DECIMAL(") and wire == "int64"):
        return _int64
    if wire == "float64":
        return float
    if wire.startswith("timestamp"):
        per_second = _PER_SECOND[wire[10:-1]]
        return lambda value: _stamp(value, per_second)
    if wire == "date32":
        return lambda value: _stamp(value, 10**6)
    if wire == "binary":
        return bytes
    return (lambda value: value) if wire in ("bool", "float32") or "int" in wire else str


def _stamp(value: int, per_second: int) -> msgpack.Timestamp:
    seconds, rest = divmod(value, per_second)
    return msgpack.Timestamp(seconds, rest * (10**9 // per_second))


def _int64(value: Any) -> int:
    if not -_LARGEST - 1 <= value <= _LARGEST:
        raise Unrenderable("decimal cast failed at row 0: invalid: integer value out of bounds")
    return int(value)
