"""One writer, snapshots, turns, checkpoints: what the SQLite file promises its users."""

import asyncio
import contextlib
import fcntl
import sqlite3
import threading
from pathlib import Path

import pytest

from core.adapters.sqlite import checkpoint
from core.adapters.sqlite.checkpoint import Checkpointer
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.lane import Lane
from core.adapters.sqlite.turns import Turns
from core.model.errors import DatabaseError


def fill(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS t (n INTEGER)")
    connection.execute("INSERT INTO t VALUES (1)")


def count(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])


async def test_a_write_is_seen_by_the_next_read(tmp_path: Path) -> None:
    database = Database(tmp_path / "m.db")
    await database.write(fill)
    assert await database.read(count) == 1
    database.close()
    database.close()


async def test_an_error_in_a_write_undoes_it(tmp_path: Path) -> None:
    database = Database(tmp_path / "m.db")
    await database.write(fill)

    def fail(connection: sqlite3.Connection) -> None:
        fill(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await database.write(fail)
    assert await database.read(count) == 1
    database.close()


async def test_no_sqlite_error_leaves_the_adapter(tmp_path: Path) -> None:
    database = Database(tmp_path / "m.db")
    with pytest.raises(DatabaseError):
        await database.read(count)
    with pytest.raises(DatabaseError):
        await database.write(lambda c: c.execute("nonsense"))
    database.close()
    (tmp_path / "noise.db").write_bytes(b"no database " * 400)
    with pytest.raises(DatabaseError):
        Database(tmp_path / "noise.db")


async def test_a_cancelled_write_that_began_is_finished_before_the_next(tmp_path: Path) -> None:
    database = Database(tmp_path / "m.db")
    await database.write(fill)
    began, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        began.set()
        go_on.wait(10)
        fill(connection)

    task = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(began.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.write(fill)
    assert await database.read(count) == 3
    database.close()


async def test_a_write_that_is_cancelled_twice_keeps_the_lane_until_it_ended(tmp_path: Path) -> None:
    database = Database(tmp_path / "m.db")
    began, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        began.set()
        go_on.wait(10)
        fill(connection)

    task = asyncio.create_task(database.write(slow))
    await asyncio.to_thread(began.wait, 10)
    next_one = asyncio.create_task(database.lane.entered())
    for _ in range(2):  # a caller's patience ends, then the server's
        task.cancel()
        await asyncio.sleep(0.01)
    assert not next_one.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await next_one
    assert await database.read(count) == 1
    database.close()


async def test_the_lane_serves_in_order_and_skips_who_gave_up() -> None:
    lane = Lane()
    order: list[str] = []
    lane.enter(lambda: order.append("first"))
    impatient = asyncio.create_task(lane.entered())
    patient = asyncio.create_task(lane.entered())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    lane.leave()
    await patient
    lane.enter(lambda: order.append("last"))
    assert order == ["first"]
    lane.leave()
    assert order == ["first", "last"]


async def test_one_who_is_granted_the_lane_while_being_cancelled_gives_it_back() -> None:
    lane = Lane()
    lane.enter(lambda: None)
    waiting = asyncio.create_task(lane.entered())
    await asyncio.sleep(0)
    lane.leave()  # grants it to `waiting`
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(lane.entered(), 30)


async def test_a_crowd_that_gave_up_leaves_the_lane_to_the_next() -> None:
    lane = Lane()
    lane.enter(lambda: None)
    crowd = [asyncio.create_task(lane.entered()) for _ in range(2_000)]
    await asyncio.sleep(0)
    for impatient in crowd:
        impatient.cancel()
    lane.leave()  # before any of them could take itself off
    await asyncio.wait_for(lane.entered(), 30)
    await asyncio.wait(crowd)


async def test_nothing_is_kept_of_those_who_gave_up_the_lane() -> None:
    lane = Lane()
    lane.enter(lambda: None)
    crowd = [asyncio.create_task(lane.entered()) for _ in range(100)]
    await asyncio.sleep(0)
    for impatient in crowd:
        impatient.cancel()
    await asyncio.wait(crowd)
    assert lane.waiting == 0


def waits_at_the_gate(path: Path) -> bool:
    with path.open() as gate:
        try:
            fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_turn_is_not_taken_past_one_who_waits(tmp_path: Path) -> None:
    mine, yours = Turns(tmp_path / "x.turn"), Turns(tmp_path / "x.turn")
    assert mine.try_take()
    assert not yours.try_take()
    taken = threading.Event()

    def wait_for_it() -> None:
        yours.take()
        taken.set()

    waiter = threading.Thread(target=wait_for_it)
    waiter.start()
    while not waits_at_the_gate(tmp_path / "x.turn.gate"):
        pass
    mine.release()
    taken.wait(10)
    assert not mine.try_take()
    yours.release()
    waiter.join()
    assert mine.try_take()
    mine.release()
    mine.close()
    yours.close()


async def test_a_checkpoint_lets_the_log_begin_anew(tmp_path: Path) -> None:
    database = Database(tmp_path / "m.db")
    checkpointer = Checkpointer(database)
    for _ in range(50):
        await database.write(fill)
    log = tmp_path / "m.db-wal"
    grown = log.stat().st_size
    assert not await checkpointer.step(0, 100.0)
    assert await checkpointer.step(50, 100.0)
    assert not await checkpointer.step(60, 101.0)
    assert await checkpointer.step(20_050, 102.0)
    for _ in range(50):
        await database.write(fill)
    assert log.stat().st_size == grown
    assert await database.read(count) == 100
    checkpointer.close()
    database.close()


def read_for_long(connection: sqlite3.Connection) -> int:
    """In a snapshot for some hundredths of a second."""
    count(connection)
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
    return int(connection.execute(f"{numbers} SELECT max(i) FROM n").fetchone()[0])


async def test_reads_without_a_pause_do_not_let_the_log_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_LARGE", 50 * 4096)
    database = Database(tmp_path / "m.db")
    checkpointer = Checkpointer(database)
    await database.write(fill)
    is_over = False

    async def keep_reading() -> None:
        while not is_over:
            await database.read(read_for_long)

    with contextlib.closing(database), contextlib.closing(checkpointer):
        readers = [asyncio.create_task(keep_reading()) for _ in range(4)]
        for _ in range(100):
            await database.write(fill)
        assert await checkpointer.step(100, 100.0)
        await database.write(fill)
        pages = database.writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
        is_over = True
        await asyncio.wait(readers)
    assert pages < 50


async def test_reads_wait_while_they_are_held_and_are_held_only_when_none_runs(tmp_path: Path) -> None:
    database = Database(tmp_path / "m.db")
    await database.write(fill)
    began, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> int:
        began.set()
        go_on.wait(10)
        return count(connection)

    reading = asyncio.create_task(database.read(slow))
    await asyncio.to_thread(began.wait, 10)
    with database.without_readers(0.0) as is_so:
        assert not is_so
    go_on.set()
    assert await reading == 1
    with database.without_readers(5.0) as is_so:
        assert is_so
        following = asyncio.create_task(database.read(count))
        await asyncio.wait([following], timeout=0.02)
        assert not following.done()
    assert await following == 1
    database.close()
