"""Signals: the first asks, the second ends it, and so does the end of the time."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from handlers.stopping import on_signals

ROOT = Path(__file__).parents[2]


async def test_the_first_signal_asks_to_stop() -> None:
    stop = asyncio.Event()
    with on_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(30):
            await stop.wait()


async def test_afterwards_signals_mean_what_they_meant_before() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with on_signals(asyncio.Event(), seconds=1):
        pass
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


async def _ended(body: str, *signals: int) -> tuple[int, str]:
    """Runs a process that is told to stop by these signals; its exit code and what it printed."""
    script = f"""
import asyncio, sys, time
sys.path.insert(0, {str(ROOT / "src")!r})
from handlers.stopping import on_signals
async def main():
    stop = asyncio.Event()
    with on_signals(stop, seconds=SECONDS, last_words=lambda: print("last words", flush=True)):
        print("ready", flush=True)
        await stop.wait()
        print("stopping", flush=True)
        {body}
asyncio.run(main())
print("done", flush=True)
"""
    script = script.replace("SECONDS", "0.2" if not signals[1:] else "30")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    printed = ""
    async with asyncio.timeout(30):
        for number in signals:
            printed += (await process.stdout.readline()).decode()
            process.send_signal(number)
        printed += (await process.stdout.read()).decode()
        return await process.wait(), printed


async def test_stopping_in_time_is_an_orderly_end() -> None:
    code, printed = await _ended("pass", signal.SIGINT)
    assert code == 0
    assert printed.split() == ["ready", "stopping", "done"]


async def test_a_second_signal_ends_it_at_once() -> None:
    code, printed = await _ended("await asyncio.sleep(60)", signal.SIGTERM, signal.SIGTERM)
    assert code == 1
    assert printed.splitlines() == ["ready", "stopping", "last words"]


async def test_the_time_for_stopping_ends_even_a_blocked_process() -> None:
    code, printed = await _ended("time.sleep(60)", signal.SIGTERM)
    assert code == 1
    assert printed.splitlines() == ["ready", "stopping", "last words"]
