"""What a cold start of the edge costs, in fresh processes: import and start in all, by library and by module;
and what an invocation costs besides the request, in Lambda's own client.
"""

import asyncio
import base64
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bench.goals import Finding, at_most, finding_table
from bench.tables import table
from bench.targets import BenchError
from local.lambda_runtime.function import LambdaFunction
from local.lambda_runtime.sandbox import Code

ROOT: Final = Path(__file__).resolve().parents[1]
GOAL_MS: Final = 350.0
GOAL_MB: Final = 30.0
GOAL_WARM_MS: Final = 3.0
Metadata = Literal["dynamodb", "sqlite"]

_KEY: Final = base64.b64encode(b"memtrace bench uses this one key").decode()
_START: Final = """
import os, sys, time
wall, cpu = time.perf_counter(), time.process_time()
import handlers.lambda_api
class Context:
    aws_request_id = "bench"
handlers.lambda_api.handler({"warmup": True}, Context())
wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
sys.stderr.write(f"took {wall} {cpu}\\n")
sys.stderr.flush()
os._exit(0)
"""
_took: Final = re.compile(r"^took (\S+) (\S+)$", re.MULTILINE)
_import: Final = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
_MILLIS: Final = 1_000.0
_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Started:
    """Milliseconds: medians, and of modules the median of each by itself."""

    wall: float
    fastest: float
    cpu: float
    modules: Mapping[str, float]

    def libraries(self) -> list[tuple[str, float]]:
        """By the first part of their names, the dearest first."""
        total: defaultdict[str, float] = defaultdict(float)
        for name, cost in self.modules.items():
            total[name.partition(".")[0]] += cost
        return sorted(total.items(), key=lambda one: -one[1])


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a package."""

    unpacked: int
    zipped: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where the edge is imported from, and by which Python."""

    path: Path
    python: str
    metadata: Metadata
    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """Variables with which it starts; it calls nobody to do so."""
        given = {
            "PATH": os.defpath,
            "PYTHONPATH": str(self.path),
            "MEMTRACE_MASTER_KEY": _KEY,
            "MEMTRACE_LOG_LEVEL": "error",
            "MEMTRACE_METADATA_BACKEND": self.metadata,
            "MEMTRACE_AUTH_DB_PATH": str(self.folder / "memtrace.db"),
            "MEMTRACE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/memtrace",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
        }
        return given


def started(place: Place, rounds: int, say: Callable[[str], None]) -> Started:
    """So many starts, and as many again with Python's own record of imports. Raises BenchError."""
    _once(place)  # writes bytecode, as a package has it
    say(f"{rounds} cold starts")
    took = [_took.search(_once(place)) for _ in range(rounds)]
    walls = [float(one[1]) * _MILLIS for one in took if one]
    cpus = [float(one[2]) * _MILLIS for one in took if one]
    say(f"{rounds} cold starts, by module")
    costs: dict[str, list[float]] = {}
    for _ in range(rounds):
        for cost, name in _import.findall(_once(place, "-X", "importtime")):
            costs.setdefault(name, []).append(int(cost) / _MILLIS)
    modules = {name: statistics.median(found) for name, found in costs.items()}
    return Started(statistics.median(walls), min(walls), statistics.median(cpus), modules)


def _once(place: Place, *options: str) -> str:
    line = [place.python, *options, "-c", _START]
    done = subprocess.run(line, env=place.environ, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode or not _took.search(done.stderr):
        raise BenchError(f"the edge did not start: {done.stderr.strip().splitlines()[-1:]}")
    return done.stderr


def warm(place: Place, invocations: int) -> tuple[float, float]:
    """Milliseconds (median, 99th percentile) of a request that is answered without asking anybody.

    All that is between gateway and handler is in it: the event, the Runtime API, Mangum, our HTTP layer.
    """
    return asyncio.run(_warm(place, invocations))


async def _warm(place: Place, invocations: int) -> tuple[float, float]:
    code = Code(
        handler="handlers.lambda_api.handler",
        environ=place.environ,
        log=place.folder / "lambda.log",
        python=place.python,
        freezes=False,
    )
    function = LambdaFunction(code)
    event = (ROOT / "events" / "v1-unknown-route.json").read_bytes()
    took = []
    try:
        for _ in range(invocations + 1):
            began = time.perf_counter()
            outcome = await function.invoke(event)
            took.append((time.perf_counter() - began) * _MILLIS)
            if outcome.failed or json.loads(outcome.payload)["statusCode"] != 404:
                raise BenchError(f"the edge did not answer: {outcome.payload[:200]!r}")
    finally:
        await function.close()
    served = sorted(took[1:])
    return statistics.median(served), served[int(len(served) * 0.99) - 1]


def size_of(package: Path) -> Size:
    """Of a folder, zipped as `make package` does it, or of a zip. Raises BenchError."""
    if package.is_dir():
        files = [path for path in package.rglob("*") if path.is_file()]
        with tempfile.TemporaryFile() as zipped:
            with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
                for path in files:
                    archive.write(path, path.relative_to(package))
            return Size(sum(path.stat().st_size for path in files), zipped.tell())
    if not zipfile.is_zipfile(package):
        raise BenchError(f"{package} is neither a folder nor a zip")
    with zipfile.ZipFile(package) as archive:
        return Size(sum(one.file_size for one in archive.infolist()), package.stat().st_size)


def findings(found: Started, warmth: tuple[float, float], size: Size | None) -> list[Finding]:
    """The figures beside their targets."""
    held = [
        at_most("import and start, median", GOAL_MS, found.wall, "ms"),
        at_most("a warm request, besides what it asks", GOAL_WARM_MS, warmth[0], "ms"),
    ]
    if size is not None:
        held.append(at_most("package, zipped", GOAL_MB, size.zipped / _MB, "MB"))
    return held


def printed(found: Started, warmth: tuple[float, float], size: Size | None, most: int = 20) -> str:
    """Tables in Markdown."""
    rest = [
        ("import and start, fastest", f"{found.fastest:.0f} ms"),
        ("processor time of it, median", f"{found.cpu:.0f} ms"),
        ("modules loaded", f"{len(found.modules)}"),
        ("a warm request, p99", f"{warmth[1]:.2f} ms"),
    ]
    if size is not None:
        rest.append(("package, unpacked", f"{size.unpacked / _MB:.1f} MB"))
    modules = sorted(found.modules.items(), key=lambda one: -one[1])
    tables = [
        finding_table(findings(found, warmth, size)),
        table(("what", "measured"), rest),
        table(("library", "import, ms"), [(name, f"{cost:.1f}") for name, cost in found.libraries()[:most]]),
        table(("module", "import, ms"), [(name, f"{cost:.1f}") for name, cost in modules[:most]]),
    ]
    return "\n\n".join(tables)


def place_of(path: Path | None, python: str | None, metadata: Metadata, folder: Path) -> Place:
    """The checkout's own sources, unless a package is named."""
    return Place(path or ROOT / "src", python or sys.executable, metadata, folder)
