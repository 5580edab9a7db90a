"""What other writers left in the metadata tables, as this service writes it: times and texts. Pure."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_GO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?)(?:[.,](\d+))?"  # 2026-11-21 00:43:18.969025316
    r"\s*(Z|[+-]\d\d:?\d\d)?"
    r"(?:\s+[A-Za-z][A-Za-z/_+-]*|\s+[+-]\d{2,4})?"  # the name of the zone
    r"(?:\s+m=[+-][\d.]+)?"  # what Go's clock showed beside it
)
_NUMBER: Final = re.compile(r"-?\d{9,16}")
_MILLISECONDS: Final = 10**12
"""From here on a number is milliseconds since 1970 and not seconds, as Go's driver takes it."""


def moment_from(value: str | bytes) -> datetime | None:
    """The moment that a stored value means, in UTC; None when it cannot be read.

    Reads our own form, SQLite's CURRENT_TIMESTAMP, and all that Go's drivers write: an offset or
    none, up to nine digits of a second, a zone's name, a monotonic reading; seconds or milliseconds
    since 1970 too. No zone means UTC.
    """
    try:
        text = (value if isinstance(value, str) else value.decode()).strip()
        if _NUMBER.fullmatch(text):
            number = int(text)
            return _EPOCH + timedelta(milliseconds=number if abs(number) >= _MILLISECONDS else number * 1000)
        return _moment_in(text)
    except (ValueError, OverflowError):
        return None


def _moment_in(text: str) -> datetime:
    match = _GO.fullmatch(text)
    if match:
        day, time, fraction, zone = match.groups()
        text = f"{day}T{time}{f'.{fraction:0<6.6}' if fraction else ''}{zone or ''}"
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def text_of(moment: datetime) -> str:
    """`2026-11-21T00:43:16.123456Z`: six digits of a second always, so that texts sort as times do."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def time_text(raw: bytes | None) -> str | None:
    """A stored time as `text_of` writes it; None when there is none or it cannot be read."""
    moment = None if raw is None else moment_from(raw)
    return None if moment is None else text_of(moment)


def is_text(raw: bytes | None) -> bool:
    """Whether these bytes of a text column are text; nothing at all is."""
    try:
        (raw or b"").decode()
    except UnicodeDecodeError:
        return False
    return True


def readable_text(raw: bytes | None) -> str | None:
    """The text, as JSON shows it: U+FFFD stands for what is none."""
    return None if raw is None else raw.decode(errors="replace")


def escaped_text(raw: bytes | None) -> str | None:
    """Likewise, and different for different bytes: `\\xe9` stands for what is none."""
    return None if raw is None else raw.decode(errors="backslashreplace")
