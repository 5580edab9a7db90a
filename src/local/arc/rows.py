"""The older shape of a write, one map a row; its rows are gathered into columns. Pure."""

from dataclasses import dataclass
from typing import Any

from core.model.memory import Micros
from local.arc.records import Record, go_type, invalid, is_map, is_number, measurement_of, micros_of


@dataclass(frozen=True, slots=True)
class Row:
    measurement: str
    time: Micros
    is_stamped: bool
    fields: dict[str, Any]
    tags: dict[str, str]


def row_of(value: dict[str, Any], now: Micros) -> Row:
    """Tags become texts, and one named `host` is always there. Raises Undecodable."""
    measurement = measurement_of(value.get("m"))
    time = value.get("t")
    if time is not None and not is_number(time):
        raise invalid(f"invalid timestamp type: {go_type(time)}")
    fields = value.get("fields")
    if not is_map(fields):
        compact = value.get("f")
        if compact is None:
            raise invalid("missing required field 'fields' or 'f'")
        fields = {f"field_{i}": v for i, v in enumerate(compact if isinstance(compact, list) else [])}
    given = value.get("tags")
    tags = {name: _text(tag) for name, tag in given.items()} if is_map(given) else {}
    if host := _host(value.get("h")):
        tags["host"] = host
    micros = now if time is None else micros_of([time])[0]
    return Row(measurement, micros, time is None, fields, tags)


def gathered(rows: list[Row]) -> list[Record]:
    """One record a measurement; a field that shares a name with a tag of any row is renamed in all."""
    by_measurement: dict[str, list[Row]] = {}
    for row in rows:
        by_measurement.setdefault(row.measurement, []).append(row)
    return [_columns(measurement, mine) for measurement, mine in by_measurement.items()]


def _columns(measurement: str, rows: list[Row]) -> Record:
    tags = dict.fromkeys(name for row in rows for name in row.tags)
    fields = dict.fromkeys(name for row in rows for name in row.fields)
    columns: dict[str, list[Any]] = {name: [row.tags.get(name) for row in rows] for name in tags}
    for name in fields:
        columns[f"{name}_value" if name in tags else name] = [row.fields.get(name) for row in rows]
    columns["time"] = [row.time for row in rows]
    return Record(measurement, columns, all(row.is_stamped for row in rows))


def _host(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"host_{value}" if isinstance(value, int) and not isinstance(value, bool) else "unknown"


def _text(value: Any) -> str:
    """As Go prints it."""
    if value is None:
        return "<nil>"
    return str(value).lower() if isinstance(value, bool) else str(value)
