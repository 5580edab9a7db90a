"""Times and texts as other writers leave them in SQLite."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.sqlite.foreign_values import (
    escaped_text,
    is_text,
    moment_from,
    readable_text,
    text_of,
    time_text,
)

OURS = "2026-11-21T00:43:18.969025Z"
MOMENTS = st.datetimes(
    datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.timezones() | st.just(UTC), allow_imaginary=False
)


@pytest.mark.parametrize(
    ("stored", "means"),
    [
        (OURS, OURS),
        ("2026-11-21 00:43:18", "2026-11-21T00:43:18.000000Z"),
        ("2026-11-21 00:43:18.969025316+00:00", OURS),
        ("2026-11-21 00:43:18.5+00:00", "2026-11-21T00:43:18.500000Z"),
        ("2026-11-21 00:43:18+00:00", "2026-11-21T00:43:18.000000Z"),
        ("2026-11-21 02:43:18.969025316+02:00", OURS),
        ("2026-11-20 20:43:18.969025316-04:00", OURS),
        ("2026-11-21T00:43:18Z", "2026-11-21T00:43:18.000000Z"),
        ("2026-11-21T02:43:18.969025316+02:00", OURS),
        ("2026-11-21 00:43:18.969025316 +0000 UTC", OURS),
        ("2026-11-21 00:43:18.969025316 +0000 UTC m=+0.120000001", OURS),
        ("2026-11-21 02:43:18.969025316 +0200 CEST m=+3600.5", OURS),
        ("2026-11-21 03:43:18.969025316 +0300 +03 m=+3600.5", OURS),
        ("2026-11-21 00:43:18 UTC", "2026-11-21T00:43:18.000000Z"),
        ("2026-11-21 00:43", "2026-11-21T00:43:00.000000Z"),
        ("2026-11-21", "2026-11-21T00:00:00.000000Z"),
        ("  2026-11-21 00:43:18 ", "2026-11-21T00:43:18.000000Z"),
        ("0001-01-01 00:00:00+00:00", "0001-01-01T00:00:00.000000Z"),
        ("1795221798", "2026-11-21T00:43:18.000000Z"),
        ("1795221798969", "2026-11-21T00:43:18.969000Z"),
    ],
)
def test_a_time_is_read_in_every_form_that_go_and_sqlite_write(stored: str, means: str) -> None:
    assert time_text(stored.encode()) == means


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "never",
        "2026-13-45 99:99:99",
        "0001-01-01 00:00:00+02:00",
        "9" * 16,
        "\ud800",
        "2026-11-21 00:43:1x",
    ],
)
def test_what_is_no_time_is_none(stored: str) -> None:
    assert moment_from(stored) is None


def test_bytes_that_are_no_text_are_no_time() -> None:
    assert time_text(b"2026-11-21 00:43:18\xff") is None


def test_no_time_is_none() -> None:
    assert time_text(None) is None


@given(MOMENTS)
def test_what_go_writes_is_read_to_the_microsecond(moment: datetime) -> None:
    offset = moment.utcoffset()
    assert offset is not None
    if offset.seconds % 60:  # before there were time zones; Go writes whole minutes only
        moment = moment.replace(tzinfo=timezone(timedelta(minutes=offset // timedelta(minutes=1))))
    stored = moment.isoformat(" ", "microseconds")
    assert moment_from(stored) == moment.astimezone(UTC)


@given(MOMENTS)
def test_our_form_is_read_as_it_was_written(moment: datetime) -> None:
    assert moment_from(text_of(moment)) == moment.astimezone(UTC)


@given(MOMENTS, MOMENTS)
def test_our_form_sorts_as_the_times_do(one: datetime, other: datetime) -> None:
    assert (text_of(one) < text_of(other)) == (one.astimezone(UTC) < other.astimezone(UTC))


@pytest.mark.parametrize(("raw", "answer"), [(b"caf\xc3\xa9", True), (b"caf\xe9", False), (None, True)])
def test_text_is_told_from_other_bytes(raw: bytes | None, answer: bool) -> None:
    assert is_text(raw) is answer


def test_text_that_is_none_becomes_readable() -> None:
    assert readable_text(b"caf\xe9") == "caf�"
    assert escaped_text(b"caf\xe9") == "caf\\xe9"


def test_no_text_stays_none() -> None:
    assert readable_text(None) is None
    assert escaped_text(None) is None
