"""Rounds of timed windows, interleaved between targets, so that whatever slows the machine slows both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.checks import PATIENCE, Verdict, check, count_written
from bench.drafts import Pieces, pieces, reading_matter
from bench.targets import Client, Target
from bench.workloads import WRITING, Plan, WorkloadName, plan
from bench.wrk import Load, Sample

Drive = Callable[[Target, Plan, Pieces, Load], Sample]
"""One timed window: `bench.wrk.drive`."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is run."""

    workloads: tuple[WorkloadName, ...]
    run: str
    """Distinct for each run on a server, so that nothing is a duplicate of an earlier one."""
    rounds: int = 5
    seconds: int = 5
    clients: int = 16
    readers: int = 1
    """Clients of the workloads that only read: one, as a latency is wanted and not a queue."""
    threads: int = 1
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Window:
    """One workload in one round on one target."""

    workload: WorkloadName
    target: str
    round: int
    memories: int
    """In each written request; 0 where nothing is written."""
    sample: Sample
    verdict: Verdict


def run(
    targets: Sequence[Target],
    course: Course,
    *,
    drive: Drive,
    say: Callable[[str], None],
    before_each: Callable[[Target], None],
) -> list[Window]:
    """All windows, in the order in which they ran. The targets take turns at going first."""
    work = pieces(course.seed)
    windows = []
    for number in range(1, course.rounds + 1):
        for workload in course.workloads:
            for target in _turned(targets, number):
                before_each(target)
                ours = plan(workload, _run_on(target, course), number)
                window = _window(target, ours, work, course, number, drive)
                windows.append(window)
                say(_line(window))
    return windows


def _run_on(target: Target, course: Course) -> str:
    """Two targets may be one server."""
    return f"{course.run} {target.name}"


def _turned(targets: Sequence[Target], number: int) -> Sequence[Target]:
    return targets if number % 2 else tuple(reversed(targets))


def _window(target: Target, work: Plan, made: Pieces, course: Course, number: int, drive: Drive) -> Window:
    clients = course.clients if work.workload in WRITING else course.readers
    with Client(target) as client:
        before = count_written(client) if work.writes else 0
        sample = drive(target, work, made, Load(clients, course.seconds, course.threads))
        verdict = check(client, work, made, sample, before, PATIENCE)
    memories = work.memories_per_write if work.workload in ("single", "batch") else 0
    return Window(work.workload, target.name, number, memories, sample, verdict)


def _line(window: Window) -> str:
    sample = window.sample
    text = f"round {window.round}  {window.target:8} {window.workload:14} {sample.rate:9.0f}/s"
    text += f"  p50 {sample.p50 / 1000:.2f} ms  p99 {sample.p99 / 1000:.2f} ms"
    return text + "".join(f"\n    ! {problem}" for problem in window.verdict.problems)


def fill(target: Target, course: Course, count: int) -> None:
    """Writes what the read workloads look for, the same on every target: `count` memories or a few more."""
    with Client(target) as client:
        for batch in reading_matter(_run_on(target, course), count, course.seed):
            client.post("/memories", {"memories": batch})
