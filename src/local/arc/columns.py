"""Columns with types, as Arc makes them of what a client sent. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from local.arc.records import Record, go_type

_LARGEST: Final = (1 << 63) - 1
_TYPES: Final = {
    "bool": "BOOLEAN",
    "int64": "BIGINT",
    "uint64": "BIGINT",
    "float64": "DOUBLE",
    "string": "VARCHAR",
}
TIME: Final = "TIMESTAMP WITH TIME ZONE"


class Inconvertible(Exception):
    """Columns that Arc answers with 500, for good, in its words."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one measurement with one type a column."""

    types: dict[str, str]
    """Column → DuckDB type, in the order sent; one that is to be dropped is still there."""
    columns: dict[str, list[Any]]
    rows: int
    is_stamped: bool = False

    @property
    def signature(self) -> tuple[tuple[str, str], ...]:
        """What must be the same for two batches to wait in one buffer."""
        return tuple(sorted((n, t) for n, t in self.types.items() if n and not n.startswith("_")))

    @property
    def is_fatal(self) -> bool:
        """Whether writing it out ends Arc's process: a column has no name."""
        return "" in self.types

    @property
    def stored(self) -> list[str]:
        """The columns that reach a file."""
        return [name for name in self.types if not name.startswith("_")]


def batch_of(record: Record) -> Batch:
    """Raises Inconvertible."""
    types: dict[str, str] = {}
    columns: dict[str, list[Any]] = {}
    for name, values in record.columns.items():
        if not values:
            continue
        types[name] = TIME if name == "time" else _type(name, values)
        columns[name] = values if name == "time" else _converted(name, types[name], values)
    rows = len(next(iter(columns.values()), ()))
    return Batch(types, columns, rows, record.is_stamped)


def joined(batches: Iterable[Batch]) -> Batch:
    """Batches of one signature as one."""
    every = list(batches)
    types = every[0].types
    columns = {
        name: [v for batch in every for v in batch.columns.get(name, [None] * batch.rows)] for name in types
    }
    return Batch(types, columns, sum(batch.rows for batch in every))


def _type(name: str, values: list[Any]) -> str:
    first = next((v for v in values if v is not None), None)
    if first is None:
        return "VARCHAR"
    if (kind := go_type(first)) in _TYPES:
        return _TYPES[kind]
    raise Inconvertible(f"unsupported column type for '{name}': {kind}")


def _converted(name: str, type: str, values: list[Any]) -> list[Any]:
    if type == "BIGINT":
        return [None if v is None else _integer(name, v) for v in values]
    if type == "DOUBLE":
        return [None if v is None else _float(name, v) for v in values]
    for value in values:
        if value is not None and not isinstance(value, str if type == "VARCHAR" else bool):
            kind = "string" if type == "VARCHAR" else "bool"
            raise Inconvertible(f"unexpected type in {kind} column '{name}': {go_type(value)}")
    return values


def _integer(name: str, value: Any) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # A float is cut off; one that is not a number passes the bounds and becomes the smallest.
    if is_number and value != value:
        return -_LARGEST - 1
    if is_number and -_LARGEST - 1 <= value <= _LARGEST:
        return int(value)
    raise Inconvertible(f"cannot convert {go_type(value)} to int64 in column '{name}'")


def _float(name: str, value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise Inconvertible(f"cannot convert {go_type(value)} to float64 in column '{name}'")
