"""API keys: their form, their lookup prefix, and what may be asked of a new one."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.apikeys import NewKey, lookup_prefix, new_key, parse_expiry, parse_permissions
from core.model.errors import InvalidRequest
from core.model.memory import OrgId
from core.model.tenant import ApiKey
from tests import original

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_key_is_mtk_and_32_random_bytes() -> None:
    key = new_key()
    assert key.startswith("mtk_")
    assert len(base64.urlsafe_b64decode(key.removeprefix("mtk_"))) == 32
    assert len(key) == len(original.API_KEYS["read_only"])


def test_no_two_keys_are_equal() -> None:
    assert new_key() != new_key()


def test_the_lookup_prefix_is_the_originals() -> None:
    assert lookup_prefix(original.API_KEYS["read_only"]) == "b15d0883e8ded5d9"


@pytest.mark.parametrize(
    ("text", "expires"),
    [
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("15m", NOW + timedelta(minutes=15)),
        (" 2w ", NOW + timedelta(weeks=2)),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T02:00:00+02:00", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T00:00:00Z", datetime(2027, 1, 31, tzinfo=UTC)),
    ],
)
def test_an_expiry_is_a_duration_or_a_time(text: str, expires: datetime) -> None:
    assert parse_expiry(text, NOW) == expires


@pytest.mark.parametrize("text", ["", "soon", "90", "0d", "-1d", "90 d", "1y", "2027-13-01", "9999999d"])
def test_what_is_no_expiry_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="expires is not a time") as caught:
        parse_expiry(text, NOW)
    assert "90d" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["2026-11-21T12:00:00Z", "2020-01-01", "999999d", "9999-12-31"])
def test_an_expiry_lies_ahead_but_not_too_far(text: str) -> None:
    with pytest.raises(InvalidRequest, match="expires must lie in the future"):
        parse_expiry(text, NOW)


@given(st.text())
def test_any_text_is_an_expiry_ahead_or_refused(text: str) -> None:
    try:
        expires = parse_expiry(text, NOW)
    except InvalidRequest:
        return
    assert expires > NOW


def test_permissions_are_a_list_of_words() -> None:
    assert parse_permissions("write, read,") == {"read", "write"}


@pytest.mark.parametrize(
    ("text", "why"), [("", "read, write, admin"), ("read,root", "not 'root'"), ("READ", "not 'READ'")]
)
def test_what_is_no_permission_is_refused_by_name(text: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        parse_permissions(text)


def test_a_new_key_is_in_no_representation() -> None:
    stored = ApiKey(1, OrgId("org_a"), "ci", "p", "$2b$hash", frozenset(), NOW)
    shown = repr(NewKey(stored, "mtk_plain"))
    assert "mtk_plain" not in shown
    assert "$2b$hash" not in shown
