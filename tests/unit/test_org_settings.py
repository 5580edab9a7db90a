"""What is set for one org: as stored, and as operators write it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.migrate import migrate
from core.adapters.sqlite.orgs import SqliteOrgs
from core.model.errors import InvalidRequest
from core.model.org_settings import BOUNDS, NO_SETTINGS, OrgSettings, RateSettings, settings_of
from core.model.tenant import Org
from core.org_changes import changes_of
from tests.contract.metadata import ACME, START


def test_nothing_stored_is_nothing_set() -> None:
    assert settings_of({}) is NO_SETTINGS
    assert (NO_SETTINGS.retention_days, NO_SETTINGS.rates) == (None, None)


def test_settings_are_read_as_they_are_written() -> None:
    settings = OrgSettings(retention_days=90, rates=RateSettings(requests_per_second=0, burst_seconds=2))
    assert settings_of(settings.members()) == settings


def test_only_what_is_set_is_stored() -> None:
    assert OrgSettings(retention_days=7).members() == {"retention_days": 7}
    assert NO_SETTINGS.members() == {}


@pytest.mark.parametrize(
    "value", [0, -1, 36_501, 1.5, "90", None, True, [90], float("nan"), float("inf"), 10**400]
)
def test_a_retention_that_nobody_can_mean_deletes_nothing(value: Any) -> None:
    assert settings_of({"retention_days": value}).retention_days is None


@pytest.mark.parametrize("name", [name for name in BOUNDS if name != "retention_days"])
@pytest.mark.parametrize("value", [-1, "5", False, 1e7])
def test_a_rate_that_nobody_can_mean_is_not_set(name: str, value: Any) -> None:
    assert settings_of({name: value}).rates is None


def test_half_a_second_is_no_burst() -> None:
    assert settings_of({"burst_seconds": 1.5}).rates is None


def test_members_of_others_are_not_ours() -> None:
    assert settings_of({"theme": "dark"}) == NO_SETTINGS


@pytest.mark.parametrize(("text", "days"), [("90d", 90), ("12w", 84), ("36500d", 36_500), ("none", None)])
def test_a_retention_is_days_or_weeks_or_none(text: str, days: int | None) -> None:
    assert changes_of(retention=text) == {"retention_days": days}


@pytest.mark.parametrize(
    "text", ["", "0d", "90", "2h", "1.5d", "-3d", "36501d", "999999w", "90d\n", "forever"]
)
def test_another_retention_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--retention must be"):
        changes_of(retention=text)


def test_setting_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="nothing to set"):
        changes_of()


@pytest.mark.parametrize(
    ("stored", "kept"),
    [
        ('{"theme": {"dark": null}, "retention_days": 7}', '{"theme":{"dark":null},"retention_days":90}'),
        (None, '{"retention_days":90}'),
        ("no JSON", '{"retention_days":90}'),
    ],
)
async def test_what_nobody_here_knows_is_kept_as_it_is(tmp_path: Path, stored: str | None, kept: str) -> None:
    path = tmp_path / "memtrace.db"
    migrate(path)
    with closing(Database(path)) as database:
        orgs = SqliteOrgs(database)
        await orgs.create_org(Org(ACME, "Acme", START))
        _store(path, stored)
        assert await orgs.update_org_settings(ACME, {"retention_days": 90}) == OrgSettings(retention_days=90)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT settings_json FROM organizations").fetchone() == (kept,)


def _store(path: Path, settings: str | None) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE organizations SET settings_json = ?", (settings,))


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("0.5", 0.5), ("1000000", 1_000_000), ("none", 0), ("default", None)]
)
def test_a_rate_is_a_number_or_a_word(text: str, value: float | None) -> None:
    assert changes_of(requests_per_second=text) == {"requests_per_second": value}


@pytest.mark.parametrize("text", ["", "0", "0.0", "-1", "1e3", "1000001", "nan", "inf", "fast", "1_000", "٣"])
def test_another_rate_is_refused_by_its_option(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--key-memories-per-second must be") as caught:
        changes_of(key_memories_per_second=text)
    assert caught.value.fields == {"field": "key_memories_per_second"}


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("3600", 3_600), ("default", None)])
def test_a_burst_is_whole_seconds(text: str, value: int | None) -> None:
    assert changes_of(burst_seconds=text) == {"burst_seconds": value}


@pytest.mark.parametrize("text", ["0", "3601", "1.5", "none", "", "²"])
def test_another_burst_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="--burst-seconds must be"):
        changes_of(burst_seconds=text)


def test_what_is_not_said_does_not_change() -> None:
    assert changes_of(retention="7d", requests_per_second=None) == {"retention_days": 7}
