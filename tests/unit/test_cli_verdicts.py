"""What a doctor makes of what it saw."""

from pathlib import Path

import pytest

from core.model.memory import OrgId
from core.ports import Backlog, DatabaseReport
from core.settings import JournalSettings
from handlers.cli import verdicts

_NOW = 1_795_000_000_000_000
_PATH = Path("/data/memtrace.db")
_GIB = 1024**3


def backlog(**numbers: int | None) -> Backlog:
    values: dict[str, int | None] = {
        "owed": 0,
        "delivered": 0,
        "dead": 0,
        "bytes": 0,
        "claims": 0,
        "oldest": None,
        **numbers,
    }
    return Backlog(OrgId(""), **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("report", "verdict", "words"),
    [
        (None, "warn", "not there"),
        (DatabaseReport(("page 3 is odd",), (), (), None), "fail", "page 3 is odd"),
        (DatabaseReport((), ("0001",), ("9999",), None), "fail", "newer Memtrace (9999)"),
        (DatabaseReport((), ("0001", "0002"), (), None), "warn", "2 migrations"),
        (DatabaseReport((), (), (), None), "ok", "up to date"),
    ],
)
def test_a_database_is_judged_by_its_report(report: DatabaseReport | None, verdict: str, words: str) -> None:
    found = verdicts.database(_PATH, report)
    assert found.verdict == verdict
    assert words in found.told


@pytest.mark.parametrize(
    ("now", "newest", "verdict"),
    [
        (_NOW, None, "ok"),
        (_NOW, _NOW + 1_000_000, "ok"),
        (_NOW, _NOW + 60_000_000, "fail"),
        (1_000_000_000_000_000, None, "fail"),
    ],
)
def test_a_clock_is_sane_and_not_behind_the_newest_memory(now: int, newest: int | None, verdict: str) -> None:
    assert verdicts.clock(now, newest).verdict == verdict


@pytest.mark.parametrize(
    ("total", "verdict"),
    [
        (backlog(owed=10, oldest=_NOW - 1_000_000), "ok"),
        (backlog(owed=900), "fail"),
        (backlog(bytes=900 * 1024 * 1024), "fail"),
        (backlog(owed=1, oldest=_NOW - 3_600_000_000), "warn"),
        (backlog(dead=1), "warn"),
    ],
)
def test_a_journal_is_judged_by_how_full_and_how_old_it_is(total: Backlog, verdict: str) -> None:
    limits = JournalSettings(max_memories=1_000, max_memories_per_org=1_000, max_bytes=1024**3)
    assert verdicts.journal(total, limits, _NOW).verdict == verdict


@pytest.mark.parametrize(("free", "verdict"), [(10 * _GIB, "ok"), (_GIB, "warn"), (100 * 1024**2, "fail")])
def test_a_disk_is_judged_by_the_room_on_it(free: int, verdict: str) -> None:
    assert verdicts.disk("disk", Path("/data"), free).verdict == verdict


@pytest.mark.parametrize(
    ("server", "flusher", "owed", "verdict"),
    [
        (None, None, 0, "ok"),
        ("http://x", "host:1", 5, "ok"),
        ("http://x", None, 0, "warn"),
        (None, None, 5, "warn"),
        (None, "host:1", 5, "ok"),
    ],
)
def test_what_is_owed_needs_a_flusher(
    server: str | None, flusher: str | None, owed: int, verdict: str
) -> None:
    assert verdicts.processes(server, flusher, backlog(owed=owed)).verdict == verdict


@pytest.mark.parametrize(
    ("keys", "loopback", "verdict"),
    [(True, False, "ok"), (False, True, "warn"), (False, False, "fail")],
)
def test_an_open_door_is_judged_by_who_reaches_it(keys: bool, loopback: bool, verdict: str) -> None:
    assert verdicts.access(asks_for_keys=keys, host="", is_loopback=loopback).verdict == verdict


def test_whatever_is_not_ok_says_what_to_do() -> None:
    for found in (
        verdicts.database(_PATH, None),
        verdicts.clock(_NOW, _NOW * 2),
        verdicts.disk("disk", Path("/"), 0),
        verdicts.processes("x", None, backlog()),
        verdicts.unbound("org_1"),
        verdicts.access(asks_for_keys=False, host="::", is_loopback=False),
        verdicts.configuration(None, ("odd",)),
    ):
        assert found.verdict != "ok"
        assert found.advice


def test_claims_are_known_when_every_store_was_read() -> None:
    assert verdicts.claims([]).verdict == "ok"


def test_stores_that_were_not_read_for_claims_are_named() -> None:
    found = verdicts.claims([OrgId(f"org_{number}") for number in range(12)])
    assert found.verdict == "warn"
    assert "org_0, org_1," in found.told
    assert found.told.endswith("org_9 and 2 more")
