"""Times as people write them, and times as we answer them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from core.model.errors import InvalidRequest
from core.model.memory import Micros

_RELATIVE = re.compile(r"([1-9][0-9]{0,8})([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST: Final = 366 * 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Final[Micros] = 10**13
"""1970-04-26: smaller microseconds are misread by Arc, and no memory is that old."""
LATEST: Final[Micros] = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""


def micros_of(moment: datetime) -> Micros:
    """Exact microseconds since 1970 UTC of an aware datetime."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(time: Micros) -> datetime:
    """The aware UTC datetime of these microseconds."""
    return _EPOCH + timedelta(microseconds=time)


def rfc3339(time: Micros) -> str:
    """RFC 3339 in UTC with a `Z`; the fraction is left out when it is zero, else six digits."""
    seconds, fraction = divmod(time, 1_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:06d}Z" if fraction else f"{text}Z"


def parse_time(text: str, now: Micros, field: str) -> Micros:
    """`now`, `<n>s|m|h|d|w` before now (at most 366 days), or ISO 8601 (UTC where no zone is given).

    Raises InvalidRequest naming the field: nothing unparseable is ever ignored.
    """
    if text == "now":
        return now
    if match := _RELATIVE.fullmatch(text):
        seconds = int(match[1]) * _UNITS[match[2]]
        if seconds > _LONGEST:
            raise InvalidRequest(f"{field} reaches back more than 366 days", field=field)
        return now - seconds * 1_000_000
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        time = micros_of(moment)
    except (ValueError, OverflowError):
        raise InvalidRequest(
            f"{field} is not a time",
            field=field,
            hint="use a relative time such as 30m, 2h or 7d, or ISO 8601 such as 2026-02-07T20:15:00Z",
        ) from None
    if time < EARLIEST:
        return EARLIEST
    return min(time, LATEST)
