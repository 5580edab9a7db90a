"""Bringing a database file up to date: new, old, newer, broken, and the original's own."""

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.migrate import FOLDER, migrate
from core.adapters.sqlite.orgs import SqliteOrgs
from core.model.errors import DatabaseError
from core.model.memory import OrgId
from core.model.tenant import Org
from tests.contract.metadata import START

ALL = sorted(path.stem for path in FOLDER.glob("*.sql"))
FIRST = "-- the first\nCREATE TABLE a (x INTEGER);\nINSERT INTO a VALUES (1);\n"
SECOND = (
    "-- the second\n-- depends: 0001_first\nCREATE TABLE b (x INTEGER);\nINSERT INTO b SELECT x FROM a;\n"
)
BROKEN = "-- depends: 0001_first\nCREATE TABLE b (x INTEGER);\nINSERT INTO missing VALUES (1);\n"


def _tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Migrations of our own: one, so far."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_first.sql").write_text(FIRST)
    return folder


def test_a_new_database_gets_every_migration_in_order(tmp_path: Path) -> None:
    assert migrate(tmp_path / "memtrace.db") == ALL
    assert {"organizations", "api_keys", "journal", "claims"} <= _tables(tmp_path / "memtrace.db")


def _before_deletions(tmp_path: Path) -> Path:
    """A database that settled a memory before settling overwrote what it dropped."""
    old = tmp_path / "old"
    old.mkdir()
    for name in ("0001_metadata.sql", "0002_journal.sql"):
        (old / name).write_text((FOLDER / name).read_text())
    path = tmp_path / "data" / "memtrace.db"
    migrate(path, old)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete=OFF")
        for time in range(100):
            row = (time, 1, 0, b"unforgettable " * 500)
            connection.execute("INSERT INTO journal (time, org_no, due_at, payload) VALUES (?, ?, ?, ?)", row)
        connection.execute("DELETE FROM journal WHERE time > 0")
    assert path.read_bytes().count(b"unforgettable") > 500
    return path


def test_what_settled_memories_left_in_the_file_goes_when_deletions_come(tmp_path: Path) -> None:
    path = _before_deletions(tmp_path)
    assert "0004_deletions" in migrate(path)
    assert 490 < path.read_bytes().count(b"unforgettable") <= 500  # the one that is still there
    assert [file.name for file in path.parent.iterdir() if "wal" in file.name] == []


def test_a_file_in_use_is_migrated_as_it_is(tmp_path: Path) -> None:
    path = _before_deletions(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("PRAGMA journal_mode=WAL")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM journal").fetchone()
        assert "0004_deletions" in migrate(path)


def test_a_large_file_is_left_to_the_operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _before_deletions(tmp_path)
    monkeypatch.setattr("core.adapters.sqlite.migrate._SMALL", 10_000)
    assert "0004_deletions" in migrate(path)
    assert path.read_bytes().count(b"unforgettable") > 500


def test_a_second_run_applies_nothing(tmp_path: Path) -> None:
    migrate(tmp_path / "memtrace.db")
    assert migrate(tmp_path / "memtrace.db") == []


def test_a_database_that_is_up_to_date_is_known_without_importing_yoyo(tmp_path: Path) -> None:
    path = tmp_path / "memtrace.db"
    migrate(path)
    script = (
        "import sys; from pathlib import Path; from core.adapters.sqlite.migrate import migrate; "
        "print(migrate(Path(sys.argv[1])), 'yoyo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        env={"PYTHONPATH": str(FOLDER.parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[] False\n"


def test_the_file_and_its_folder_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "memtrace.db"
    migrate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_path_of_any_characters_is_taken_literally(tmp_path: Path) -> None:
    path = tmp_path / "a b%20c?d#e&f=g'ü" / "mem;trace.db"
    assert migrate(path) == ALL
    assert "organizations" in _tables(path)
    assert migrate(path) == []


def test_a_relative_path_is_taken_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    migrate(Path("data/memtrace.db"))
    assert "organizations" in _tables(tmp_path / "data" / "memtrace.db")


def test_a_migration_that_came_later_is_applied_to_what_is_there(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "m.db"
    assert migrate(path, folder) == ["0001_first"]
    (folder / "0002_second.sql").write_text(SECOND)
    assert migrate(path, folder) == ["0002_second"]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT x FROM b").fetchall() == [(1,)]


def test_a_migration_that_fails_leaves_nothing_of_itself_nor_of_those_before_it(
    tmp_path: Path, folder: Path
) -> None:
    path = tmp_path / "m.db"
    (folder / "0002_broken.sql").write_text(BROKEN)
    with pytest.raises(DatabaseError, match="missing"):
        migrate(path, folder)
    assert _tables(path).isdisjoint({"a", "b"})


def test_a_migration_that_failed_is_tried_again(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "m.db"
    (folder / "0002_second.sql").write_text(BROKEN)
    with pytest.raises(DatabaseError):
        migrate(path, folder)
    (folder / "0002_second.sql").write_text(SECOND)
    assert migrate(path, folder) == ["0001_first", "0002_second"]


def test_a_migration_without_the_one_it_needs_is_refused(tmp_path: Path, folder: Path) -> None:
    (folder / "0002_second.sql").write_text(SECOND.replace("0001_first", "0001_nowhere"))
    with pytest.raises(DatabaseError, match="cannot be brought up to date"):
        migrate(tmp_path / "m.db", folder)


def test_a_database_of_a_newer_memtrace_is_refused(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "m.db"
    (folder / "0002_second.sql").write_text(SECOND)
    migrate(path, folder)
    (folder / "0002_second.sql").unlink()
    with pytest.raises(DatabaseError, match="made by a newer Memtrace: 0002_second"):
        migrate(path, folder)


def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "memtrace.db"
    path.write_text("a letter to a friend, long enough to be no empty database at all\n" * 20)
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="not a database"):
        migrate(path)
    assert path.read_bytes() == before


def test_a_folder_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(DatabaseError, match="is not a file"):
        migrate(tmp_path)


def test_a_place_that_cannot_hold_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DatabaseError, match="cannot be made"):
        migrate(tmp_path / "file" / "memtrace.db")


def test_a_lock_left_by_a_killed_process_holds_nobody_up(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "m.db"
    migrate(path, folder)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, '2026-11-21', 1)")
        connection.execute("DROP TABLE _yoyo_version")  # so that the marks have to be prepared again
        connection.execute("DROP TABLE _yoyo_migration")
        connection.execute("DROP TABLE _yoyo_log")
        connection.execute("DROP TABLE a")
        connection.commit()
    assert migrate(path, folder) == ["0001_first"]


def test_several_at_once_apply_each_migration_once(tmp_path: Path) -> None:
    path = tmp_path / "memtrace.db"
    script = (
        "import sys; from pathlib import Path; from core.adapters.sqlite.migrate import migrate; "
        "print(len(migrate(Path(sys.argv[1]))))"
    )

    def run() -> int:
        done = subprocess.run(
            [sys.executable, "-c", script, str(path)],
            env={"PYTHONPATH": str(FOLDER.parents[3])},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    with ThreadPoolExecutor(3) as pool:
        applied = list(pool.map(lambda _: run(), range(3)))
    assert sorted(applied) == [0, 0, len(ALL)]


async def test_a_deleted_org_leaves_nothing_in_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "memtrace.db"
    migrate(path)
    database = Database(path)
    orgs = SqliteOrgs(database)
    try:
        for number, name in enumerate(("org_a", "org_b"), start=1):
            await orgs.create_org(Org(OrgId(name), name, START))
            await database.write(lambda c, n=number, o=name: _journaled(c, n, o))  # type: ignore[misc]
        await orgs.delete_org(OrgId("org_a"))
        left = await database.read(_journal_rows)
    finally:
        database.close()
    assert left == {"ledger": [0, 2], "claims": [2], "journal": [2], "requests": [2]}


def _journaled(connection: sqlite3.Connection, org_no: int, org_id: str) -> None:
    connection.execute(
        "INSERT INTO ledger (org_no, org_id, settled_through) VALUES (?, ?, 0)", (org_no, org_id)
    )
    connection.execute("INSERT INTO claims (org_no, key, time) VALUES (?, x'00', ?)", (org_no, org_no))
    connection.execute(
        "INSERT INTO journal (time, org_no, due_at, payload) VALUES (?, ?, 0, x'00')", (org_no, org_no)
    )
    connection.execute("INSERT INTO requests (org_no, key, body, at) VALUES (?, x'00', x'00', 0)", (org_no,))


def _journal_rows(connection: sqlite3.Connection) -> dict[str, list[int]]:
    return {
        table: [row[0] for row in connection.execute(f"SELECT org_no FROM {table} ORDER BY org_no")]
        for table in ("ledger", "claims", "journal", "requests")
    }


def test_what_failed_is_told_also_where_the_whole_transaction_was_taken_back(
    tmp_path: Path, folder: Path
) -> None:
    """As SQLite does by itself when the disk is full."""
    (folder / "0002_second.sql").write_text("INSERT OR ROLLBACK INTO t (id) VALUES (1), (1);")
    (folder / "0001_first.sql").write_text("CREATE TABLE t (id INTEGER PRIMARY KEY);")
    with pytest.raises(DatabaseError, match="UNIQUE constraint failed"):
        migrate(tmp_path / "x.db", folder)
