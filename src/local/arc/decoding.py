"""A body of the write door as records: what is decompressed, decoded, dropped and refused. Pure."""

import math
import zlib
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

import msgpack  # type: ignore[import-untyped]
import zstandard

from core.model.memory import Micros

GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
_INT64: Final = 1 << 63
_BITE: Final = 64 << 10
_SIZES: Final = ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))
_UNITS: Final = ((10**10, 1_000_000), (10**13, 1_000), (10**16, 1))
"""Below this a time counts in units of so many microseconds; from there on it counts nanoseconds."""


class Undecodable(Exception):
    """A body that Arc answers with 400, in its words."""


@dataclass(frozen=True, slots=True)
class Record:
    """Columns of one measurement, times in microseconds, nothing else converted yet."""

    measurement: str
    columns: dict[str, list[Any]]
    is_stamped: bool = False
    """Whether the times are Arc's, as the client sent none."""


def decompressed(body: bytes, most: int) -> bytes:
    """By what it begins with, whatever the headers say. Raises Undecodable."""
    if body.startswith(GZIP):
        return _gunzipped(body, most)
    if body.startswith(ZSTD):
        return _unzstandard(body, most)
    return body


def _gunzipped(body: bytes, most: int) -> bytes:
    try:
        worker = zlib.decompressobj(wbits=31)
        data = worker.decompress(body, most + 1)
    except zlib.error as e:
        raise Undecodable(f"Invalid gzip compression: {e}") from e
    if len(data) > most:
        raise Undecodable(f"Invalid gzip compression: decompressed payload exceeds {sized(most)} limit")
    if not worker.eof:
        raise Undecodable("Invalid gzip compression: unexpected EOF")
    return data


def _unzstandard(body: bytes, most: int) -> bytes:
    words = "Invalid zstd compression: failed to decompress zstd:"
    worker, data = zstandard.ZstdDecompressor().decompressobj(), bytearray()
    try:
        for start in range(0, len(body), _BITE):
            data += worker.decompress(body[start : start + _BITE])
            if len(data) > most:
                raise Undecodable(f"{words} decompressed size exceeds configured limit")
    except zstandard.ZstdError as e:
        raise Undecodable(f"{words} {e}") from e
    if not worker.eof:
        raise Undecodable(f"{words} unexpected EOF")
    return bytes(data)


def sized(size: int) -> str:
    """Bytes as Arc writes them."""
    for unit, name in _SIZES:
        if size >= unit:
            return f"{size // unit}{name}" if size % unit == 0 else f"{size / unit:.1f}{name}"
    return f"{size}B"


def decoded(payload: bytes, now: Micros) -> list[Record]:
    """The records of one body; bad ones in a batch are passed over. Raises Undecodable."""
    value = _unpacked(payload)
    if is_map(value):
        return _of_map(value, now)
    if not isinstance(value, list):
        raise _invalid(f"unsupported msgpack payload type: {type(value).__name__}")
    return _of_items(value, now)


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
        raise _invalid(f"failed to unmarshal msgpack: {e or 'EOF'}") from e


def _unknown(code: int, _: bytes) -> Any:
    raise ValueError(f"msgpack: unknown ext id={code}")


def _of_items(items: list[Any], now: Micros) -> list[Record]:
    found: list[Record] = []
    for item in items:
        if is_map(item):
            try:
                found += _of_map(item, now)
            except Undecodable:
                continue  # Arc logs it and answers 204
    return found


def _of_map(value: dict[Any, Any], now: Micros) -> list[Record]:
    if isinstance(batch := value.get("batch"), list):
        return _of_items(batch, now)
    columns = value.get("columns")
    if is_map(columns):
        return [_columnar(value, columns, now)]
    return [_row(value, now)]


def _columnar(value: dict[Any, Any], given: dict[Any, Any], now: Micros) -> Record:
    measurement = _measurement(value.get("m"))
    columns = {name: list(column) for name, column in given.items() if isinstance(column, list)}
    if not columns:
        raise _invalid("columnar format requires non-empty 'columns' dict")
    count = len(next(iter(columns.values())))
    for name, column in columns.items():
        if len(column) != count:
            raise _invalid(
                f"columnar format: array length mismatch (expected {count}, got {len(column)} for '{name}')"
            )
    is_stamped = not columns.get("time")
    columns["time"] = [now] * count if is_stamped else _micros(columns["time"])
    return Record(measurement, columns, is_stamped)


def _row(value: dict[Any, Any], now: Micros) -> Record:
    """One row in the older shape: tags become texts, and one named `host` is always there."""
    measurement = _measurement(value.get("m"))
    time = value.get("t")
    if time is not None and not _is_number(time):
        raise _invalid(f"invalid timestamp type: {type(time).__name__}")
    fields = value.get("fields")
    if not is_map(fields):
        compact = value.get("f")
        if compact is None:
            raise _invalid("missing required field 'fields' or 'f'")
        fields = {f"field_{i}": v for i, v in enumerate(compact if isinstance(compact, list) else [])}
    given = value.get("tags")
    tags = {k: v if isinstance(v, str) else str(v) for k, v in (given if is_map(given) else {}).items()}
    if host := _host(value.get("h")):
        tags["host"] = host
    columns = {name: [text] for name, text in tags.items()}
    columns |= {f"{name}_value" if name in tags else name: [v] for name, v in fields.items()}
    return Record(measurement, {**columns, "time": _micros([now if time is None else time])}, time is None)


def is_map(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether it is a map with nothing but texts for keys: Arc knows no other."""
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def _measurement(value: Any) -> str:
    if value is None:
        raise _invalid("missing required field 'm' (measurement)")
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"measurement_{value}"
    raise _invalid(f"invalid measurement type: {type(value).__name__}")


def _host(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"host_{value}" if isinstance(value, int) and not isinstance(value, bool) else "unknown"


def _micros(times: list[Any]) -> list[int]:
    """The unit is guessed from the first and holds for all."""
    whole: list[int] = []
    for i, time in enumerate(times):
        if not _is_number(time):
            place = f" at index {i}" if i else " in columnar format"
            raise _invalid(
                f"failed to normalize timestamps: invalid timestamp type{place}: {type(time).__name__}"
            )
        whole.append(_int64(time))
    for below, factor in _UNITS:
        if whole[0] < below:
            return [_wrapped(time * factor) for time in whole]
    return [-(-time // 1000) if time < 0 else time // 1000 for time in whole]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _int64(value: float) -> int:
    if isinstance(value, float) and not math.isfinite(value):
        return -_INT64
    return _wrapped(int(value))


def _wrapped(value: int) -> int:
    return (value + _INT64) % (2 * _INT64) - _INT64


def _invalid(what: str) -> Undecodable:
    return Undecodable(f"Invalid MessagePack payload: {what}")
