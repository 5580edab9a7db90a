"""Programs that do not outlive whoever started them."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from local import tied
from tests.e2e.installation import environment, is_running, until

_PARENT = """
import os, subprocess, sys, time
me = str(os.getpid())
child = subprocess.Popen([sys.executable, sys.argv[1], me, "http.server", "--bind", "127.0.0.1", "0"])
print(child.pid, flush=True)
time.sleep(60)
"""


async def test_a_tied_program_dies_with_its_parent_also_while_it_is_stopped(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _PARENT,
        tied.__file__,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=tmp_path,
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    arguments = Path(f"/proc/{child}/cmdline")

    async def begun() -> bool:
        return b"-m" in (await asyncio.to_thread(arguments.read_bytes)).split(b"\0")

    await until(begun, what="the program's begin")
    os.kill(child, signal.SIGSTOP)
    parent.kill()
    await parent.wait()

    async def gone() -> bool:
        return not is_running(child)

    await until(gone, what="the tied program's end")


def test_it_is_the_module_that_runs() -> None:
    line = [sys.executable, tied.__file__, str(os.getpid()), "calendar", "2026", "11"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=20, check=True)
    assert "November 2026" in done.stdout


def test_a_parent_that_died_before_it_began_gets_no_program() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    line = [sys.executable, tied.__file__, str(dead.pid), "calendar", "2026", "11"]
    assert subprocess.run(line, capture_output=True, timeout=20, check=True).stdout == b""
