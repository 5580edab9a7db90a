"""Which hours Arc reads for a statement: what it takes from the text of the first WHERE. Pure.

Literal, mistakes included: names are not anchored (`event_time >= …` counts), OR is not seen, the
one range applies to every table, and a range that ends on an hour with `<=` leaves that hour out.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple

from local.arc.masking import masked, unmasked

MOST_PATHS: Final = 50_000
_FIRST_DATA: Final = datetime(2020, 1, 1, tzinfo=UTC)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WHERE: Final = re.compile(r"\bWHERE\b\s+(.+?)(?:\bGROUP BY\b|\bORDER BY\b|\bLIMIT\b|\Z)", re.I | re.A | re.S)


def _compared(*operators: str) -> list[re.Pattern[str]]:
    names = ("time", "timestamp")
    return [re.compile(rf"{n}\s*{o}\s*'([^']+)'", re.I | re.A) for n in names for o in operators]


_STARTS: Final = _compared(">=", ">")
_ENDS: Final = _compared("<", "<=")
_BETWEEN: Final = re.compile(r"time\s+BETWEEN\s+'([^']+)'\s+AND\s+'([^']+)'", re.I | re.A)
_RELATIVE: Final = (
    r"time\s*{}=?\s*(?:NOW\s*\(\s*\)|CURRENT_TIMESTAMP)\s*{}\s*INTERVAL\s*"
    r"'(\d+)\s*(second|minute|hour|day|week|month)s?'"
)
_SIGNS: Final = ((-1, "-"), (1, r"\+"))
_DAY: Final = r"(?P<y>\d{4})-(?P<mo>\d\d)-(?P<d>\d\d)"
_CLOCK: Final = r"(?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)(?:[.,](?P<f>\d+))?"
_FORMS: Final = [
    re.compile(form, re.ASCII)
    for form in (
        rf"{_DAY}T{_CLOCK}(?:Z|(?P<sign>[+-])(?P<zh>\d\d):(?P<zm>\d\d))",
        rf"{_DAY}(?: {_CLOCK})?",
        rf"{_DAY} (?P<h>\d\d):(?P<mi>\d\d)",
        rf"{_DAY.replace('-', '/')}(?: {_CLOCK})?",
    )
]


class Range(NamedTuple):
    """[start, end), in the eyes of the pruner."""

    start: datetime
    end: datetime


def time_range(sql: str, now: datetime) -> Range | None:
    """The range the pruner believes in; None where it finds none and everything is read."""
    hidden, masks = masked(sql)
    found = _WHERE.search(hidden)
    if found is None:
        return None
    where = unmasked(found[1], masks)
    start = _first(_STARTS, where)
    end = _first(_ENDS, where)
    if between := _BETWEEN.search(where):
        low, high = _moment(between[1]), _moment(between[2])
        if low is not None and high is not None:
            start, end = low, high
    start = start or _relative(">", where, now)
    end = end or _relative("<", where, now)
    if start is None and end is None:
        return None
    return Range(start or _FIRST_DATA, end or now + timedelta(hours=24))


def folders(span: Range) -> list[str] | None:
    """The folders of the range below a measurement, hours and then days; None where they are too many."""
    start = max(span.start, _EPOCH)
    start = start.replace(minute=0, second=0, microsecond=0)
    hours = -((start - span.end) // timedelta(hours=1))
    if hours <= 0:
        return []
    if hours + hours // 24 + 1 > MOST_PATHS:
        return None
    paths = [f"{start + timedelta(hours=i):%Y/%m/%d/%H}" for i in range(hours)]
    return [*paths, *dict.fromkeys(path[:10] for path in paths)]


def _first(patterns: list[re.Pattern[str]], where: str) -> datetime | None:
    for pattern in patterns:
        found = pattern.search(where)
        if found is not None and (moment := _moment(found[1])) is not None:
            return moment
    return None


def _moment(text: str) -> datetime | None:
    found = next((match for form in _FORMS if (match := form.fullmatch(text))), None)
    if found is None:
        return None
    part = {key: value for key, value in found.groupdict().items() if value is not None}
    year, month, day = (int(part[key]) for key in ("y", "mo", "d"))
    hour, minute, second = (int(part.get(key, "0")) for key in ("h", "mi", "s"))
    fraction = int(part.get("f", "").ljust(6, "0")[:6])
    offset = timedelta(hours=int(part.get("zh", "0")), minutes=int(part.get("zm", "0")))
    try:
        zone = timezone(-offset if part.get("sign") == "-" else offset)
        return datetime(year, month, day, hour, minute, second, fraction, zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _relative(operator: str, where: str, now: datetime) -> datetime | None:
    for sign, word in _SIGNS:
        found = re.search(_RELATIVE.format(operator, word), where, re.I | re.A)
        if found is not None:
            return _moved(now, sign * int(found[1]), found[2].lower())
    return None


def _moved(now: datetime, amount: int, unit: str) -> datetime | None:
    try:
        if unit != "month":
            return now + amount * timedelta(**{f"{unit}s": 1})
        months = now.year * 12 + now.month - 1 + amount
        first = now.replace(year=months // 12, month=months % 12 + 1, day=1)
        return first + timedelta(days=now.day - 1)
    except (ValueError, OverflowError):
        return None
