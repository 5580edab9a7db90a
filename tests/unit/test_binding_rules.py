"""What a binding may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.bindings import checked_arc_key, checked_database, checked_measurement, checked_url, masked
from core.model.errors import InvalidRequest


@pytest.mark.parametrize(
    ("given_url", "stored"),
    [
        ("https://arc.example", "https://arc.example"),
        ("http://127.0.0.1:8100/", "http://127.0.0.1:8100"),
        ("https://[::1]:8100/arc", "https://[::1]:8100/arc"),
        (" https://arc.example ", "https://arc.example"),
        ("file:/var/lib/memtrace", "file:/var/lib/memtrace"),
        ("file:///var/lib/memtrace/", "file:/var/lib/memtrace"),
        ("file:/a//b/../c", "file:/a/c"),
        ("file:/my data/store", "file:/my data/store"),
    ],
)
def test_a_url_is_stored_in_one_form(given_url: str, stored: str) -> None:
    assert checked_url(given_url) == stored
    assert checked_url(stored) == stored


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must be http://host"),
        ("arc.example", "must be http://host"),
        ("ftp://arc.example", "must be http://host"),
        ("https://", "must be http://host"),
        ("https://arc.example:0", "must be http://host"),
        ("https://arc example", "must be http://host"),
        ("https://arc.example:99999", "is no URL"),
        ("https://[::1", "is no URL"),
        ("https://user:secret@arc.example", "must not hold credentials"),
        ("https://arc.example/?a=1", "must not have a query"),
        ("https://arc.example/#a", "must not have a query"),
        ("file:", "absolute folder"),
        ("file:store", "absolute folder"),
        ("file://host/store", "absolute folder"),
        ("https://arc.example/\r\nx", "control characters"),
        ("https://" + "a" * 3_000, "longer than"),
    ],
)
def test_a_url_that_cannot_be_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as caught:
        checked_url(url)
    assert caught.value.fields["field"] == "url"
    assert "secret" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_url_of_one_form_or_refused(text: str) -> None:
    try:
        url = checked_url(text)
    except InvalidRequest:
        return
    assert checked_url(url) == url
    assert url.startswith(("http://", "https://", "file:/"))


@pytest.mark.parametrize("name", ["a", "Acme_memory-1", "x" * 64])
def test_a_database_name_as_arc_takes_it(name: str) -> None:
    assert checked_database(name) == name


@pytest.mark.parametrize("name", ["", "1a", "a.b", "ä", "a\n", "x" * 65, "../a", "_a"])
def test_a_database_name_that_arc_does_not_take(name: str) -> None:
    with pytest.raises(InvalidRequest, match="database must be"):
        checked_database(name)


@pytest.mark.parametrize("name", ["events", "Memories_2-x", "x" * 128])
def test_a_measurement_as_arc_takes_it(name: str) -> None:
    assert checked_measurement(name) == name


@pytest.mark.parametrize("name", ["", "1a", "a b", "x" * 129, "events\n"])
def test_a_measurement_that_arc_does_not_take(name: str) -> None:
    with pytest.raises(InvalidRequest, match="measurement must be"):
        checked_measurement(name)


@pytest.mark.parametrize("name", ["pg_events", "DuckDB_x", "information_schema", "read_parquet"])
def test_a_measurement_that_arcs_engine_takes_for_its_own(name: str) -> None:
    with pytest.raises(InvalidRequest, match="measurement must not begin"):
        checked_measurement(name)


def test_an_arc_needs_a_key_and_a_folder_does_not() -> None:
    assert checked_arc_key("", "file:/store") == ""
    assert checked_arc_key("key", "https://arc.example") == "key"
    with pytest.raises(InvalidRequest, match="api_key is needed"):
        checked_arc_key("", "https://arc.example")


@pytest.mark.parametrize("key", ["a b", "a\r\nx-evil: 1", "schlüssel", "x" * 4_097])
def test_a_key_that_fits_no_header_is_refused_unseen(key: str) -> None:
    with pytest.raises(InvalidRequest, match="api_key must be") as caught:
        checked_arc_key(key, "https://arc.example")
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "shown"),
    [("", ""), ("short", "****"), ("123456789012345", "****"), ("abcd1234567890wxyz", "abcd...wxyz")],
)
def test_a_key_is_masked_but_for_its_ends(key: str, shown: str) -> None:
    assert masked(key) == shown
