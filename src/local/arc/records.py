"""What the write door makes of a body: records, and the rules that all shapes of them share. Pure."""

import math
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

_INT64: Final = 1 << 63
_UNITS: Final = ((10**10, 1_000_000), (10**13, 1_000), (10**16, 1))
"""Below this a time counts in units of so many microseconds; from there on it counts nanoseconds."""


_GO: Final[tuple[tuple[type, str], ...]] = (
    (bool, "bool"),  # before int, which it is too
    (int, "int64"),
    (float, "float64"),
    (str, "string"),
    (bytes, "[]uint8"),
    (list, "[]interface {}"),
    (dict, "map[string]interface {}"),
    (type(None), "<nil>"),
)


class Undecodable(Exception):
    """A body that Arc answers with 400, in its words."""


@dataclass(frozen=True, slots=True)
class Record:
    """Columns of one measurement, times in microseconds, nothing else converted yet."""

    measurement: str
    columns: dict[str, list[Any]]
    is_stamped: bool = False
    """Whether the times are Arc's, as the client sent none."""


def is_map(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether it is a map with nothing but texts for keys: Arc knows no other."""
    return isinstance(value, dict) and all(isinstance(key, str) for key in value)


def measurement_of(value: Any) -> str:
    if value is None:
        raise invalid("missing required field 'm' (measurement)")
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"measurement_{value}"
    raise invalid(f"invalid measurement type: {go_type(value)}")


def micros_of(times: list[Any]) -> list[int]:
    """The unit is guessed from the first and holds for all."""
    whole: list[int] = []
    for i, time in enumerate(times):
        if not is_number(time):
            place = f" at index {i}" if i else " in columnar format"
            raise invalid(f"failed to normalize timestamps: invalid timestamp type{place}: {go_type(time)}")
        whole.append(_int64(time))
    for below, factor in _UNITS:
        if whole[0] < below:
            return [_wrapped(time * factor) for time in whole]
    return [-(-time // 1000) if time < 0 else time // 1000 for time in whole]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _int64(value: float) -> int:
    if isinstance(value, float) and not math.isfinite(value):
        return -_INT64
    return _wrapped(int(value))


def _wrapped(value: int) -> int:
    return (value + _INT64) % (2 * _INT64) - _INT64


def invalid(what: str) -> Undecodable:
    return Undecodable(f"Invalid MessagePack payload: {what}")


def go_type(value: Any) -> str:
    """What Arc calls such a value's type in its answers."""
    if is_number(value) and isinstance(value, int) and value >= _INT64:
        return "uint64"
    return next((name for kind, name in _GO if isinstance(value, kind)), "time.Time")
