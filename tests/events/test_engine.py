"""DuckDB behind threads: deadlines, limits, errors, and an end."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.adapters.events.engine import Cursor, Engine, Fault, Row
from core.model.errors import StoreRefused, StoreTimeout, StoreUnreachable

ENDLESS = "SELECT count(*) FROM range(100000000000) a, range(1000) b WHERE a.range % 7 = b.range % 11"


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(memory_limit_mb=96, threads=2, workers=1)
    yield engine
    engine.close()


async def ask(engine: Engine, sql: str, timeout: float = 30) -> list[Row]:
    return await engine.run(lambda cursor: cursor.rows(sql), timeout)


async def test_a_statement_answers(engine: Engine) -> None:
    assert await ask(engine, "SELECT 1, 'x'") == [(1, "x")]
    assert len(await ask(engine, "SELECT * FROM range(2500)")) == 2500


async def test_every_worker_has_the_settings(engine: Engine) -> None:
    settings = "current_setting('TimeZone'), current_setting('late_materialization_max_rows')"
    assert await ask(engine, f"SELECT {settings}") == [("UTC", 0)]


async def test_a_statement_that_takes_too_long_is_interrupted(engine: Engine) -> None:
    with pytest.raises(StoreTimeout, match=r"within 0\.05 seconds"):
        await ask(engine, ENDLESS, timeout=0.05)
    # The one worker is free again: the statement did end.
    assert await ask(engine, "SELECT 2") == [(2,)]


async def test_a_cancelled_caller_takes_its_statement_along(engine: Engine) -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(cursor: Cursor) -> None:
        loop.call_soon_threadsafe(started.set)
        cursor.rows(ENDLESS)

    task = asyncio.create_task(engine.run(work, 30))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await ask(engine, "SELECT 3") == [(3,)]


async def test_work_that_waited_too_long_for_its_turn_never_runs(engine: Engine) -> None:
    release, ran = threading.Event(), threading.Event()
    first = asyncio.create_task(engine.run(lambda _: release.wait(10), 30))
    await asyncio.sleep(0)
    with pytest.raises(StoreTimeout):
        await engine.run(lambda _: ran.set(), 0.01)
    release.set()
    await first
    await ask(engine, "SELECT 1")
    assert not ran.is_set()


async def test_owners_take_turns_however_much_one_of_them_asks(engine: Engine) -> None:
    began, go_on = threading.Event(), threading.Event()
    served: list[str] = []

    def work(name: str) -> Callable[[Cursor], None]:
        def serve(cursor: Cursor) -> None:
            began.set()
            go_on.wait(10)
            served.append(name)

        return serve

    asked = [asyncio.create_task(engine.run(work("a1"), 30, whose="a"))]
    await asyncio.to_thread(began.wait, 10)
    names = ("a2", "a3", "b1", "c1", "b2")
    asked += [asyncio.create_task(engine.run(work(name), 30, whose=name[0])) for name in names]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(*asked)
    assert served == ["a1", "a2", "b1", "c1", "a3", "b2"]


async def test_closing_leaves_nobody_waiting(engine: Engine) -> None:
    began = threading.Event()

    def endless(cursor: Cursor) -> list[Row]:
        began.set()
        return cursor.rows(ENDLESS)

    running = asyncio.create_task(engine.run(endless, 30))
    await asyncio.to_thread(began.wait, 10)
    waiting = [asyncio.create_task(ask(engine, "SELECT 1")) for _ in range(3)]
    await asyncio.sleep(0)
    await asyncio.to_thread(engine.close)
    await asyncio.wait_for(asyncio.wait([running, *waiting]), 30)
    assert all(task.cancelled() or isinstance(task.exception(), StoreTimeout) for task in waiting)
    assert isinstance(running.exception(), StoreTimeout)


async def test_no_second_statement_follows_a_deadline(engine: Engine) -> None:
    reached, release, after = threading.Event(), threading.Event(), []

    def work(cursor: Cursor) -> None:
        reached.set()
        release.wait(10)
        try:
            cursor.rows("SELECT 1")
        except Fault as e:
            after.append(e.kind)
            raise

    with pytest.raises(StoreTimeout):
        await engine.run(work, 0.01)
    release.set()
    await ask(engine, "SELECT 1")
    assert after == (["stopped"] if reached.is_set() else [])


async def test_the_memory_limit_holds(engine: Engine) -> None:
    with pytest.raises(StoreUnreachable, match="memory limit"):
        await ask(engine, "SELECT list(range) FROM range(30000000)")


async def test_a_file_that_is_not_there_is_named(engine: Engine) -> None:
    with pytest.raises(StoreUnreachable, match=r"/nowhere/x\.parquet"):
        await ask(engine, "SELECT * FROM read_parquet('/nowhere/x.parquet')")


async def test_an_error_about_data_repeats_no_value(engine: Engine) -> None:
    sql = "SELECT CAST('SECRET' AS INTEGER)"
    with pytest.raises(StoreUnreachable) as reading:
        await ask(engine, sql)
    with pytest.raises(StoreRefused) as writing:
        await engine.run(lambda cursor: cursor.rows(sql), 30, writes=True)
    assert "SECRET" not in reading.value.message
    assert "SECRET" not in writing.value.message


async def test_text_that_is_no_unicode_is_an_error_of_ours(engine: Engine) -> None:
    with pytest.raises(StoreUnreachable):
        await ask(engine, "SELECT '\ud800'")


async def test_a_closed_engine_says_so(engine: Engine) -> None:
    await ask(engine, "SELECT 1")
    engine.close()
    engine.close()
    with pytest.raises(StoreUnreachable, match="closed"):
        await ask(engine, "SELECT 1")


async def test_closing_ends_what_runs(engine: Engine) -> None:
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(cursor: Cursor) -> None:
        loop.call_soon_threadsafe(started.set)
        cursor.rows(ENDLESS)

    task = asyncio.create_task(engine.run(work, 30))
    await started.wait()
    engine.close()
    with pytest.raises(StoreTimeout):
        await task


async def test_spill_files_go_with_the_engine(engine: Engine) -> None:
    [(folder,)] = await ask(engine, "SELECT current_setting('temp_directory')")
    assert folder in _temporary(folder)
    engine.close()
    assert folder not in _temporary(folder)


def _temporary(folder: str) -> list[str]:
    return [str(path) for path in Path(folder).parent.iterdir()]


async def test_a_missing_driver_is_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(StoreUnreachable, match="cannot start"):
        await ask(engine, "SELECT 1")


def test_duckdb_is_imported_by_the_first_statement_only() -> None:
    code = (
        "import sys; from core.adapters.events.parquet import ParquetStore;"
        "from core.adapters.events.merge import Merger; from core.adapters.events.engine import Engine;"
        "Engine(memory_limit_mb=96, threads=1).close(); sys.exit('duckdb' in sys.modules)"
    )
    src = Path(__file__).resolve().parents[2] / "src"
    assert subprocess.run([sys.executable, "-c", code], cwd=src, check=False, timeout=60).returncode == 0
