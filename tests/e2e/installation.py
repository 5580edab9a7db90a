"""A real installation in a folder, with real processes that never outlive the test."""

import asyncio
import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import httpx

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 60.0
_URL = re.compile(r"http://127\.0\.0\.1:(\d+)")


def environment(**more: str) -> dict[str, str]:
    """What a process of ours needs to find our code; nothing of the developer's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MEMTRACE_")}
    return {**kept, "PYTHONPATH": str(ROOT / "src"), **more}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "memtrace_server", *map(str, arguments)]


def is_running(pid: int) -> bool:
    """Whether the process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def until(condition: Callable[[], Awaitable[bool]], *, what: str, seconds: float = PATIENCE) -> None:
    """Waits for another process to make it true."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - nobody here could set an event
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {seconds} s") from None


def words_of(pid: int) -> list[str]:
    """The command of a process; none once it ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    except OSError:
        return []


async def all_gone(pids: list[int]) -> None:
    async def gone() -> bool:
        return not any(is_running(pid) for pid in pids)

    await until(gone, what=f"the ends of {[words_of(pid) for pid in pids if is_running(pid)]}")


async def finished(
    line: Sequence[str | Path], *, env: dict[str, str], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A command, run to its end."""
    return await asyncio.to_thread(
        lambda: subprocess.run(
            line,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    )


class Running:
    """One process of the service and what it printed."""

    def __init__(self, process: Process, output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def printed(self) -> str:
        return self._output.read_text()

    async def says(self, pattern: str) -> re.Match[str]:
        """Waits until it has printed this."""
        found: re.Match[str] | None = None

        async def look() -> bool:
            nonlocal found
            found = re.search(pattern, self.printed)
            assert found or self.process.returncode is None, f"it ended: {self.printed}"
            return found is not None

        await until(look, what=f"{pattern!r} in the output")
        assert found is not None
        return found

    async def ends(self, seconds: float = PATIENCE) -> int:
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await self.ends()

    async def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()


class Installation:
    """`memtrace dev` on one folder, started and started again, and commands against it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.started: list[Running] = []

    @property
    def env(self) -> dict[str, str]:
        """What `dev.env` exports, as a shell reads it."""
        lines = (self.data / "dev.env").read_text().splitlines()
        words = [shlex.split(line) for line in lines if line.startswith("export ")]
        return dict(word[1].split("=", 1) for word in words)

    def line(self, *arguments: str | Path) -> list[str]:
        """How a process that goes on is started."""
        return command(*arguments)

    async def spawn(self, *arguments: str | Path, env: dict[str, str] | None = None) -> Running:
        """Any command of ours as a process of its own."""
        output = self.folder / f"output-{len(self.started)}"
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                *self.line(*arguments),
                cwd=self.folder,
                env=environment(**(env or {})),
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        running = Running(process, output)
        self.started.append(running)
        return running

    async def dev(self, **env: str) -> Running:
        """`memtrace dev` on a free port, serving."""
        running = await self.spawn("dev", "--port", "0", "--data", self.data, env=env)
        await running.says(_URL.pattern)
        return running

    async def shell(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line of shell with `memtrace` on the path and dev.env sourced, from another folder."""
        script = f". {shlex.quote(str(self.data / 'dev.env'))} && {line}"
        memtrace = f'memtrace() {{ {shlex.join(command())} "$@"; }}; '
        return await self._run(["sh", "-c", memtrace + script])

    async def run(
        self, *arguments: str | Path, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command of ours, to its end."""
        return await self._run(command(*arguments), env)

    async def _run(
        self, line: Sequence[str], env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        return await finished(line, cwd=elsewhere, env=environment(**(env or {})))

    def children(self, pid: int) -> list[int]:
        """The processes that this one started and that still run."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                state, parent = entry.read_text().rpartition(")")[2].split()[:2]
                if int(parent) == pid and state != "Z":
                    found.append(int(entry.parent.name))
        return found

    async def has_flusher(self) -> int:
        """Waits until the newest server's flusher works; its pid."""
        server = self.started[-1]
        await server.says("flusher_started")
        return self.children(server.pid)[0]

    def client(self) -> httpx.AsyncClient:
        env = self.env
        return httpx.AsyncClient(
            base_url=env["MEMTRACE_URL"] + "/api/v1",
            headers={"x-api-key": env["MEMTRACE_API_KEY"]},
            timeout=PATIENCE,
            trust_env=False,
        )

    async def close(self) -> None:
        """Kills whatever still runs."""
        for running in self.started:
            await running.kill()
