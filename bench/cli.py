"""Arguments in, tables out."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.results import document, ratios, summaries
from bench.rounds import Course, fill, run
from bench.tables import problem_list, ratio_table, summary_table
from bench.targets import BenchError, parse_target
from bench.workloads import WORKLOADS
from bench.wrk import drive


def main(arguments: Sequence[str]) -> int:
    """Exit code 0; 1 when it could not run, or when a run had errors or a check failed; 2 for usage."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except BenchError as e:
        say(f"error: {e}")
        return 1
    except KeyboardInterrupt:
        return 130


def say(line: str) -> None:
    """Progress; what is a result goes to standard output."""
    print(line, file=sys.stderr, flush=True)


def run_http(options: argparse.Namespace) -> int:
    """`python -m bench http`."""
    names = [t.name for t in options.target]
    if len(set(names)) != len(names) or len(names) > 2:
        raise BenchError("give one or two targets, with different names")
    course = Course(
        workloads=tuple(options.workloads),
        run=f"{time.time_ns() // 1_000_000:x}",
        rounds=options.rounds,
        seconds=options.seconds,
        clients=options.clients,
        readers=options.readers,
        threads=options.threads,
        seed=options.seed,
    )
    for target in options.target:
        fill(target, course, options.fill)
    windows = run(
        options.target, course, drive=drive, say=say, before_each=lambda target: time.sleep(options.pause)
    )
    found = summaries(windows)
    print(summary_table(found))
    if compared := ratios(found):
        print("\n" + ratio_table(compared, *names))
    if problems := problem_list(found):
        print("\n" + problems)
    write_json(options.json, document(course, windows))
    return 1 if any(s.errors or s.problems for s in found) else 0


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(content, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures memory services.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_http(commands.add_parser("http", help="drive one server, or two in turns, through the REST API"))
    return parser


def _add_http(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--target", type=parse_target, action="append", required=True, metavar="NAME=URL,KEY")
    add("--workloads", nargs="+", choices=WORKLOADS, default=WORKLOADS, metavar="WORKLOAD")
    add("--rounds", type=_positive, default=5)
    add("--seconds", type=_positive, default=5, help="length of each timed window")
    add("--clients", type=_positive, default=16, help="connections that write")
    add("--readers", type=_positive, default=1, help="connections of the workloads that only read")
    add("--threads", type=_positive, default=1, help="threads of the load generator")
    add("--seed", type=int, default=1)
    add("--fill", type=int, default=10_000, metavar="N", help="memories written first, for reads (0: none)")
    add("--pause", type=float, default=0.0, metavar="SECONDS", help="before each window, not timed")
    add("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.set_defaults(command=run_http)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number
