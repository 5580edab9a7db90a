"""The last line of defence: what must not be read in logs."""

from datetime import UTC, datetime

import pytest

from core.redaction import printable, redacted, without_queries


@pytest.mark.parametrize(
    "name", ["key", "api_key", "arc_key", "master_KEY", "secret", "access_token", "password"]
)
def test_a_field_whose_name_says_secret_is_masked(name: str) -> None:
    assert redacted(name, "sesame") == "****"
    assert redacted(name, {"a": "sesame"}) == "****"


@pytest.mark.parametrize("name", ["key_id", "key_name", "tokens", "monkey", "url", ""])
def test_a_field_that_only_sounds_like_one_is_not(name: str) -> None:
    assert redacted(name, "plain") == "plain"


def test_api_keys_are_masked_wherever_they_stand() -> None:
    assert redacted("reason", "key mtk_AbC-_9 is bad") == "key mtk_**** is bad"
    assert redacted("list", ["mtk_abc", {"deep": "mtk_abc"}]) == ["mtk_****", {"deep": "mtk_****"}]


def test_credentials_of_headers_are_masked() -> None:
    assert redacted("message", "Authorization: Bearer abc.def") == "Authorization: Bearer ****"


def test_secrets_inside_values_are_masked_by_their_names() -> None:
    assert redacted("binding", {"url": "u", "api_key": "sesame"}) == {"url": "u", "api_key": "****"}


def test_bytes_are_told_by_their_length_alone() -> None:
    assert redacted("payload", b"sesame") == "6 bytes"


def test_plain_values_stay_what_they_are() -> None:
    values = [None, True, 1, 1.5]
    assert [redacted("a", v) for v in values] == values


def test_other_things_are_told_as_text() -> None:
    assert redacted("at", datetime(2026, 1, 1, tzinfo=UTC)) == "2026-01-01 00:00:00+00:00"


def test_values_are_bounded_in_length_and_depth() -> None:
    assert len(redacted("a", "x" * 100_000)) < 9_000
    deep: object = "bottom"
    for _ in range(50):
        deep = [deep]
    assert "bottom" not in str(redacted("a", deep))


def test_half_characters_are_made_writable() -> None:
    assert redacted("path", "a\udcff").encode() == b"a\\udcff"


def test_query_strings_are_cut_off_urls() -> None:
    text = 'GET /api/v1/memories?content=secret HTTP/1.1 and "https://arc.example/query?sql=select" too'
    assert without_queries(text) == 'GET /api/v1/memories?… HTTP/1.1 and "https://arc.example/query?…" too'


def test_a_question_is_no_query_string() -> None:
    assert without_queries("what now? nothing") == "what now? nothing"


def test_nothing_that_a_terminal_obeys_is_left() -> None:
    assert printable("a\x1b[2J\nb\r") == "a\\x1b[2J\\nb\\r"
    assert printable("grüße") == "grüße"
