"""Results as text tables that are readable in a terminal and are Markdown besides."""

from collections.abc import Sequence

from bench.results import Ratio, Summary

_LATENCIES = ("p50 ms", "p90 ms", "p99 ms", "max ms")
_HEAD = ("workload", "target", "requests/s", "memories/s", *_LATENCIES, "errors", "content")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell; numbers to the right."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(3, *map(len, column)) for column in columns]
    numeric = [bool(rows) and all(_is_number(c) for c in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = (
            c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, numeric, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = (("-" * (w - 1) + ":") if right else "-" * w for w, right in zip(widths, numeric, strict=True))
    return "\n".join([line(head), f"| {' | '.join(rule)} |", *map(line, rows)])


def _is_number(cell: str) -> bool:
    return cell == "" or cell[0].isdigit()


def summary_table(found: Sequence[Summary]) -> str:
    """One line per workload and target. A line whose run had errors or failed checks is marked."""
    return table(_HEAD, [_summary_row(s) for s in found])


def _summary_row(s: Summary) -> tuple[str, ...]:
    return (
        s.workload,
        s.target,
        f"{s.requests_per_second:,.0f}",
        f"{s.memories_per_second:,.0f}" if s.memories_per_second else "",
        f"{s.p50:.2f}",
        f"{s.p90:.2f}",
        f"{s.p99:.2f}",
        f"{s.max:.1f}",
        str(s.errors),
        "NOT VALID" if s.errors or s.problems else "checked",
    )


def ratio_table(found: Sequence[Ratio], first: str, second: str) -> str:
    """How the second target compares."""
    head = ("workload", f"requests/s {second}:{first}", f"p50 {second}:{first}", f"p99 {second}:{first}")
    rows = [(r.workload, f"{r.requests_per_second:.2f}", f"{r.p50:.2f}", f"{r.p99:.2f}") for r in found]
    return table(head, rows)


def problem_list(found: Sequence[Summary]) -> str:
    """What was wrong, where; empty when nothing was."""
    return "\n".join(f"! {s.workload} on {s.target}, {problem}" for s in found for problem in s.problems)
