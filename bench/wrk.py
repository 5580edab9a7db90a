"""One timed window: wrk drives a target with a plan, and tells what it saw as one line of JSON."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from bench.drafts import Pieces
from bench.targets import API, BenchError, Target
from bench.workloads import Ask, Plan

_SCRIPT: Final = Path(__file__).with_name("load.lua")
_TIMEOUT: Final = 30
"""Seconds a request may take before wrk counts it as an error."""


class Errors(msgspec.Struct, frozen=True):
    """`status` counts answers of 400 and above; the others are of the connection."""

    connect: int
    read: int
    write: int
    timeout: int
    status: int

    @property
    def total(self) -> int:
        return self.connect + self.read + self.write + self.timeout + self.status


class ThreadCounts(msgspec.Struct, frozen=True):
    """What one thread of wrk made, the request that it only made to look at included."""

    issued: int
    written: int


class Sample(msgspec.Struct, frozen=True):
    """One timed window. Times in microseconds; `requests` are the answered ones, errors included."""

    requests: int
    duration: int
    bytes: int
    p50: int
    p90: int
    p99: int
    max: int
    mean: float
    errors: Errors
    threads: tuple[ThreadCounts, ...]

    @property
    def succeeded(self) -> int:
        return self.requests - self.errors.status

    @property
    def rate(self) -> float:
        """Requests answered with success, per second."""
        return self.succeeded * 1_000_000 / self.duration if self.duration else 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """How hard to press: open connections, each with one request at a time, for so long."""

    clients: int
    seconds: int
    threads: int = 1


def drive(target: Target, plan: Plan, pieces: Pieces, load: Load) -> Sample:
    """Runs the plan for `load.seconds`. Raises BenchError when wrk is missing or fails.

    The key reaches wrk by a file that only we can read, never by its command line.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchError("the load generator wrk is missing: apt-get install wrk")
    threads = min(load.threads, load.clients)
    with tempfile.TemporaryDirectory(prefix="memtrace-bench-") as folder:
        out = Path(folder, "sample.json")
        script = Path(folder, "load.lua")
        script.write_text(_config(target, plan, pieces, out) + _SCRIPT.read_text())
        command = [wrk, f"-t{threads}", f"-c{load.clients}", f"-d{load.seconds}s"]
        command += ["--timeout", f"{_TIMEOUT}s", "-s", str(script), target.url]
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=load.seconds + 2 * _TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired as e:
            raise BenchError(f"{target.name}: wrk did not end") from e
        if ended.returncode != 0 or not out.exists():
            raise BenchError(f"{target.name}: wrk failed: {(ended.stderr or ended.stdout).strip()[-300:]}")
        return msgspec.json.decode(out.read_bytes(), type=Sample)


def _config(target: Target, plan: Plan, pieces: Pieces, out: Path) -> str:
    write_head = _head(target, "POST", "/memories") + "Content-Length: "
    fields = {
        "out": _quoted(str(out)),
        "mark": _quoted(plan.mark),
        "batch": str(plan.batch),
        "steps": _table(map(str, plan.steps)),
        "reads": _table(_quoted(_request(target, ask)) for ask in plan.reads),
        "write_head": _quoted(write_head),
        "shapes": _table(map(_quoted, pieces.shapes if plan.writes else ())),
        "texts": _table(map(_quoted, pieces.texts if plan.writes else ())),
    }
    lines = "".join(f"  {name} = {value},\n" for name, value in fields.items())
    return f"config = {{\n{lines}}}\n\n"


def _request(target: Target, ask: Ask) -> str:
    head = _head(target, ask.method, ask.path)
    if ask.method == "GET":
        return head + "\r\n"
    return f"{head}Content-Length: {len(ask.body)}\r\n\r\n{ask.body}"


def _head(target: Target, method: str, path: str) -> str:
    return (
        f"{method} {API}{path} HTTP/1.1\r\nHost: {target.host}\r\nx-api-key: {target.key}\r\n"
        + "Content-Type: application/json\r\n" * (method != "GET")
    )


def _quoted(text: str) -> str:
    """A Lua string. JSON's quoting is Lua's as long as the text is ASCII without control characters."""
    if not text.isascii():
        raise BenchError("the load generator is given ASCII only")
    return json.dumps(text)


def _table(items: Iterable[str]) -> str:
    return "{" + ",".join(items) + "}"
