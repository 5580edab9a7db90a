"""Whether a server really did what it was timed for. Everything here happens outside the timed window."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bench.drafts import COMMON, RARE, WORKERS, Pieces, marked, reader_agent, reader_session, worker
from bench.targets import BenchError, Client
from bench.workloads import WRITING, Plan, WorkloadName
from bench.wrk import Sample

PATIENCE: Final = 20.0
"""Seconds a server may take to show what it acknowledged (ours: none)."""
_SAMPLES: Final = 8
_PAGE: Final = 1_000


@dataclass(slots=True)
class Verdict:
    """`problems` is empty when all was as promised; `shown_after` is how long the server took to show it."""

    problems: list[str] = field(default_factory=list)
    shown_after: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.problems


def count_written(client: Client) -> int:
    """All memories of the agents that write while it is timed, as the server counts them."""
    return sum(_memory_count(client, worker(i)) for i in range(WORKERS))


def _memory_count(client: Client, agent: str) -> int:
    return int(client.get(f"/agents/{agent}/stats")["memory_count"])


def check(
    client: Client, plan: Plan, pieces: Pieces, sample: Sample, before: int, patience: float
) -> Verdict:
    """Checks a window's outcome; `before` is what `count_written` said just before it."""
    verdict = Verdict()
    if sample.requests == 0:
        verdict.problems.append("no request was answered")
    if sample.errors.total:
        verdict.problems.append(f"{sample.errors.total} requests failed")
    try:
        if plan.writes:
            _check_written(client, plan, pieces, sample, before, verdict, patience)
        if plan.workload not in WRITING:
            verdict.problems.extend(read_problems(client, plan.workload))
    except BenchError as e:
        verdict.problems.append(str(e))
    return verdict


def bounds(plan: Plan, sample: Sample) -> tuple[int, int]:
    """(at least, at most) how many memories must be there.

    What was acknowledged must; what was sent and cut off unanswered at the end of the window may.
    wrk makes one request, on its first thread, that it never sends.
    """
    issued = sum(t.issued for t in sample.threads) - 1
    written = sum(t.written for t in sample.threads) - plan.memories_per_write
    unanswered = max(0, issued - sample.succeeded)
    return max(0, written - unanswered * plan.memories_per_write), written


def _check_written(
    client: Client,
    plan: Plan,
    pieces: Pieces,
    sample: Sample,
    before: int,
    verdict: Verdict,
    patience: float,
) -> None:
    least, most = bounds(plan, sample)
    started = time.monotonic()
    found = _eventually(lambda: count_written(client) - before, lambda n: n >= least, patience)
    verdict.shown_after = time.monotonic() - started
    if not least <= found <= most:
        verdict.problems.append(f"{found} memories are there, between {least} and {most} were written")
    verdict.problems.extend(_sample_problems(client, plan, pieces, sample, most - least))
    verdict.problems.extend(page_problems(client.get("/memories", limit=_PAGE)["memories"]))


def _eventually(ask: Callable[[], int], enough: Callable[[int], bool], patience: float) -> int:
    deadline = time.monotonic() + patience
    while not enough(answer := ask()) and time.monotonic() < deadline:
        time.sleep(0.25)
    return answer


def _sample_problems(client: Client, plan: Plan, pieces: Pieces, sample: Sample, may_miss: int) -> list[str]:
    """Some of what was written, each looked up by what only it contains."""
    problems = []
    missing = 0
    for thread, number in _numbers(plan, sample):
        mark = f"{plan.mark}t{thread}"
        found = client.post(
            "/search", {"content_contains": marked(mark, number).strip(), "since": "1h", "limit": 10}
        )["results"]
        contents = [memory["content"] for memory in found]
        if not contents:
            missing += 1
        elif contents != [pieces.content(mark, number)]:
            problems.append(f"memory {number} of thread {thread} is there {len(contents)} times or changed")
    if missing > may_miss:
        problems.append(f"{missing} of {_SAMPLES} looked up are not there")
    return problems


def _numbers(plan: Plan, sample: Sample) -> list[tuple[int, int]]:
    """(thread, number) of some of the memories sent; the first request of thread 0 never was."""
    rng = random.Random(plan.mark)
    picked = []
    for _ in range(_SAMPLES):
        thread = rng.randrange(len(sample.threads))
        first = plan.memories_per_write if thread == 0 else 0
        if sample.threads[thread].written > first:
            picked.append((thread, rng.randrange(first, sample.threads[thread].written)))
    return picked


def read_problems(client: Client, workload: WorkloadName) -> list[str]:
    """Asks what the workload asks, once, and holds the answer against what it must be."""
    session = reader_session(0)
    match workload:
        case "list":
            memories = client.get("/memories", limit=100)["memories"]
            return page_problems(memories, full=100)
        case "session":
            memories = client.get("/memories", session_id=session, since="24h", limit=100)["memories"]
            others = [m for m in memories if m.get("session_id") != session]
            return page_problems(memories, full=100) + ["another session's memory"] * bool(others)
        case "context":
            answer = client.post(f"/sessions/{session}/context", {"since": "24h"})
            good = answer["memory_count"] > 0 and answer["context"].startswith(
                f"## Session Context ({session})"
            )
            return [] if good else ["the context is not of the session, or empty"]
        case "stats":
            counted = _memory_count(client, reader_agent(0))
            return [] if counted > 0 else ["the agent has no memories"]
        case _:
            word = COMMON if workload == "search_common" else RARE
            found = client.post("/search", {"content_contains": word, "limit": 50})["results"]
            others = [m for m in found if word not in m["content"]]
            return page_problems(found, full=1) + [f"a result without {word!r}"] * bool(others)


def page_problems(memories: Sequence[dict[str, Any]], full: int = 1) -> list[str]:
    """Newest first, each once, and at least `full` of them."""
    problems = []
    times = [memory["time"] for memory in memories]
    if len(memories) < full:
        problems.append(f"{len(memories)} memories in a page where {full} were expected")
    if [_sortable(t) for t in times] != sorted(map(_sortable, times), reverse=True):
        problems.append("a page is not newest first")
    if len({(memory["time"], memory["dedup_key"]) for memory in memories}) != len(memories):
        problems.append("a page shows a memory twice")
    return problems


def _sortable(moment: str) -> str:
    """RFC 3339 with any number of digits of a second, as text that sorts as its time does."""
    whole, _, digits = moment.removesuffix("Z").partition(".")
    return f"{whole}.{digits:0<9}"
