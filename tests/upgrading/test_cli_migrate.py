"""`memtrace migrate` and `--check`, on real files, as a person and as a script see them."""

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from core.adapters.sqlite import upgrading
from core.adapters.sqlite.migrate import FOLDER, names_in
from core.vault import generate_master_key
from handlers.cli.main import run
from handlers.holding import held
from tests import original
from tests.original import built

ALL = names_in(FOLDER)
UP_TO_DATE, FAILED, MISUSED, NEEDED = 0, 1, 2, 3


@pytest.fixture(autouse=True)
def untouched_logging() -> Iterator[None]:
    """A command sets up the logging of its process, which is ours here."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


@dataclass
class Desk:
    """Where commands are typed."""

    database: Path
    capsys: pytest.CaptureFixture[str]

    def types(self, *arguments: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = run(arguments)
        return code, *self.capsys.readouterr()

    def checks(self, *arguments: str) -> tuple[int, Any]:
        code, out, _ = self.types("migrate", "--check", "--json", *arguments)
        return code, json.loads(out)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEMTRACE_MASTER_KEY", original.MASTER_KEY)
    path = tmp_path / "data" / "memtrace.db"
    monkeypatch.setenv("MEMTRACE_AUTH_DB_PATH", str(path))
    return Desk(path, capsys)


@pytest.fixture
def real(desk: Desk) -> Desk:
    """With the real original's database."""
    desk.database.parent.mkdir()
    original.copied_to(desk.database.parent)
    return desk


def test_a_check_tells_what_would_happen_and_changes_nothing(real: Desk) -> None:
    before = real.database.read_bytes()
    code, told = real.checks()
    assert code == NEEDED
    assert real.database.read_bytes() == before
    assert [path.name for path in real.database.parent.iterdir()] == ["memtrace.db"]
    assert (told["needed"], told["would_work"], told["original"]) == (True, True, True)
    assert [migration["name"] for migration in told["migrations"]] == ALL
    assert told["rows"] == {"orgs": 3, "keys": 4, "bindings": 2, "agents": 1, "sessions": 2}
    assert told["arc_keys_open"] == {"org_default": True, original.ACME: True}
    assert (told["unseeded"], told["copy_bytes"], told["no_room"]) == (2, 86_016, None)


def test_people_are_told_the_same(real: Desk) -> None:
    code, told, _ = real.types("migrate", "--check")
    assert code == NEEDED
    assert f"made by Memtrace 0.2.0; {len(ALL)} migrations are to be applied, all of them or none" in told
    assert "holds 3 organizations, 4 API keys, 2 bindings, 1 agents, 2 sessions" in told
    assert "15 times are written anew" in told
    assert "Arc keys that open with this master key: 2 of 2" in told
    assert "from the stores of 2 organizations" in told
    assert "a copy of the database is kept first (84.0 KB;" in told
    assert told.endswith("Nothing was changed.\n")


def test_it_is_done_and_the_copy_is_named(real: Desk) -> None:
    code, told, _ = real.types("migrate", "--json")
    done = json.loads(told)
    assert (code, done["applied"]) == (0, ALL)
    assert Path(done["copy"]).is_file()
    assert real.types("migrate")[:2] == (0, f"{real.database}: nothing to do\n")


def test_people_are_told_where_the_copy_is(real: Desk, tmp_path: Path) -> None:
    code, told, _ = real.types("migrate", "--copy-to", str(tmp_path / "copies"))
    (copy,) = (tmp_path / "copies").iterdir()
    assert code == 0
    assert f"As it was before: {copy}\n" in told


def test_no_copy_is_kept_where_none_is_wanted(real: Desk) -> None:
    assert real.types("migrate", "--no-copy")[0] == 0
    assert not list(real.database.parent.glob("*.before-*"))


def test_a_check_of_what_is_up_to_date_says_so(real: Desk) -> None:
    real.types("migrate")
    code, told, _ = real.types("migrate", "--check")
    assert code == UP_TO_DATE
    assert f"{real.database}: up to date\n" in told


def test_a_check_where_no_database_is_says_so(desk: Desk) -> None:
    assert desk.checks() == (
        NEEDED,
        {"database": str(desk.database), "exists": False, "needed": True, "would_work": True},
    )
    assert "is not there: a start makes it" in desk.types("migrate", "--check")[1]
    assert not desk.database.parent.exists()


def test_where_no_database_is_one_is_made(desk: Desk) -> None:
    assert desk.types("migrate")[0] == 0
    assert desk.checks()[0] == UP_TO_DATE


def test_an_empty_file_is_told_as_empty(desk: Desk) -> None:
    desk.database.parent.mkdir()
    desk.database.touch()
    code, told, _ = desk.types("migrate", "--check")
    assert code == NEEDED
    assert "empty; " in told
    assert "is kept first" not in told


def test_an_arc_key_that_does_not_open_is_in_the_way_of_a_start(
    real: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMTRACE_MASTER_KEY", generate_master_key())
    code, told = real.checks()
    assert code == FAILED
    assert told["arc_keys_open"] == {"org_default": False, original.ACME: False}
    words = real.types("migrate", "--check")[1]
    assert "Arc keys that open with this master key: 0 of 2" in words
    assert f"IN THE WAY of a start: the stored Arc key of {original.ACME} does not open" in words


def test_without_a_master_key_no_arc_key_is_tried(real: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMTRACE_MASTER_KEY")
    code, told = real.checks()
    assert (code, told["arc_keys_open"]) == (NEEDED, None)
    assert "Arc keys were not tried: MEMTRACE_MASTER_KEY is not set" in real.types("migrate", "--check")[1]


def test_no_room_is_in_the_way(real: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    spare = upgrading.SPARE
    monkeypatch.setattr(upgrading, "SPARE", 1 << 60)
    code, told, _ = real.types("migrate", "--check")
    assert code == FAILED
    assert "IN THE WAY: bringing" in told
    monkeypatch.setattr(upgrading, "SPARE", spare)
    monkeypatch.setattr("core.bootstrap.database.SPARE", 1 << 60)
    code, _, problem = real.types("migrate", "--check")
    assert code == FAILED
    assert "set TMPDIR to a folder with room" in problem


def test_what_keeps_it_from_working_is_told(desk: Desk) -> None:
    desk.database.parent.mkdir()
    with built(desk.database.parent) as made:
        made.run("CREATE TABLE claims (mine TEXT)")
    code, told, _ = desk.types("migrate", "--check")
    assert code == FAILED
    assert "IN THE WAY: tried on a copy: it cannot be used: table claims already exists" in told


def test_what_others_added_is_told(desk: Desk) -> None:
    desk.database.parent.mkdir()
    with built(desk.database.parent) as made:
        for number in range(7):
            made.run(f"CREATE TABLE notes_{number} (mine TEXT)")
        made.run("ALTER TABLE sessions ADD COLUMN mood TEXT")
        made.agent("org_gone", "agent_1")
    told = desk.types("migrate", "--check")[1]
    assert "added by others, stays: table notes_0, table notes_1, table notes_2, table notes_3" in told
    assert "and 2 more" in told
    assert "only in the copy from then on: column sessions.mood" in told
    assert "1 rows refer to something that is gone" in told


def test_a_newer_database_is_in_the_way(real: Desk) -> None:
    real.types("migrate", "--no-copy")
    with closing(sqlite3.connect(real.database)) as connection, connection:
        connection.execute("UPDATE _yoyo_migration SET migration_id = '9999_later' WHERE rowid = 1")
    code, told, _ = real.types("migrate", "--check")
    assert code == FAILED
    assert "made by a newer Memtrace (9999_later)" in told
    assert "IN THE WAY: run that version" in told


def test_damage_is_in_the_way(desk: Desk) -> None:
    desk.database.parent.mkdir()
    with built(desk.database.parent) as made:
        made.agent(made.org("org_a"), "agent_1")
        made.run("PRAGMA writable_schema=ON")
        made.run(
            """UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master
               WHERE name = 'idx_sessions_org') WHERE name = 'idx_agents_org'"""
        )
    code, told, _ = desk.types("migrate", "--check")
    assert code == FAILED
    assert "IN THE WAY: damaged: " in told


def test_one_that_is_served_is_left_alone(real: Desk) -> None:
    with held(real.database):
        code, _, problem = real.types("migrate")
    assert code == FAILED
    assert "already served" in problem


def test_options_that_exclude_each_other_are_refused(real: Desk) -> None:
    code, _, problem = real.types("migrate", "--copy-to", "x", "--no-copy")
    assert code == FAILED
    assert "exclude each other" in problem


def test_a_file_that_may_not_be_written_is_in_the_way(real: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.bootstrap.database.unwritable", lambda path: path.parent)
    assert real.checks()[1]["unwritable"] == str(real.database.parent)
    code, told, _ = real.types("migrate", "--check")
    assert code == FAILED
    assert f"IN THE WAY: {real.database.parent} may not be written by this user" in told
