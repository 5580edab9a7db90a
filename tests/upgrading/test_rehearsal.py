"""What an upgrade would do, seen on a copy: counts, what is in the way, and nothing changed."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.adapters.sqlite.migrate import FOLDER, migrate, names_in, summary
from core.adapters.sqlite.rehearsal import rehearse, snapshot
from core.model.errors import DatabaseError
from core.model.upgrade import CHANGES, WORTH_KNOWING, Rehearsal
from tests import original
from tests.original import built
from tests.upgrading.test_files import uncleanly_stopped

A = "org_a"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files but the index of the log, which every reader writes to."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.endswith("-shm")]
    return {path.name: path.read_bytes() for path in files}


def rehearsed(path: Path, work: Path) -> Rehearsal:
    """Rehearses and sees to it that the file and all beside it stay as they are."""
    before = contents(path.parent)
    found = rehearse(path, work)
    assert contents(path.parent) == before
    return found


def test_the_real_one_is_told_as_it_is(tmp_path: Path, work: Path) -> None:
    found = rehearsed(original.copied_to(tmp_path), work)
    assert found.is_sound
    assert found.is_original
    assert not found.is_empty
    assert found.missing == tuple(names_in(FOLDER))
    assert found.counts == {"orgs": 3, "keys": 4, "bindings": 2, "agents": 1, "sessions": 2}
    assert {name: count for name, count in found.findings.items() if count} == {"times_rewritten": 15}
    assert [b.org_id for b in found.bindings] == ["org_default", original.ACME]
    assert (found.unseeded, found.lost, found.kept, found.dangling) == (2, (), (), 0)


def test_every_oddity_is_counted(tmp_path: Path, work: Path) -> None:
    with built(tmp_path) as made:
        made.org(A, created=None)
        made.org("org_b", b"blob", created="long ago")
        made.run("UPDATE organizations SET settings_json = ? WHERE id = ?", '{"burst_seconds": 1}', A)
        made.key(A, "off", enabled=0, expires_at="never")
        made.key(A, "powerless", permissions="everything")
        made.key("org_gone", "orphan")
        made.agent(A, "agent_1", config_json="{")
        made.session(A, "sess_1", status="paused", agent_id="agent_1", metadata_json="[]")
        made.session(A, "sess_2", metadata_json=None, updated_at=None)
    found = rehearsed(tmp_path / "memtrace.db", work)
    assert found.is_sound
    assert {name: count for name, count in found.findings.items() if count} == {
        "times_rewritten": 7,
        "times_unreadable": 2,
        "times_missing": 1,
        "texts_repaired": 1,
        "objects_unreadable": 2,
        "keys_off": 1,
        "keys_without_permission": 1,
        "keys_orphaned": 1,
        "sessions_without_agent": 1,
        "statuses_unknown": 1,
        "settings_taken_away": 1,
    }
    assert found.dangling == 1


def test_every_finding_has_its_words() -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        from core.adapters.sqlite.survey import findings

        assert set(findings(connection)) == {*CHANGES, *WORTH_KNOWING}


def test_what_others_added_is_named(tmp_path: Path, work: Path) -> None:
    with built(tmp_path) as made:
        made.run("ALTER TABLE api_keys ADD COLUMN team TEXT")
        made.run("CREATE INDEX by_team ON api_keys (team)")
        made.run("CREATE INDEX by_name ON api_keys (name)")
        made.run("CREATE TABLE notes (text TEXT)")
        made.run("CREATE VIEW people AS SELECT name FROM api_keys")
    found = rehearsed(tmp_path / "memtrace.db", work)
    assert found.lost == ("column api_keys.team", "index by_team")
    assert found.kept == ("index by_name", "table notes", "view people")


def test_one_that_is_up_to_date_has_nothing_to_do(tmp_path: Path, work: Path) -> None:
    path = original.copied_to(tmp_path)
    migrate(path)
    found = rehearsed(path, work)
    assert (found.missing, found.is_sound, found.is_original) == ((), True, False)


def test_an_empty_one_is_told_as_such(tmp_path: Path, work: Path) -> None:
    (tmp_path / "memtrace.db").touch()
    found = rehearsed(tmp_path / "memtrace.db", work)
    assert (found.is_empty, found.is_sound, found.counts) == (True, True, {})


def test_one_of_an_older_original_is_counted_as_far_as_it_goes(tmp_path: Path, work: Path) -> None:
    path = tmp_path / "memtrace.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE organizations (id TEXT PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO organizations VALUES ('org_a', 'a')")
        connection.commit()
    found = rehearsed(path, work)
    assert found.counts == {"orgs": 1}
    assert found.failure is not None
    assert "created_at" in found.failure


def test_what_keeps_a_migration_from_working_is_told(tmp_path: Path, work: Path) -> None:
    with built(tmp_path) as made:
        made.run("CREATE TABLE claims (mine TEXT)")
    found = rehearsed(tmp_path / "memtrace.db", work)
    assert not found.is_sound
    assert found.failure is not None
    assert "table claims already exists" in found.failure
    assert str(work) not in found.failure


def test_damage_is_told(tmp_path: Path, work: Path) -> None:
    with built(tmp_path) as made:
        made.agent(made.org(A), "agent_1")
        made.run("PRAGMA writable_schema=ON")
        made.run(
            """UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master
               WHERE name = 'idx_sessions_org') WHERE name = 'idx_agents_org'"""
        )
    found = rehearsed(tmp_path / "memtrace.db", work)
    assert found.damage
    assert not found.is_sound


def test_a_newer_one_is_told(tmp_path: Path, work: Path) -> None:
    path = tmp_path / "memtrace.db"
    migrate(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE _yoyo_migration SET migration_id = '9999_later' WHERE rowid = 1")
    assert rehearsed(path, work).unknown == ("9999_later",)


def test_what_is_no_database_is_refused(tmp_path: Path, work: Path) -> None:
    path = tmp_path / "memtrace.db"
    path.write_text("a letter to a friend, long enough to be no empty database at all\n" * 20)
    with pytest.raises(DatabaseError, match="not a database"):
        rehearsed(path, work)


def test_what_lies_in_the_log_of_an_unclean_stop_counts(tmp_path: Path, work: Path) -> None:
    with built(tmp_path) as made:
        made.run("PRAGMA wal_checkpoint(TRUNCATE)")
        made.org(A)
        left = uncleanly_stopped(made, tmp_path / "left")
    assert rehearsed(left, work).counts["orgs"] == 1


def test_a_write_that_was_cut_short_does_not_count(tmp_path: Path, work: Path) -> None:
    with built(tmp_path) as made:
        made.org(A)
        made.run("PRAGMA journal_mode=DELETE")
        made.run("PRAGMA cache_size=1")
        made.run("BEGIN")
        for number in range(2_000):
            made.org(f"org_{number}", "x" * 200)
        left = uncleanly_stopped(made, tmp_path / "left")
    assert rehearsed(left, work).counts["orgs"] == 1


def test_a_snapshot_of_one_in_use_is_its_last_commit(tmp_path: Path) -> None:
    with built(tmp_path) as made:
        made.org(A)
        made.run("BEGIN IMMEDIATE")
        made.org("org_b")
        snapshot(made.path, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db")) as connection:
        assert connection.execute("SELECT id FROM organizations").fetchall() == [(A,)]


@pytest.mark.parametrize("name", names_in(FOLDER))
def test_every_migration_says_what_it_is_about(name: str) -> None:
    assert 20 < len(summary(name)) < 200
