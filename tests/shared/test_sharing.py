"""What a file needs to be shared, how that is seen, and how it is taken away again."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from core.adapters.sqlite import sharing
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.migrate import migrate
from core.adapters.sqlite.rollback import JOURNAL_LIMIT, journal_of
from core.adapters.sqlite.shared import SharedDatabase
from core.adapters.sqlite.sharing import leave_log, make_shared, make_unshared, mode_of
from core.model.errors import DatabaseError, HeldByOther
from tests.contract.journals import make_file

SCAN = """SELECT payload FROM journal WHERE time >= 1 AND time < 9 AND org_no = 3 ORDER BY time DESC"""
FOLLOW = """SELECT time, org_id, payload FROM journal JOIN ledger USING (org_no)
    WHERE time > 5 AND state = 0 AND parked = 0 AND due_at <= 9 ORDER BY time LIMIT 10"""


def plan(path: Path, query: str) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))


def header(path: Path) -> bytes:
    """1 1: a rollback journal; 2 2: the log mode."""
    return path.read_bytes()[18:20]


def logged(path: Path) -> Path:
    with contextlib.closing(Database(make_file(path))):
        assert header(path) == b"\2\2"
    return path


def test_a_file_that_nobody_shared_is_kept_in_the_log_mode(tmp_path: Path) -> None:
    assert mode_of(tmp_path / "none.db") == "wal"
    assert mode_of(make_file(tmp_path / "m.db")) == "wal"


def test_a_file_that_was_shared_stays_so(path: Path) -> None:
    assert mode_of(path) == "shared"


def test_on_a_network_file_system_a_file_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"30 22 0:40 / {tmp_path} rw - nfs4 127.0.0.1:/ rw\n")
    monkeypatch.setattr(sharing, "_MOUNTS", mounts)
    assert mode_of(tmp_path / "data" / "m.db") == "shared"
    monkeypatch.setattr(sharing, "_MOUNTS", tmp_path / "none")
    assert mode_of(tmp_path / "data" / "m.db") == "wal"


def test_what_is_no_database_has_no_mode(tmp_path: Path) -> None:
    (tmp_path / "noise.db").write_bytes(b"noise" * 1_000)
    for work in (mode_of, leave_log, make_shared, make_unshared):
        with pytest.raises(DatabaseError):
            work(tmp_path / "noise.db")


def test_a_file_is_taken_out_of_the_log_mode_when_nobody_has_it_open(tmp_path: Path) -> None:
    path = logged(tmp_path / "m.db")
    leave_log(path)
    assert header(path) == b"\1\1"
    assert not path.with_name("m.db-wal").exists()
    leave_log(path)
    leave_log(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_file_that_a_server_has_open_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "_BUSY_MS", 50)
    path = make_file(tmp_path / "m.db")
    with contextlib.closing(Database(path)):
        with pytest.raises(HeldByOther):
            leave_log(path)
        assert header(path) == b"\2\2"


def test_what_a_killed_server_left_in_its_log_comes_along(tmp_path: Path) -> None:
    path = make_file(tmp_path / "m.db")
    with contextlib.closing(Database(path)) as database:
        database.writer.execute("UPDATE organizations SET name = 'logged' WHERE name = 'acme'")
        copy = tmp_path / "copy.db"
        for end in ("", "-wal"):
            copy.with_name(copy.name + end).write_bytes(path.with_name(path.name + end).read_bytes())
    assert b"logged" not in copy.read_bytes()
    leave_log(copy)
    assert b"logged" in copy.read_bytes()
    assert not copy.with_name("copy.db-wal").exists()
    assert not copy.with_name("copy.db-shm").exists()


def test_shared_use_needs_an_index_and_a_journal_that_stays(path: Path) -> None:
    assert "journal_org" in plan(path, SCAN)
    assert "TEMP B-TREE" not in plan(path, SCAN)
    assert plan(path, FOLLOW).startswith("SEARCH journal USING INTEGER PRIMARY KEY")
    assert "TEMP B-TREE" not in plan(path, FOLLOW)
    left = journal_of(path).read_bytes()
    assert left
    assert not any(left)


def test_a_file_that_is_ready_is_left_alone(path: Path) -> None:
    before = path.read_bytes()
    make_shared(path)
    assert path.read_bytes() == before
    journal_of(path).unlink()
    make_shared(path)
    assert journal_of(path).exists()


def test_one_process_alone_pays_for_no_index(path: Path) -> None:
    make_unshared(path)
    assert mode_of(path) == "wal"
    assert "journal_org" not in plan(path, SCAN)
    make_unshared(path)
    make_unshared(path.with_name("none.db"))
    assert not path.with_name("none.db").exists()


def test_migrating_a_shared_file_again_leaves_it_shared(path: Path) -> None:
    assert migrate(path) == []
    assert mode_of(path) == "shared"
    assert header(path) == b"\1\1"


async def test_the_journal_file_is_cut_back_after_a_large_transaction(database: SharedDatabase) -> None:
    def write(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE large AS SELECT randomblob(2000000) AS one")

    def erase(connection: sqlite3.Connection) -> None:
        connection.execute("DROP TABLE large")

    await database.write(write)
    await database.write(erase)
    assert 0 < journal_of(database.path).stat().st_size <= JOURNAL_LIMIT
