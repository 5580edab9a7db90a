"""Memories through the flusher into a live Arc, and read back from there.

The Arc is the one that MEMTRACE_TEST_ARC_URL and MEMTRACE_TEST_ARC_TOKEN name; it gets a database
of its own, which stays there.
"""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.installation import SOURCES, Installation
from bench.results import Summary, summaries
from bench.rounds import Course, fill, run
from bench.stages import ROOMY, write_in_batches
from bench.targets import BenchError
from bench.workloads import WorkloadName
from bench.wrk import drive

_NO_FLUSHER: Final = {"MEMTRACE_FLUSHER_EMBEDDED": "false"}
_READS: Final[tuple[WorkloadName, ...]] = (
    "list",
    "session",
    "context",
    "search_common",
    "search_rare",
    "stats",
)
_DELIVERED_WITHIN: Final = 600.0
_SETTLED_WITHIN: Final = 900.0
_SESSIONS: Final = 10_000
"""What the reads find again; the other memories are in their way."""


@dataclass(frozen=True, slots=True)
class Arc:
    """Where it is, and an admin's token."""

    url: str
    token: str

    @classmethod
    def named(cls) -> "Arc":
        """Raises BenchError when the environment names none."""
        url, token = os.environ.get("MEMTRACE_TEST_ARC_URL"), os.environ.get("MEMTRACE_TEST_ARC_TOKEN")
        if not url or not token:
            raise BenchError("name an Arc by MEMTRACE_TEST_ARC_URL and MEMTRACE_TEST_ARC_TOKEN")
        return cls(url, token)


@dataclass(frozen=True, slots=True)
class Found:
    """Memories a second that the flusher delivered, and how long each kind of read took."""

    drained: float
    unsettled: list[Summary]
    settled: list[Summary]


def measure(
    folder: Path, arc: Arc, rows: int, rounds: int, seconds: int, say: Callable[[str], None]
) -> Found:
    """On an installation of its own in the folder."""
    with Installation(folder, {**ROOMY, **_NO_FLUSHER}) as idle:
        bind(idle, arc)
        say(f"writing {rows:,} memories")
        course = Course(_READS, f"{time.time_ns():x}", rounds=rounds, seconds=seconds)
        fill(idle.target("fill"), course, _SESSIONS)
        write_in_batches(idle.target("fill"), rows - _SESSIONS, "drain")
    with Installation(folder, ROOMY) as working:
        started = time.monotonic()
        working.wait_for_backlog(lambda b: b.owed == 0, _DELIVERED_WITHIN)
        drained = rows / (time.monotonic() - started)
        say(f"delivered {drained:,.0f} memories/s")
        target = working.target("tail")
        before = summaries(run([target], course, drive=drive, say=say, before_each=lambda _: None))
        say("waiting until the Arc alone has them")
        working.wait_for_backlog(lambda b: b.unsettled == 0, _SETTLED_WITHIN)
        target = working.target("arc")
        after = summaries(run([target], course, drive=drive, say=say, before_each=lambda _: None))
    return Found(drained, list(before), list(after))


def bind(installation: Installation, arc: Arc) -> None:
    """The default org's memories go to this Arc from now on."""
    lines = (installation.data / "dev.env").read_text().splitlines()
    exported = dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export "))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MEMTRACE_")}
    line = ["org", "add-arc", "org_default", "--url", arc.url, "--api-key", "-"]
    done = subprocess.run(
        [sys.executable, "-m", "memtrace_server", *line, "--database", f"bench{time.time_ns():x}"],
        env={**kept, **exported, "PYTHONPATH": str(SOURCES)},
        input=arc.token,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"the Arc cannot be bound: {done.stderr.strip()}")
