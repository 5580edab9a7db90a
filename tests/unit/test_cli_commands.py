"""Every command on a real database, without a server."""

import asyncio
import base64
import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, Final

import pytest
import structlog

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.health_board import SqliteHealthBoard
from core.model.memory import OrgId
from core.model.timewindow import micros_of
from core.ports import StoreHealth
from handlers.cli.main import run
from handlers.holding import Holder, held
from tests.clock import ManualClock
from tests.contract.journals import ACME, draft, workshop


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """A command sets up the logging of its process, which is ours here."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the installation's database will be."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEMTRACE_MASTER_KEY", base64.b64encode(b"k" * 32).decode())
    path = tmp_path / "memtrace.db"
    monkeypatch.setenv("MEMTRACE_AUTH_DB_PATH", str(path))
    return path


Memtrace = Callable[..., Any]
NOWHERE: Final = "https://127.0.0.1:1"
"""An Arc that refuses every connection."""


@pytest.fixture
def memtrace(database: Path, capsys: pytest.CaptureFixture[str]) -> Memtrace:
    """Runs a command that must succeed; what its JSON says, or, without --json, what it printed."""

    def call(*arguments: str) -> Any:
        capsys.readouterr()
        code = run(arguments)
        told = capsys.readouterr()
        assert code == 0, told.err
        return json.loads(told.out) if "--json" in arguments else told.out

    return call


@pytest.fixture
def refused(database: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail; the one line it says."""

    def call(*arguments: str) -> str:
        capsys.readouterr()
        code = run(arguments)
        told = capsys.readouterr()
        assert code == 1, told
        assert told.out == ""
        (line,) = told.err.splitlines()
        assert line.startswith("memtrace: error: ")
        return line.removeprefix("memtrace: error: ")

    return call


@pytest.fixture
def org(memtrace: Memtrace) -> str:
    made = memtrace("org", "create", "Acme", "--json")
    assert set(made) >= {"id", "name"}
    return str(made["id"])


def bury(database: Path, *contents: str) -> list[str]:
    """Puts dead letters of org_acme into the journal; their ids."""

    async def work() -> list[str]:
        clock = ManualClock(micros_of(datetime.now(UTC)))
        with workshop(database, clock) as shop:
            receipts = await shop.journal.append(ACME, [draft(c) for c in contents], None)
            lease = await shop.leased()
            times = [r.memory.time for r in receipts if r.memory]
            await shop.outbox.dead(ACME, times, "the store refuses it", lease)
            await shop.leases.release(lease)
            return [r.id for r in receipts]

    return asyncio.run(work())


def owe(database: Path, *contents: str) -> None:
    async def work() -> None:
        with workshop(database, ManualClock(micros_of(datetime.now(UTC)) - 60_000_000)) as shop:
            await shop.journal.append(ACME, [draft(c) for c in contents], None)

    asyncio.run(work())


def post(database: Path, *healths: StoreHealth) -> None:
    async def work() -> None:
        opened = Database(database)
        try:
            await SqliteHealthBoard(opened).post_health(healths)
        finally:
            opened.close()

    asyncio.run(work())


# --- org


def test_an_org_is_made_listed_and_deleted(memtrace: Memtrace, org: str) -> None:
    assert [o["name"] for o in memtrace("org", "list", "--json")] == ["Acme"]
    assert org in memtrace("org", "list")
    assert memtrace("org", "delete", org, "--yes", "--json") == {"id": org, "deleted": True}
    assert memtrace("org", "list", "--json") == []


def test_what_is_set_for_an_org_is_shown(memtrace: Memtrace, org: str) -> None:
    assert memtrace("org", "show", org, "--json")["retention_days"] is None
    assert memtrace("org", "set", org, "--retention", "90d", "--json")["retention_days"] == 90
    assert memtrace("org", "show", org, "--json")["retention_days"] == 90
    assert memtrace("org", "set", org, "--retention", "none", "--json")["retention_days"] is None


def test_rates_of_an_org_are_set_and_shown(memtrace: Memtrace, org: str) -> None:
    set_ = memtrace(
        "org",
        "set",
        org,
        *("--requests-per-second", "2.5", "--memories-per-second", "none", "--burst-seconds", "30"),
        *("--key-requests-per-second", "1", "--key-memories-per-second", "default", "--json"),
    )
    rates = {name: set_[name] for name in set_ if name.endswith("_second") or name == "burst_seconds"}
    assert rates == {
        "requests_per_second": 2.5,
        "memories_per_second": 0,
        "key_requests_per_second": 1,
        "key_memories_per_second": None,
        "burst_seconds": 30,
    }
    told = memtrace("org", "set", org, "--requests-per-second", "default").splitlines()
    assert "requests per second      default" in told
    assert "memories per second      none" in told
    assert "burst seconds            30" in told


def test_a_rate_that_is_none_is_refused(refused: Callable[..., str], org: str) -> None:
    assert "--memories-per-second must be" in refused("org", "set", org, "--memories-per-second", "fast")


def test_an_org_that_is_not_there_has_no_settings(refused: Callable[..., str]) -> None:
    assert "org_nobody" in refused("org", "show", "org_nobody")
    assert "org_nobody" in refused("org", "set", "org_nobody", "--retention", "90d")


def test_setting_nothing_for_an_org_is_refused(refused: Callable[..., str], org: str) -> None:
    assert "nothing to set" in refused("org", "set", org)


def test_deleting_needs_a_yes(refused: Callable[..., str], memtrace: Memtrace, org: str) -> None:
    assert "--yes" in refused("org", "delete", org)
    assert len(memtrace("org", "list", "--json")) == 1


def test_deleting_says_what_would_be_lost(
    memtrace: Memtrace, database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    memtrace("migrate")
    owe(database, "one", "two")

    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    monkeypatch.setattr(sys, "stderr", screen)
    assert run(["org", "delete", ACME]) == 1
    assert "2 memories that are not in its store yet" in screen.getvalue()
    assert "was not deleted" in screen.getvalue()


def test_an_unknown_org_is_said(refused: Callable[..., str], memtrace: Memtrace) -> None:
    memtrace("migrate")
    assert "org_none" in refused("org", "delete", "org_none", "--yes")
    assert "org_none" in refused("org", "show-arc", "org_none")
    assert "org_none" in refused("key", "list", "--org", "org_none")


def test_a_folder_is_bound_shown_and_removed_without_a_key(
    memtrace: Memtrace, refused: Callable[..., str], org: str, tmp_path: Path
) -> None:
    url = f"file:{tmp_path}/store"
    bound = memtrace("org", "add-arc", org, "--url", url, "--json")
    assert bound["url"] == url
    assert bound["database"] == "memory"
    assert bound["measurement"] == "events"
    assert memtrace("org", "show-arc", org, "--json") == bound
    assert url in memtrace("org", "show-arc", org)
    assert "no arc instance any more" in memtrace("org", "remove-arc", org)
    assert "has no arc instance" in refused("org", "show-arc", org)


def test_an_arc_key_is_read_from_standard_input_and_shown_masked(
    memtrace: Memtrace, org: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("arc-secret-0123456789\n"))
    command = ("org", "add-arc", org, "--url", NOWHERE, "--api-key", "-", "--database", "d")
    assert memtrace(*command, "--json")["api_key"] == "arc-...6789"
    assert "arc-secret" not in memtrace("org", "show-arc", org)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (NOWHERE, "no connection to the Arc (refused)"),
        ("http://169.254.169.254", "not allowed here (see arc.allowed_networks in the settings)"),
    ],
)
def test_an_arc_that_cannot_be_used_is_bound_all_the_same_and_said(
    memtrace: Memtrace, org: str, capsys: pytest.CaptureFixture[str], url: str, told: str
) -> None:
    assert run(("org", "add-arc", org, "--url", url, "--api-key", "arc-secret-0123456789", "--json")) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["url"] == url
    assert "bound, but the store cannot be used yet: " in said.err
    assert told in said.err
    assert "arc-secret" not in said.err


def test_an_admin_key_is_given_and_taken_away(
    memtrace: Memtrace, org: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys, "stdin", StringIO("arc-secret-0123456789\nadmin-secret-0123456789\nother-secret-9876543210\n")
    )
    keys = ("--api-key", "-", "--admin-key", "-")
    bound = memtrace("org", "add-arc", org, "--url", NOWHERE, *keys, "--json")
    assert (bound["api_key"], bound["admin_key"]) == ("arc-...6789", "admi...6789")
    assert memtrace("org", "set-admin-key", org, "--json")["admin_key"] == "othe...3210"
    assert memtrace("org", "set-admin-key", org, "--remove", "--json")["admin_key"] == ""


def test_an_arc_needs_a_key(refused: Callable[..., str], org: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO(""))
    assert "api_key" in refused("org", "add-arc", org, "--url", "https://arc.example", "--database", "d")
    assert "standard input" in refused("org", "add-arc", org, "--url", "https://x", "--api-key", "-")


def test_a_binding_that_owes_is_removed_by_force_only(
    memtrace: Memtrace, refused: Callable[..., str], database: Path, tmp_path: Path
) -> None:
    memtrace("migrate")
    owe(database, "one")
    memtrace("org", "add-arc", ACME, "--url", f"file:{tmp_path}/store")
    assert "1 memories" in refused("org", "remove-arc", ACME)
    assert memtrace("org", "remove-arc", ACME, "--force", "--json") == {"org_id": ACME, "removed": True}


# --- key


def test_a_key_is_made_shown_once_listed_and_revoked(memtrace: Memtrace, org: str) -> None:
    made = memtrace("key", "create", "--org", org, "--name", "ci", "--expires", "90d", "--json")
    assert made["name"] == "ci"
    assert made["key"].startswith("mtk_")
    assert made["permissions"] == ["read", "write"]
    (listed,) = memtrace("key", "list", "--org", org, "--json")
    assert "key" not in listed
    assert listed["state"] == "valid"
    assert memtrace("key", "revoke", str(made["id"]), "--json") == {"id": made["id"], "revoked": True}
    assert "revoked" in memtrace("key", "revoke", str(made["id"]))
    assert "revoked" in memtrace("key", "list", "--org", org)


def test_people_are_told_to_keep_the_key(memtrace: Memtrace, org: str) -> None:
    printed = memtrace("key", "create", "--org", org, "--name", "ci", "--permissions", "admin")
    assert "mtk_" in printed
    assert "not shown again" in printed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--permissions", "rule"], "not 'rule'"),
        (["--expires", "soon"], "expires"),
        (["--expires", "2020-01-01"], "future"),
    ],
)
def test_an_impossible_key_is_refused(
    refused: Callable[..., str], org: str, options: list[str], words: str
) -> None:
    assert words in refused("key", "create", "--org", org, "--name", "ci", *options)


def test_an_unknown_key_is_said(refused: Callable[..., str], memtrace: Memtrace) -> None:
    memtrace("migrate")
    assert "77" in refused("key", "revoke", "77")


# --- dead


def test_dead_letters_are_listed_shown_retried_and_purged(memtrace: Memtrace, database: Path) -> None:
    memtrace("migrate")
    first, second, _ = bury(database, "first", "second", "third")
    assert len(memtrace("dead", "list", "--json")) == 3
    assert "the store refuses it" in memtrace("dead", "list", "--org", ACME)
    shown = memtrace("dead", "show", first, "--json")
    assert (shown["id"], shown["content"]) == (first, "first")
    assert memtrace("dead", "retry", first, "--json") == {"retried": 1}
    assert memtrace("dead", "purge", second, "--yes", "--json") == {"purged": 1}
    assert "1 dead letters" in memtrace("dead", "retry", "--all")
    assert memtrace("dead", "list") == "no dead letters\n"


def test_a_dead_letters_content_cannot_drive_the_terminal(memtrace: Memtrace, database: Path) -> None:
    memtrace("migrate")
    (letter,) = bury(database, "a\x1b[2J\nb")
    assert memtrace("dead", "show", letter).endswith("a\\x1b[2J\nb\n")


def test_dead_letters_of_another_org_are_left_alone(memtrace: Memtrace, database: Path) -> None:
    memtrace("migrate")
    bury(database, "first")
    assert memtrace("dead", "list", "--org", "org_other", "--json") == []
    assert memtrace("dead", "purge", "--all", "--org", "org_other", "--yes", "--json") == {"purged": 0}


def test_dead_letters_are_chosen_and_purging_is_confirmed(
    refused: Callable[..., str], memtrace: Memtrace
) -> None:
    memtrace("migrate")
    assert "--all" in refused("dead", "retry")
    assert "--all" in refused("dead", "purge", "mem_1", "--all")
    assert "--yes" in refused("dead", "purge", "--all")
    assert "mem_1" in refused("dead", "show", "mem_1")
    assert "dead list" in refused("dead", "retry", "mem_1")
    assert "dead list" in refused("dead", "purge", "mem_1", "--yes")


# --- status, doctor, migrate


def test_status_tells_what_waits_and_how_the_stores_are(
    memtrace: Memtrace, database: Path, tmp_path: Path
) -> None:
    memtrace("migrate")
    owe(database, "one", "two")
    memtrace("org", "add-arc", ACME, "--url", f"file:{tmp_path}/store")
    assert [o["store"] for o in memtrace("status", "--json")["orgs"]] == ["unknown", "unbound"]
    now = micros_of(datetime.now(UTC))
    post(database, StoreHealth(OrgId(ACME), False, now, "open", now + 5_000_000, "it is down"))
    told = memtrace("status", "--json")
    assert (told["server"], told["flusher"]) == (None, None)
    acme = told["orgs"][0]
    assert (acme["owed"], acme["delivered"], acme["dead"]) == (2, 0, 0)
    assert acme["oldest_owed_seconds"] >= 60
    assert (acme["store"], acme["circuit"], acme["reason"]) == ("failing", "open", "it is down")
    printed = memtrace("status")
    assert "it is down" in printed
    assert "flusher  none" in printed


def test_status_names_the_server(memtrace: Memtrace, database: Path) -> None:
    memtrace("migrate")
    with held(database) as claim:
        assert "server   starting" in memtrace("status")
        claim.tell(Holder(pid=7, host="127.0.0.1", port=9100, started_at="2026-11-21T00:00:00Z"))
        assert memtrace("status", "--json")["server"]["url"] == "http://127.0.0.1:9100"
        assert "http://127.0.0.1:9100, process 7" in memtrace("status")


def test_migrate_says_what_it_did(memtrace: Memtrace) -> None:
    assert "0001_metadata" in memtrace("migrate", "--json")["applied"]
    assert memtrace("migrate", "--json")["applied"] == []
    assert "nothing to do" in memtrace("migrate")


def verdicts(memtrace: Memtrace) -> dict[str, str]:
    return {finding["what"]: finding["verdict"] for finding in memtrace("doctor", "--json")}


def test_doctor_finds_a_sound_installation_sound(memtrace: Memtrace, org: str, tmp_path: Path) -> None:
    memtrace("org", "add-arc", org, "--url", f"file:{tmp_path}/store")
    found = verdicts(memtrace)
    assert found[f"store of {org}"] == "ok"
    assert set(found.values()) <= {"ok", "warn"}
    assert found["database"] == found["journal"] == found["master key"] == "ok"
    assert "ok    master key" in memtrace("doctor")


def test_doctor_advises_where_something_is_missing(memtrace: Memtrace, org: str, database: Path) -> None:
    memtrace("migrate")
    bury(database, "dead")
    found = verdicts(memtrace)
    assert found[f"store of {org}"] == "warn"
    assert found["journal"] == "warn"
    assert f"memtrace org add-arc {org}" in memtrace("doctor")


def test_doctor_on_a_fresh_installation_fails_nothing(memtrace: Memtrace) -> None:
    assert verdicts(memtrace)["database"] == "warn"


def test_doctor_warns_of_what_is_owed_for_long_and_of_a_missing_flusher(
    memtrace: Memtrace, database: Path
) -> None:
    memtrace("migrate")

    async def work() -> None:
        with workshop(database, ManualClock(micros_of(datetime.now(UTC)) - 3_600_000_000)) as shop:
            await shop.journal.append(ACME, [draft("old")], None)

    asyncio.run(work())
    found = verdicts(memtrace)
    assert (found["journal"], found["processes"]) == ("warn", "warn")


def failures(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What doctor fails, and the advice; its exit code is 1."""
    capsys.readouterr()
    assert run(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    return {f["what"]: f"{f['told']} {f['advice']}" for f in found if f["verdict"] == "fail"}


def test_doctor_fails_an_unusable_configuration(
    database: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "memtrace.toml").write_text("[server]\nport = 'x'\n")
    assert "server.port" in failures(capsys)["configuration"]


def test_doctor_fails_an_open_door_and_a_missing_master_key(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMTRACE_AUTH_ENABLED", "false")
    monkeypatch.delenv("MEMTRACE_MASTER_KEY")
    assert set(failures(capsys)) == {"access", "master key"}


def test_doctor_warns_of_no_authentication_on_this_machine_alone(
    memtrace: Memtrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMTRACE_AUTH_ENABLED", "false")
    monkeypatch.setenv("MEMTRACE_SERVER_HOST", "127.0.0.1")
    monkeypatch.setenv("MEMTRACE_NONSENSE", "1")
    found = verdicts(memtrace)
    assert (found["access"], found["configuration"]) == ("warn", "warn")


def test_doctor_fails_a_file_that_is_no_database(database: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database.write_text("this is no database, and long enough to be looked at" * 10)
    assert "cannot be used" in failures(capsys)["database"]


def test_doctor_changes_nothing(memtrace: Memtrace, database: Path) -> None:
    assert verdicts(memtrace)["database"] == "warn"
    assert not database.exists()


def test_doctor_fails_a_damaged_database(
    memtrace: Memtrace, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memtrace("migrate")
    memtrace("org", "create", "Acme")
    held_ = bytearray(database.read_bytes())
    held_[3 * 4096 : 8 * 4096] = b"\xff" * (5 * 4096)
    database.write_bytes(held_)
    assert "database" in failures(capsys)


def test_doctor_fails_a_folder_that_cannot_be_written(
    database: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMTRACE_AUTH_DB_PATH", "/proc/self/memtrace.db")
    assert "cannot be written" in failures(capsys)["database"]


def test_doctor_warns_where_nobody_started_a_server_yet(memtrace: Memtrace) -> None:
    memtrace("migrate")
    assert verdicts(memtrace)["orgs"] == "warn"


def test_doctor_fails_a_store_that_does_not_answer(
    memtrace: Memtrace, org: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    memtrace("org", "add-arc", org, "--url", f"file:{tmp_path}/store")
    (tmp_path / "store").rename(tmp_path / "away")
    assert f"store of {org}" in failures(capsys)


def test_doctor_fails_a_master_key_that_opens_nothing(
    memtrace: Memtrace,
    org: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    memtrace("org", "add-arc", org, "--url", f"file:{tmp_path}/store")
    monkeypatch.setenv("MEMTRACE_MASTER_KEY", base64.b64encode(b"z" * 32).decode())
    assert "does not open" in failures(capsys)[f"store of {org}"]


def test_doctor_fails_a_journal_from_the_future(
    memtrace: Memtrace, database: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memtrace("migrate")

    async def work() -> None:
        with workshop(database, ManualClock(micros_of(datetime.now(UTC)) + 3_600_000_000)) as shop:
            await shop.journal.append(ACME, [draft("from the future")], None)

    asyncio.run(work())
    assert "future" in failures(capsys)["clock"]
