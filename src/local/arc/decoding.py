"""A body of the write door as records: what is decoded, what is dropped and what is refused. Pure."""

from typing import Any

import msgpack  # type: ignore[import-untyped]

from core.model.memory import Micros
from local.arc.records import Record, Undecodable, go_type, invalid, is_map, measurement_of, micros_of
from local.arc.rows import Row, gathered, row_of


def decoded(payload: bytes, now: Micros) -> list[Record]:
    """The records of one body, rows last; bad ones in a batch are passed over. Raises Undecodable."""
    value = _unpacked(payload)
    if is_map(value):
        found = _of_map(value, now)
    elif isinstance(value, list):
        found = _of_items(value, now)
    else:
        raise invalid(f"unsupported msgpack payload type: {go_type(value)}")
    rows = [each for each in found if isinstance(each, Row)]
    return [each for each in found if isinstance(each, Record)] + gathered(rows)


def _unpacked(payload: bytes) -> Any:
    unpacker = msgpack.Unpacker(
        strict_map_key=False,
        unicode_errors="replace",
        max_buffer_size=len(payload) + 1,
        ext_hook=_unknown,
    )
    unpacker.feed(payload)
    try:
        return unpacker.unpack()
    except (msgpack.UnpackException, ValueError, TypeError) as e:
        raise invalid(f"failed to unmarshal msgpack: {e or 'EOF'}") from e


def _unknown(code: int, _: bytes) -> Any:
    raise ValueError(f"msgpack: unknown ext id={code}")


def _of_items(items: list[Any], now: Micros) -> list[Record | Row]:
    found: list[Record | Row] = []
    for item in items:
        if is_map(item):
            try:
                found += _of_map(item, now)
            except Undecodable:
                continue  # Arc logs it and answers 204
    return found


def _of_map(value: dict[str, Any], now: Micros) -> list[Record | Row]:
    if isinstance(batch := value.get("batch"), list):
        return _of_items(batch, now)
    columns = value.get("columns")
    if is_map(columns):
        return [_columnar(value, columns, now)]
    return [row_of(value, now)]


def _columnar(value: dict[Any, Any], given: dict[Any, Any], now: Micros) -> Record:
    measurement = measurement_of(value.get("m"))
    columns = {name: list(column) for name, column in given.items() if isinstance(column, list)}
    if not columns:
        raise invalid("columnar format requires non-empty 'columns' dict")
    count = len(next(iter(columns.values())))
    for name, column in columns.items():
        if len(column) != count:
            raise invalid(
                f"columnar format: array length mismatch (expected {count}, got {len(column)} for '{name}')"
            )
    is_stamped = not columns.get("time")
    columns["time"] = [now] * count if is_stamped else micros_of(columns["time"])
    return Record(measurement, columns, is_stamped)
