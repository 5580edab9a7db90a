"""A `memtrace dev` of our own: started on a free port, looked at from outside, stopped again."""

import contextlib
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from bench.targets import BenchError, Target

SOURCES: Final = Path(__file__).resolve().parents[1] / "src"
_SERVES: Final = re.compile(r"^Memtrace serves (http://\S+)", re.MULTILINE)
_STARTS_WITHIN: Final = 60.0
_STOPS_WITHIN: Final = 60.0
_LOOK_EVERY: Final = 0.1


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the journal holds, and how many memories it ever took within the dedup window."""

    owed: int
    unsettled: int
    taken: int


class Installation:
    """`with Installation(folder, …):` is a running server and its flusher; leaving stops both."""

    def __init__(self, folder: Path, environ: dict[str, str] | None = None) -> None:
        self.data: Final = folder / "data"
        self._output: Final = folder / "server.log"
        self._environ = environ or {}
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    def __enter__(self) -> "Installation":
        self.data.parent.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MEMTRACE_")}
        command = [sys.executable, "-m", "memtrace_server", "dev", "--port", "0", "--data", str(self.data)]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env={**kept, "PYTHONPATH": str(SOURCES), **self._environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            wait_until(self._serves, _STARTS_WITHIN, "the server starts")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server and with it the flusher; may be called twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _serves(self) -> bool:
        found = _SERVES.search(self._output.read_text())
        if found is None and self._process is not None and self._process.poll() is not None:
            raise BenchError(f"memtrace dev ended: {self._output.read_text().strip()[-500:]}")
        self._url = found[1] if found else ""
        return found is not None

    def target(self, name: str) -> Target:
        lines = (self.data / "dev.env").read_text().splitlines()
        exported = dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export "))
        return Target(name, self._url, exported["MEMTRACE_API_KEY"])

    def server_memory(self) -> float:
        """Resident memory of the server's process in MB."""
        return resident(self._pid)

    def flusher_memory(self) -> float:
        """The same of the flusher's. BenchError when there is none."""
        children = _children(self._pid)
        if not children:
            raise BenchError("the server has no flusher")
        return resident(children[0])

    def has_flusher(self) -> bool:
        """Whether the server's child is there; it starts a moment after the server."""
        return bool(_children(self._pid))

    @property
    def _pid(self) -> int:
        if self._process is None:
            raise BenchError("the server does not run")
        return self._process.pid

    def backlog(self) -> Backlog:
        """From the database file, read-only; a few milliseconds."""
        path = self.data / "memtrace.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            unsettled, taken = connection.execute(
                "SELECT rows, claims FROM ledger WHERE org_no = 0"
            ).fetchone()
            (past,) = connection.execute("SELECT count(*) FROM journal WHERE state > 0").fetchone()
        return Backlog(unsettled - past, unsettled, taken)

    def wait_for_backlog(self, is_enough: Callable[[Backlog], bool], seconds: float) -> None:
        """Returns when the journal has come so far. Raises BenchError when it does not."""
        wait_until(lambda: is_enough(self.backlog()), seconds, "the flusher catches up")


def wait_until(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    """Looks ten times a second. Raises BenchError when the time is over."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: not within {seconds:g} seconds")
        time.sleep(_LOOK_EVERY)


def resident(pid: int) -> float:
    """A process's resident memory in MB, as the kernel tells it."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "VmRSS":
                return int(value.split()[0]) * 1024 / 1e6
    raise BenchError(f"process {pid} is gone")


def _children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(entry.parent.name))
    return found
