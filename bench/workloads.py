"""The nine workloads, as requests: what a load generator sends in one timed window."""

import json
from dataclasses import dataclass
from typing import Final, Literal, get_args
from urllib.parse import urlencode

from bench.drafts import BATCH, COMMON, RARE, READ_SESSIONS, WORKERS, mark_of, reader_agent, reader_session

WorkloadName = Literal[
    "single",
    "batch",
    "list",
    "session",
    "context",
    "search_common",
    "search_rare",
    "stats",
    "mixed",
]
WORKLOADS: Final[tuple[WorkloadName, ...]] = get_args(WorkloadName)
WRITING: Final = ("single", "batch", "mixed")

WRITE: Final = 0
"""A step that writes what was never written; any other step is the number of a read, from 1."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request that can be repeated."""

    method: str
    path: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a client of this workload does over and over: `steps`, in turn."""

    workload: WorkloadName
    steps: tuple[int, ...]
    reads: tuple[Ask, ...]
    batch: int
    """Memories in each written request; 0 for a single one that is no list."""
    mark: str

    @property
    def writes(self) -> bool:
        return WRITE in self.steps

    @property
    def memories_per_write(self) -> int:
        return max(1, self.batch)


def plan(workload: WorkloadName, run: str, round_number: int) -> Plan:
    """What `run` names is in all that is written: no other run, target or round writes the same."""
    mark = mark_of(run, workload, round_number)
    if workload == "single":
        return Plan(workload, (WRITE,), (), 0, mark)
    if workload == "batch":
        return Plan(workload, (WRITE,), (), BATCH, mark)
    if workload == "mixed":
        reads = (
            *_reads("list")[:1],
            *_reads("session")[:2],
            *_reads("context")[:1],
            *_reads("search_common"),
        )
        steps = [WRITE] * 15 + [1, 2, 3, 4, 5]
        spread = tuple(steps[(i * 7) % len(steps)] for i in range(len(steps)))
        return Plan(workload, spread, reads, 0, mark)
    reads = _reads(workload)
    return Plan(workload, tuple(range(1, len(reads) + 1)), reads, 0, mark)


def _reads(workload: WorkloadName) -> tuple[Ask, ...]:
    sessions = [reader_session(i) for i in range(READ_SESSIONS)]
    if workload == "list":
        return (Ask("GET", "/memories?limit=100"),)
    if workload == "session":
        return tuple(
            Ask("GET", "/memories?" + urlencode({"session_id": s, "since": "24h", "limit": 100}))
            for s in sessions
        )
    if workload == "context":
        return tuple(Ask("POST", f"/sessions/{s}/context", '{"since":"24h"}') for s in sessions)
    if workload == "stats":
        return tuple(Ask("GET", f"/agents/{reader_agent(i)}/stats") for i in range(WORKERS))
    word = COMMON if workload == "search_common" else RARE
    return (Ask("POST", "/search", json.dumps({"content_contains": word, "limit": 50})),)
