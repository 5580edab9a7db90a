"""Files of the original as unclean stops, other hands and other programs may have left them."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from core.adapters.sqlite.migrate import migrate
from core.model.errors import DatabaseError
from tests import original
from tests.original import Built, built

A = "org_a"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "memtrace.db"


def rows(path: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql).fetchall()


def uncleanly_stopped(made: Built, into: Path) -> Path:
    """The files as a killed process leaves them."""
    files = [file for file in made.path.parent.iterdir() if file.is_file()]
    into.mkdir()
    for file in files:
        shutil.copyfile(file, into / file.name)
    return into / made.path.name


def test_what_is_only_in_the_log_of_an_unclean_stop_is_there(tmp_path: Path) -> None:
    with built(tmp_path) as made:
        made.run("PRAGMA wal_checkpoint(TRUNCATE)")
        made.org(A)
        left = uncleanly_stopped(made, tmp_path / "left")
    assert left.with_name("memtrace.db-wal").stat().st_size > 0
    migrate(left)
    assert rows(left, "SELECT id FROM organizations") == [(A,)]


def test_a_write_that_an_unclean_stop_cut_short_is_taken_back(tmp_path: Path) -> None:
    with built(tmp_path) as made:
        made.org(A)
        made.run("PRAGMA journal_mode=DELETE")
        made.run("PRAGMA cache_size=1")
        made.run("BEGIN")
        for number in range(2_000):
            made.org(f"org_{number}", "x" * 200)
        left = uncleanly_stopped(made, tmp_path / "left")
    assert left.with_name("memtrace.db-journal").stat().st_size > 0
    migrate(left)
    assert rows(left, "SELECT id FROM organizations") == [(A,)]


def test_rows_that_refer_to_nothing_stay(tmp_path: Path, file: Path) -> None:
    with built(tmp_path) as made:
        made.agent("org_gone", "agent_1")
        made.session("org_gone", "sess_1")
        made.binding("org_gone")
    migrate(file)
    counts = [rows(file, f"SELECT count(*) FROM {t}") for t in ("agents", "sessions", "arc_instances")]
    assert counts == [[(1,)]] * 3


def test_what_others_added_stays(tmp_path: Path, file: Path) -> None:
    with built(tmp_path) as made:
        made.key(made.org(A), "k")
        made.session(A, "sess_1", updated_at="2026-11-21 00:00:01.5+00:00")
        made.run("CREATE TABLE notes (session TEXT REFERENCES sessions (id), text TEXT)")
        made.run("INSERT INTO notes VALUES ('sess_1', 'mine')")
        made.run('CREATE INDEX "by ""name""" ON api_keys (name)')
        made.run("CREATE INDEX by_status ON sessions (status)")
        made.run("CREATE VIEW people AS SELECT k.name FROM api_keys k JOIN sessions s USING (org_id)")
        made.run(
            'CREATE TRIGGER "touch ""it""" AFTER UPDATE ON sessions BEGIN'
            " UPDATE sessions SET updated_at = 'falsified' WHERE id = new.id; END"
        )
        made.run("CREATE TRIGGER keep BEFORE DELETE ON api_keys BEGIN SELECT raise(ABORT, 'never'); END")
    migrate(file)
    assert rows(file, "SELECT * FROM notes JOIN people") == [("sess_1", "mine", "k")]
    assert rows(file, "SELECT updated_at FROM sessions") == [("2026-11-21T00:00:01.500000Z",)]
    names = {name for (name,) in rows(file, "SELECT name FROM sqlite_master")}
    assert {'by "name"', "by_status", 'touch "it"', "keep"} <= names
    with pytest.raises(sqlite3.IntegrityError, match="never"):
        rows(file, "DELETE FROM api_keys")


def test_an_index_of_a_column_that_is_not_ours_does_not_stand_in_the_way(tmp_path: Path, file: Path) -> None:
    with built(tmp_path) as made:
        made.run("ALTER TABLE api_keys ADD COLUMN team TEXT")
        made.run("CREATE INDEX by_team ON api_keys (team)")
        made.key(made.org(A), "k", team="red")
    migrate(file)
    assert rows(file, "SELECT name FROM api_keys") == [("k",)]
    assert rows(file, "SELECT 1 FROM sqlite_master WHERE name = 'by_team'") == []


def test_a_foreign_table_of_our_name_refuses_the_upgrade_and_stays(tmp_path: Path, file: Path) -> None:
    with built(tmp_path) as made:
        made.org(A)
        made.run("CREATE TABLE journal (mine TEXT)")
    with pytest.raises(DatabaseError, match="table journal already exists"):
        migrate(file)
    assert rows(file, "SELECT created_at FROM organizations") == [(original.AT,)]
    assert rows(file, "SELECT * FROM journal") == []
