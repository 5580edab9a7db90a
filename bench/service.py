"""The whole published measurement, on installations that it starts and throws away."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.goals import Finding, finding_table
from bench.results import machine, summaries
from bench.stages import QUICK, Report, Scale, a_day, a_month, writing
from bench.tables import problem_list, summary_table

STAGES: Final = {"writing": writing, "day": a_day, "month": a_month}


def measure(stages: list[str], *, quick: bool, keep: Path | None, say: Callable[[str], None]) -> Report:
    """Runs the stages, one after the other. What they leave on disk goes, unless `keep` names a folder."""
    report = Report(QUICK if quick else Scale(), say)
    root = keep or Path(tempfile.mkdtemp(prefix="memtrace-bench-"))
    try:
        for name in stages:
            say(f"--- {name}")
            STAGES[name](root / name, report)
    finally:
        if keep is None:
            shutil.rmtree(root, ignore_errors=True)
    return report


def printed(report: Report) -> str:
    """The windows' medians, then target by target."""
    found = summaries(report.windows)
    parts = [summary_table(found), finding_table(report.findings), problem_list(found)]
    return "\n\n".join(part for part in parts if part)


def content(report: Report) -> dict[str, Any]:
    """The same for machines, with every single window."""
    return {
        "machine": machine(),
        "scale": msgspec.to_builtins(report.scale),
        "findings": [{**msgspec.to_builtins(f), "met": f.met} for f in report.findings],
        "summaries": msgspec.to_builtins(summaries(report.windows)),
        "windows": msgspec.to_builtins(report.windows),
    }


def all_met(findings: list[Finding]) -> bool:
    return all(f.met for f in findings)
