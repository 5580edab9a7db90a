"""The parts of the published measurement, each on an installation of its own in a fresh folder."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.drafts import pieces
from bench.goals import Finding, at_least, at_most
from bench.history import history
from bench.installation import Installation, wait_until
from bench.own_time import own_times
from bench.results import Summary, summaries
from bench.rounds import Course, Window, run
from bench.seeding import seed_claims, seed_history
from bench.targets import Client, Target
from bench.workloads import WorkloadName, plan
from bench.wrk import Load, drive

ROOMY: Final = {
    "MEMTRACE_JOURNAL_MAX_MEMORIES_PER_ORG": "2000000",
    "MEMTRACE_JOURNAL_MAX_BYTES_PER_ORG": str(2 << 30),
    "MEMTRACE_JOURNAL_MAX_MEMORIES": "2000000",
    "MEMTRACE_JOURNAL_MAX_BYTES": str(2 << 30),
}
"""One org writes here as fast as it can, rather than meeting the limit that keeps orgs apart."""
_NO_FLUSHER: Final = {"MEMTRACE_FLUSHER_EMBEDDED": "false"}
_CALM: Final = 100_000
"""A window starts when no more than so many memories are unsettled."""
_CATCHES_UP_WITHIN: Final = 180.0
_A_REQUEST: Final = 1_000
_KEEPS_UP: Final = 0.95
"""Draining keeps up when so much of what comes in goes out: up to a batch is always on its way."""

DAY_READS: Final[tuple[WorkloadName, ...]] = ("list", "session", "search_common", "search_rare")
MONTH_READS: Final[tuple[WorkloadName, ...]] = ("list", "session", "context", "stats")
DAY_TARGETS: Final = {"list": 15, "session": 40, "search_common": 40, "search_rare": 120}
MONTH_TARGETS: Final = {"list": 8, "session": 12, "context": 25, "stats": 40}


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    rows: int = 1_000_000
    claims: int = 1_000_000
    tail: int = 100_000
    pending: int = 10_000
    rounds: int = 5
    seconds: int = 5
    drain_seconds: int = 30
    idle_seconds: int = 10
    repeats: int = 50


QUICK: Final = Scale(
    rows=100_000,
    claims=50_000,
    tail=5_000,
    rounds=1,
    seconds=2,
    drain_seconds=6,
    idle_seconds=3,
    repeats=10,
)
"""To see that everything works; its figures mean nothing."""


@dataclass(slots=True)
class Report:
    """What was found so far, figure by figure and window by window."""

    scale: Scale
    say: Callable[[str], None]
    findings: list[Finding] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)

    def note(self, *findings: Finding) -> None:
        self.findings.extend(findings)
        for f in findings:
            self.say(f"  {f.what}: {f.measured:,.2f} {f.unit} ({'met' if f.met else 'NOT MET'})")


def writing(folder: Path, report: Report) -> None:
    """Idle memory, the flusher with work before it, then writes on top of many claims."""
    scale = report.scale
    with Installation(folder) as fresh:
        time.sleep(scale.idle_seconds)
        report.note(at_most("resident, server idle", 90, fresh.server_memory(), "MB"))
        pending = _flusher_at_work(fresh, scale.pending)
        report.note(at_most(f"resident, flusher, {scale.pending:,} pending", 130, pending, "MB"))
    report.say(f"seeding {scale.claims:,} claims")
    seed_claims(fresh.data, scale.claims)
    with Installation(folder, ROOMY) as loaded:
        target = loaded.target("writing")
        by_name = {s.workload: s for s in _rounds(target, ("single", "batch"), report, lambda: _calm(loaded))}
        single, batch = by_name["single"], by_name["batch"]
        under = f"16 clients, {scale.claims:,} claims"
        report.note(
            at_least(f"single writes, {under}", 6_000, single.requests_per_second, "/s"),
            at_most("single writes, p99", 10, single.p99, "ms"),
            at_least(f"batches of 100, {under}", 30_000, batch.memories_per_second, "memories/s"),
        )
        _calm(loaded)
        taken, drained = _draining(loaded, target, scale.drain_seconds)
        report.say(f"  {taken:,.0f} memories/s came in, {drained:,.0f}/s went out")
        share = drained / taken if taken else 0.0
        report.note(at_least("drained while single writes come in, share", _KEEPS_UP, share, "×"))


def a_day(folder: Path, report: Report) -> None:
    """Reads of many rows in 24 hours."""
    _reading(folder, report, 1, DAY_READS, DAY_TARGETS)


def a_month(folder: Path, report: Report) -> None:
    """Reads of as many rows in 30 days, then the same with much unsettled."""
    before = _reading(folder, report, 30, MONTH_READS, MONTH_TARGETS)
    with Installation(folder, _NO_FLUSHER) as held_up:
        target = held_up.target("tail")
        report.say(f"writing {report.scale.tail:,} memories that stay unsettled")
        write_in_batches(target, report.scale.tail, "tail")
        for now in _rounds(target, MONTH_READS, report, lambda: None):
            added = now.p50 - before[now.workload].p50
            report.note(
                at_most(f"{report.scale.tail:,} unsettled add to {now.workload}, p50", 5, added, "ms")
            )


def _reading(
    folder: Path,
    report: Report,
    days: int,
    workloads: tuple[WorkloadName, ...],
    targets: dict[str, int],
) -> dict[str, Summary]:
    scale = report.scale
    with Installation(folder) as empty:
        data = empty.data
    report.say(f"seeding {scale.rows:,} rows over {days} days")
    end = time.time_ns() // 1000
    seed_history(data, history(scale.rows, days, end, "org_default", None, 1))
    with Installation(folder) as full:
        found = _rounds(full.target(f"{days}d"), workloads, report, lambda: None)
        memory = full.server_memory()
    span = "24 hours" if days == 1 else f"{days} days"
    for s in found:
        report.note(
            at_most(f"{scale.rows:,} rows in {span}: {s.workload}, p50", targets[s.workload], s.p50, "ms")
        )
    report.note(at_most(f"resident, server after reads of {span}", 170, memory, "MB"))
    own = own_times(data, workloads, scale.repeats)
    for s in found:
        share = own[s.workload] / s.p50
        report.note(at_least(f"the store's own share, {span}: {s.workload}", 0.5, share, "×"))
    return {s.workload: s for s in found}


def _rounds(
    target: Target, workloads: tuple[WorkloadName, ...], report: Report, calm: Callable[[], None]
) -> Sequence[Summary]:
    scale = report.scale
    course = Course(workloads, f"{time.time_ns():x}", rounds=scale.rounds, seconds=scale.seconds)
    windows = run([target], course, drive=drive, say=report.say, before_each=lambda _: calm())
    report.windows.extend(windows)
    return summaries(windows)


def _calm(installation: Installation) -> None:
    installation.wait_for_backlog(lambda b: b.unsettled <= _CALM, _CATCHES_UP_WITHIN)


def _flusher_at_work(installation: Installation, count: int) -> float:
    """The most memory that the flusher is seen with, from `count` pending until all is delivered."""
    wait_until(installation.has_flusher, _CATCHES_UP_WITHIN, "the flusher starts")
    write_in_batches(installation.target("pending"), count, "pending")
    most = [installation.flusher_memory()]

    def is_done(owed: int) -> bool:
        most.append(installation.flusher_memory())
        return owed == 0

    installation.wait_for_backlog(lambda b: is_done(b.owed), _CATCHES_UP_WITHIN)
    return max(most)


def write_in_batches(target: Target, count: int, name: str) -> None:
    """Writes so many memories, a thousand a request."""
    made, mark = pieces(1), f"{time.time_ns():x} {name} t0"
    with Client(target) as client:
        for start in range(0, count, _A_REQUEST):
            drafts = [made.draft(mark, i) for i in range(start, min(start + _A_REQUEST, count))]
            client.post_text("/memories", f'{{"memories":[{",".join(drafts)}]}}')


def _draining(installation: Installation, target: Target, seconds: int) -> tuple[float, float]:
    """(memories a second that come in, that go out) under single writes, once that has become steady."""
    steady = plan("single", f"{time.time_ns():x} drain", 0)
    with ThreadPoolExecutor(1) as writer:
        writing = writer.submit(drive, target, steady, pieces(1), Load(16, 2 * seconds))
        time.sleep(seconds * 0.9)
        started, before = time.monotonic(), installation.backlog()
        time.sleep(seconds)
        took, after = time.monotonic() - started, installation.backlog()
        writing.result()
    taken = after.taken - before.taken
    return taken / took, (taken - (after.owed - before.owed)) / took
