"""The flusher beside the server: started, watched, ended with its parent."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import structlog

from handlers.child import Backoff, Child

_QUICK = Backoff(first=0.01, most=0.02)


def command(script: str) -> list[str]:
    return [sys.executable, "-c", script]


@contextlib.asynccontextmanager
async def running(child: Child) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(child.run())
        yield task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0.01)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def writes(path: Path, then: str) -> str:
    return f"import os,sys,signal,time; print(os.getpid(), file=open({str(path)!r}, 'a')); {then}"


async def test_stop_asks_the_child_to_end_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    on_term = f"open({str(log)!r}, 'a').write('term\\n'), sys.exit(0)"
    script = f"import sys,signal,time; signal.signal(15, lambda *_: ({on_term}));"
    child = Child(command(script + writes(log, "time.sleep(60)")), os.environ)
    async with running(child):
        await until(lambda: bool(lines(log)))
        assert await child.stop(5)
    assert lines(log)[-1] == "term"
    assert child.pid is None


async def test_a_child_that_does_not_listen_is_killed_in_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = "import signal; signal.signal(15, signal.SIG_IGN);" + writes(log, "time.sleep(60)")
    child = Child(command(script), os.environ)
    async with running(child):
        await until(lambda: bool(lines(log)))
        assert not await child.stop(0.1)
    assert child.pid is None


async def test_a_child_that_ends_by_itself_is_started_again_and_the_end_logged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child(command(writes(log, "sys.exit(3)")), os.environ, backoff=_QUICK)
    with structlog.testing.capture_logs() as events:
        async with running(child):
            await until(lambda: len(lines(log)) >= 3)
            await child.stop(5)
    assert len(set(lines(log))) >= 3
    assert events[0]["event"] == "flusher_died"
    assert events[0]["reason"] == "exit code 3"


async def test_a_killed_child_is_logged_with_its_signal(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child(command(writes(log, "os.kill(os.getpid(), 9)")), os.environ, backoff=_QUICK)
    with structlog.testing.capture_logs() as events:
        async with running(child):
            await until(lambda: bool(events))
            await child.stop(5)
    assert events[0]["reason"] == "signal SIGKILL"


async def test_a_command_that_cannot_be_started_is_tried_again() -> None:
    child = Child(["/nonexistent/memtrace"], os.environ, backoff=_QUICK)
    with structlog.testing.capture_logs() as events:
        async with running(child):
            await until(lambda: len(events) >= 2)
            await child.stop(5)
    assert "cannot be started" in events[0]["reason"]


async def test_a_cancelled_parent_leaves_no_child_behind(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child(command(writes(log, "time.sleep(60)")), os.environ)
    async with running(child) as task:
        await until(lambda: bool(lines(log)))
        task.cancel()
    await until(lambda: not Path(f"/proc/{lines(log)[0]}/cmdline").exists() or child.pid is None)


async def test_a_child_asked_to_stop_before_it_lives_ends_at_once(tmp_path: Path) -> None:
    child = Child(command("import time; time.sleep(60)"), os.environ)
    async with running(child):
        assert await child.stop(5)


async def test_the_child_sees_the_end_of_its_input_when_the_parent_dies(tmp_path: Path) -> None:
    log = tmp_path / "log"
    parent = f"""
import asyncio, os, sys
sys.path.insert(0, "src")
from handlers.child import Child
script = {writes(log, f"sys.stdin.read(); open({str(log)!r}, 'a').write('end'+chr(10))")!r}
async def main():
    child = Child([sys.executable, "-c", script], os.environ)
    task = asyncio.create_task(child.run())
    await asyncio.sleep(60)
asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", parent)
    await until(lambda: bool(lines(log)))
    process.kill()
    await process.wait()
    await until(lambda: lines(log)[-1] == "end")


@pytest.mark.parametrize(
    ("previous", "lived", "delay"),
    [(None, 0, 0.5), (0.5, 0, 1.0), (16, 1, 30), (30, 59, 30), (30, 60, 0.5)],
)
def test_the_wait_doubles_up_to_a_bound_and_starts_over_after_a_long_life(
    previous: float | None, lived: float, delay: float
) -> None:
    assert Backoff().after(previous, lived) == delay
