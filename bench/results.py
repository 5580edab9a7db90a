"""Windows reduced to what is published: the median of each figure over the rounds, and ratios."""

import os
import platform
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import msgspec

from bench.rounds import Course, Window


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One workload on one target: medians over its rounds. Latencies in milliseconds."""

    workload: str
    target: str
    rounds: int
    requests_per_second: float
    memories_per_second: float
    """0 where nothing but reads, or reads among writes, was asked."""
    p50: float
    p90: float
    p99: float
    max: float
    """The worst of all rounds, not a median."""
    errors: int
    """Of all rounds together."""
    problems: list[str]


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """The second target beside the first: above 1 it does more, or takes longer."""

    workload: str
    requests_per_second: float
    p50: float
    p99: float


def summaries(windows: Sequence[Window]) -> list[Summary]:
    """One per workload and target, in the order in which they first ran."""
    groups: dict[tuple[str, str], list[Window]] = {}
    for window in windows:
        groups.setdefault((window.workload, window.target), []).append(window)
    return [_summary(group) for group in groups.values()]


def _summary(group: Sequence[Window]) -> Summary:
    def middle(figure: Callable[[Window], float]) -> float:
        return round(median(map(figure, group)), 3)

    rate = middle(lambda w: w.sample.rate)
    return Summary(
        workload=group[0].workload,
        target=group[0].target,
        rounds=len(group),
        requests_per_second=rate,
        memories_per_second=rate * group[0].memories,
        p50=middle(lambda w: w.sample.p50 / 1000),
        p90=middle(lambda w: w.sample.p90 / 1000),
        p99=middle(lambda w: w.sample.p99 / 1000),
        max=max(w.sample.max / 1000 for w in group),
        errors=sum(w.sample.errors.total for w in group),
        problems=[f"round {w.round}: {problem}" for w in group for problem in w.verdict.problems],
    )


def ratios(found: Sequence[Summary]) -> list[Ratio]:
    """Of the second target to the first; none where only one ran."""
    names = list(dict.fromkeys(s.target for s in found))
    if len(names) < 2:
        return []
    by_name = {(s.workload, s.target): s for s in found}
    return [
        Ratio(
            workload=workload,
            requests_per_second=_over(b.requests_per_second, a.requests_per_second),
            p50=_over(b.p50, a.p50),
            p99=_over(b.p99, a.p99),
        )
        for workload in dict.fromkeys(s.workload for s in found)
        for a, b in [(by_name[workload, names[0]], by_name[workload, names[1]])]
    ]


def _over(above: float, below: float) -> float:
    return round(above / below, 3) if below else 0.0


def document(course: Course, windows: Sequence[Window]) -> dict[str, Any]:
    """Everything of a run, for machines: medians, ratios, and each window by itself."""
    found = summaries(windows)
    return {
        "machine": machine(),
        "course": msgspec.to_builtins(course),
        "summaries": msgspec.to_builtins(found),
        "ratios": msgspec.to_builtins(ratios(found)),
        "windows": msgspec.to_builtins(windows),
    }


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
