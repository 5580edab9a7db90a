"""One file that many processes write to: what each transaction finds out, and what it leaves behind."""

import asyncio
import contextlib
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from core.adapters.sqlite.database import Database
from core.adapters.sqlite.migrate import FOLDER, migrate
from core.adapters.sqlite.shared import SharedDatabase
from core.adapters.sqlite.sharing import make_shared
from core.adapters.sqlite.waiting_turns import WaitingTurns
from core.model.errors import DatabaseError
from tests.contract.journals import make_file

NAMES = "SELECT name FROM organizations ORDER BY name"
RENAME = "UPDATE organizations SET name = 'renamed' WHERE name = 'acme'"


def names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute(NAMES)]


def rename(connection: sqlite3.Connection) -> None:
    connection.execute(RENAME)


def is_free(connection: sqlite3.Connection) -> bool:
    """Whether nobody has any lock on the file."""
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        return False
    connection.execute("ROLLBACK")
    return True


async def test_the_file_is_opened_for_durability_without_shared_memory(database: SharedDatabase) -> None:
    def look(connection: sqlite3.Connection) -> list[object]:
        asked = ("journal_mode", "synchronous", "mmap_size", "locking_mode", "foreign_keys", "secure_delete")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked]

    expected = ["persist", 3, 0, "normal", 1, 1]
    assert await database.read(look) == expected
    assert await database.write(look) == expected
    assert not [f.name for f in database.path.parent.iterdir() if f.name.endswith(("-wal", "-shm"))]


async def test_nothing_is_locked_between_two_transactions(
    database: SharedDatabase, stranger: sqlite3.Connection
) -> None:
    await database.read(names)
    assert is_free(stranger)
    await database.write(rename)
    assert is_free(stranger)
    await database.at_rest()
    with contextlib.closing(WaitingTurns(database.path.with_name("m.db.turn"), 0.1)) as turns:
        assert turns.try_take()


async def test_another_process_reads_what_was_written_at_once(database: SharedDatabase, path: Path) -> None:
    with contextlib.closing(SharedDatabase(path, patience=1)) as other:
        assert await other.read(names) == ["acme", "other"]
        await database.write(rename)
        assert await other.read(names) == ["other", "renamed"]


async def test_an_error_in_a_transaction_undoes_it(
    database: SharedDatabase, stranger: sqlite3.Connection
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        rename(connection)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await database.write(fail)
    assert is_free(stranger)
    assert await database.read(names) == ["acme", "other"]


async def test_after_an_error_of_sqlite_the_connection_is_a_new_one(
    database: SharedDatabase, stranger: sqlite3.Connection
) -> None:
    async def connection_of(road: str) -> int:
        return int(await getattr(database, road)(id))

    def break_off(_: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    for road in ("read", "write"):
        before = database._writer_seat.connection  # kept alive, so that its id is nobody else's
        first = await connection_of(road)
        with pytest.raises(DatabaseError, match="disk I/O error") as broken:
            await getattr(database, road)(break_off)
        assert broken.value.retry_after is None
        assert is_free(stranger)
        assert await database.read(names) == ["acme", "other"]
        del before, first


async def test_a_writer_whose_turn_does_not_come_is_told_to_come_again(
    database: SharedDatabase, path: Path
) -> None:
    with contextlib.closing(WaitingTurns(path.with_name("m.db.turn"), 5)) as other:
        with other.held(), pytest.raises(DatabaseError, match="not our turn") as refused:
            await database.write(rename)
        assert refused.value.retry_after == 1
    await database.write(rename)
    assert await database.read(names) == ["other", "renamed"]


async def test_a_reader_in_the_way_of_a_commit_undoes_it_after_a_while(
    database: SharedDatabase, stranger: sqlite3.Connection
) -> None:
    stranger.execute("BEGIN")
    names(stranger)
    with pytest.raises(DatabaseError, match="too long") as refused:
        await database.write(rename)
    assert refused.value.retry_after == 1
    assert names(stranger) == ["acme", "other"]
    stranger.execute("ROLLBACK")
    assert is_free(stranger)
    await database.write(rename)
    assert names(stranger) == ["other", "renamed"]


async def test_a_writer_in_the_way_of_a_read_is_waited_for_as_long(
    database: SharedDatabase, stranger: sqlite3.Connection
) -> None:
    await database.read(names)
    await database.read(names)
    stranger.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError, match="too long") as refused:
        await database.read(names)
    assert refused.value.retry_after == 1
    stranger.execute("ROLLBACK")
    assert await database.read(names) == ["acme", "other"]


async def test_a_first_connection_behind_a_writer_is_told_to_come_again(
    database: SharedDatabase, stranger: sqlite3.Connection
) -> None:
    stranger.execute("BEGIN EXCLUSIVE")
    with pytest.raises(DatabaseError) as refused:
        await database.read(names)
    assert refused.value.retry_after == 1
    stranger.execute("ROLLBACK")
    assert await database.read(names) == ["acme", "other"]


async def test_a_database_is_used_as_soon_as_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "later" / "m.db"
    with contextlib.closing(SharedDatabase(path, patience=1)) as database:
        with pytest.raises(DatabaseError, match="there is no database"):
            await database.read(names)
        with pytest.raises(DatabaseError, match="cannot be locked"):
            await database.write(rename)
        make_file(path)
        assert await database.read(names) == ["acme", "other"]
        await database.write(rename)


async def test_a_database_that_is_behind_is_used_once_it_was_brought_up_to_date(tmp_path: Path) -> None:
    path, old = tmp_path / "m.db", tmp_path / "old"
    old.mkdir()
    for file in sorted(FOLDER.glob("*.sql"))[:-1]:
        (old / file.name).write_text(file.read_text())
    migrate(path, old)
    with contextlib.closing(SharedDatabase(path, patience=1)) as database:
        with pytest.raises(DatabaseError, match=r"not up to date: 000\d_\w+ is missing"):
            await database.read(names)
        migrate(path)
        make_shared(path)
        assert await database.read(names) == []


async def test_a_database_that_became_newer_under_us_is_left_alone(
    database: SharedDatabase, stranger: sqlite3.Connection
) -> None:
    await database.read(names)
    stranger.execute("INSERT INTO _yoyo_migration (migration_hash, migration_id) VALUES ('x', '9999_next')")
    stranger.execute("CREATE TABLE next (n)")
    for work in (database.read, database.write):
        with pytest.raises(DatabaseError, match="newer Memtrace: 9999_next"):
            await work(names)
    assert is_free(stranger)


async def test_a_file_that_was_replaced_is_opened_anew(database: SharedDatabase, tmp_path: Path) -> None:
    told: list[str] = []
    database.when_replaced.append(lambda: told.append("replaced"))
    assert await database.write(names) == await database.read(names) == ["acme", "other"]
    other = make_file(tmp_path / "restored.db")
    with contextlib.closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("UPDATE organizations SET name = 'restored' WHERE name = 'acme'")
    assert told == []
    os.replace(other, database.path)
    assert await database.read(names) == await database.write(names) == ["other", "restored"]
    assert told == ["replaced"]


async def test_a_file_that_is_gone_is_not_made_again(database: SharedDatabase) -> None:
    await database.read(names)
    await database.write(names)
    database.path.rename(database.path.with_name("away.db"))
    for work in (database.read, database.write):
        with pytest.raises(DatabaseError, match="there is no database"):
            await work(names)
    assert not database.path.exists()
    database.path.with_name("away.db").rename(database.path)
    assert await database.read(names) == await database.write(names) == ["acme", "other"]


async def test_a_file_that_another_process_took_into_the_log_mode_is_refused_until_it_is_free(
    database: SharedDatabase, path: Path
) -> None:
    await database.write(rename)
    with contextlib.closing(Database(path)):
        for work in (database.read, database.write):
            with pytest.raises(DatabaseError, match="to itself") as refused:
                await work(names)
            assert refused.value.retry_after == 1
    assert await database.write(names) == ["other", "renamed"]
    assert not path.with_name("m.db-wal").exists()


async def test_a_cancelled_read_is_over_when_its_caller_is(database: SharedDatabase) -> None:
    begun, go = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        begun.set()
        go.wait(5)

    reading = asyncio.create_task(database.read(slow))
    assert await asyncio.to_thread(begun.wait, 5)
    reading.cancel()
    await asyncio.wait([reading], timeout=0.05)
    assert not reading.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_connection_that_cannot_even_undo_is_made_anew(database: SharedDatabase) -> None:
    def close(connection: sqlite3.Connection) -> None:
        connection.close()
        raise ValueError("gone")

    for work in (database.read, database.write):
        with pytest.raises(ValueError, match="gone"):
            await work(close)
        assert await work(names) == ["acme", "other"]


async def test_a_connection_that_the_network_broke_is_made_anew_unseen(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_once(path: Path, **options: int) -> sqlite3.Connection:
        monkeypatch.undo()
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr("core.adapters.sqlite.shared.connect", fail_once)
    assert await database.read(names) == ["acme", "other"]


async def test_a_network_that_stays_broken_is_an_error(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, **options: int) -> sqlite3.Connection:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr("core.adapters.sqlite.shared.connect", fail)
        with pytest.raises(DatabaseError, match="disk I/O error"):
            await database.read(names)
    assert await database.read(names) == ["acme", "other"]


async def test_a_file_that_is_replaced_all_the_time_is_an_error(
    database: SharedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("core.adapters.sqlite.shared.is_in_place", lambda _: False)
        with pytest.raises(DatabaseError, match="is being replaced"):
            await database.read(names)
    assert await database.read(names) == ["acme", "other"]


async def test_a_rollback_journal_that_cannot_be_looked_into_is_an_error(database: SharedDatabase) -> None:
    journal = database.path.with_name("m.db-journal")
    journal.unlink()
    journal.mkdir()
    with pytest.raises(DatabaseError, match="cannot be used"):
        await database.read(names)
    journal.rmdir()
    assert await database.read(names) == ["acme", "other"]


def test_closing_a_database_that_was_never_opened_is_nothing(tmp_path: Path) -> None:
    database = SharedDatabase(tmp_path / "m.db", patience=1)
    database.close()
    database.close()
