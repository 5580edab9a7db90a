"""Texts on the wire: what is read of them, and what is refused."""

from datetime import UTC, datetime

import pytest

from core.adapters.aws.api import AwsError
from core.adapters.aws.protocol import answer_of, encoded, error_of, explained, short_code

NOW = datetime(2026, 11, 21, 9, 0, 0, tzinfo=UTC)


def test_bytes_are_base64_and_other_texts_stay() -> None:
    assert encoded({"B": b"\x00\xff", "S": "ä\u2028"}) == '{"B":"AP8=","S":"ä\u2028"}'.encode()
    assert answer_of(b'{"Item":{"x":{"B":"AP8="},"y":{"BS":["YQ=="]}}}') == {
        "Item": {"x": {"B": b"\x00\xff"}, "y": {"BS": [b"a"]}}
    }


def test_no_body_is_an_empty_answer() -> None:
    assert answer_of(b"") == {}


@pytest.mark.parametrize(
    "body",
    [b"x", b"[]", b'"a"', b"{", b'{"B":"?"}', b'{"BS":[1]}', b'{"BS":["?"]}', b"\xff", b'{"a":' * 5000],
)
def test_what_cannot_be_read_is_no_answer_and_is_not_quoted(body: bytes) -> None:
    with pytest.raises(AwsError) as caught:
        answer_of(body)
    assert (caught.value.code, caught.value.text) == ("", "the answer cannot be read")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("given", "short"),
    [
        ("com.amazonaws.dynamodb.v20120810#Throttling", "Throttling"),
        ("Throttling:http://internal.amazon.com/coral/com.amazon.coral.service/", "Throttling"),
        ("aws.protocol#Throttling:http://x/#y", "Throttling"),
        ("Throttling", "Throttling"),
        ("", ""),
    ],
)
def test_an_error_has_its_short_name(given: str, short: str) -> None:
    assert short_code(given) == short


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message":7}'])
def test_an_error_without_a_name_is_its_status(body: bytes) -> None:
    error = error_of(502, body, named="", date="", now=NOW)
    assert (error.code, error.status) == ("502", 502)


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 21 Nov 2026 09:00:00"])
def test_a_date_that_says_nothing_blames_no_clock(date: str) -> None:
    assert explained("RequestExpired", "expired", date, NOW) == "expired"


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("Sat, 21 Nov 2026 09:10:00 GMT", "about 600 seconds behind"),
        ("Sat, 21 Nov 2026 08:50:00 GMT", "about 600 seconds ahead of"),
    ],
)
def test_a_wrong_clock_is_named_by_its_side(date: str, told: str) -> None:
    assert told in explained("RequestExpired", "expired", date, NOW)


def test_long_sentences_are_cut() -> None:
    assert len(explained("X", "a" * 10_000, "", NOW)) == 500
