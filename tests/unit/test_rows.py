"""Times and JSON as the metadata tables keep them."""

import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.sqlite.rows import moment_in, moment_or_none, object_in, rules, text_of
from core.model.errors import DatabaseError

MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))


@given(MOMENTS)
def test_a_time_is_read_as_it_was_written(moment: datetime) -> None:
    assert moment_in(text_of(moment)) == moment


@given(MOMENTS, MOMENTS)
def test_texts_sort_as_their_times(one: datetime, other: datetime) -> None:
    assert (text_of(one) < text_of(other)) == (one < other)


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    zone = timezone(timedelta(hours=2))
    assert text_of(datetime(2026, 1, 1, 1, tzinfo=zone)) == "2025-12-31T23:00:00.000000Z"


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-11-21 00:43:18", 0),
        ("2026-11-21 00:43:18.969025316+00:00", 969_025),
        ("2026-11-21 02:43:18.5+02:00", 500_000),
        ("2026-11-21T00:43:18.000001Z", 1),
    ],
)
def test_every_form_of_a_time_is_read(text: str, micros: int) -> None:
    assert moment_in(text) == datetime(2026, 11, 21, 0, 43, 18, micros, tzinfo=UTC)


def test_no_time_at_all_reads_as_the_first() -> None:
    assert moment_in(None) == datetime(1970, 1, 1, tzinfo=UTC)
    assert moment_or_none(None) is None


def test_a_text_that_is_no_time_is_an_error_of_the_database() -> None:
    with pytest.raises(DatabaseError, match="a time that cannot be read"):
        moment_in("yesterday")


@pytest.mark.parametrize("text", [None, "", "{", "[1]", "null", "[" * 100_000])
def test_what_is_no_object_reads_as_an_empty_one(text: str | None) -> None:
    assert object_in(text) == {}


def test_a_rule_that_nobody_names_stays_the_databases_error() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (x INTEGER NOT NULL)")
    with pytest.raises(sqlite3.IntegrityError), rules(taken="taken"):
        connection.execute("INSERT INTO t VALUES (NULL)")
    connection.close()
