"""Arguments in, tables out."""

import argparse
import json
import sys
import tempfile
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


def run_seed(options: argparse.Namespace) -> int:
    """`python -m bench seed`."""
    # Here, so that `http` needs neither DuckDB nor the service's own code.
    from bench.history import history
    from bench.seeding import seed_claims, seed_history

    if options.rows:
        end = time.time_ns() // 1000
        wanted = history(options.rows, options.days, end, "org_default", options.sessions, options.seed)
        files = seed_history(options.data, wanted)
        say(f"{wanted.rows:,} memories of {wanted.days} days in {files} files")
        say(f"{wanted.sessions} sessions in the last 24 hours: bench_session_0000 and on")
    if options.claims:
        seed_claims(options.data, options.claims)
        say(f"{options.claims:,} claims within the window")
    return 0


def run_service(options: argparse.Namespace) -> int:
    """`python -m bench service`."""
    from bench.service import all_met, content, measure, printed

    report = measure(options.stages, quick=options.quick, keep=options.keep, say=say)
    print(printed(report))
    write_json(options.json, content(report))
    return 0 if all_met(report.findings) else 1


def run_arc(options: argparse.Namespace) -> int:
    """`python -m bench arc`."""
    from bench.arc import Arc, measure

    with tempfile.TemporaryDirectory(prefix="memtrace-bench-") as folder:
        place = Path(options.keep or folder)
        found = measure(place, Arc.named(), options.rows, options.rounds, options.seconds, say)
    print(f"delivered: {found.drained:,.0f} memories/s\n")
    print(f"unsettled:\n{summary_table(found.unsettled)}\n\nsettled:\n{summary_table(found.settled)}")
    every = [*found.unsettled, *found.settled]
    if problems := problem_list(every):
        print("\n" + problems)
    return 1 if any(s.errors or s.problems for s in every) else 0


def run_coldstart(options: argparse.Namespace) -> int:
    """`python -m bench coldstart`."""
    from bench.coldstart import findings, place_of, printed, size_of, started, warm

    package = options.package if options.package and options.package.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="memtrace-bench-") as folder:
        place = place_of(package, options.python, options.metadata, Path(folder))
        found = started(place, options.rounds, say)
        say(f"{options.invocations} warm invocations")
        # The client of the runtime is ours: a package has none, and Lambda brings its own.
        warmth = warm(place_of(None, None, options.metadata, Path(folder)), options.invocations)
    size = size_of(options.package) if options.package else None
    print(printed(found, warmth, size))
    return 0 if all(one.met for one in findings(found, warmth, size)) else 1


def write_json(path: Path | None, content: dict[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(content, indent=1) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures memory services.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_http(commands.add_parser("http", help="drive one server, or two in turns, through the REST API"))
    _add_seed(commands.add_parser("seed", help="give a stopped `memtrace dev` installation a past"))
    _add_service(commands.add_parser("service", help="measure this service and hold it against its targets"))
    _add_arc(commands.add_parser("arc", help="measure delivering to a live Arc and reading from it"))
    _add_coldstart(commands.add_parser("coldstart", help="measure a cold start of the edge in Lambda"))
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


def _add_seed(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="FOLDER", help="the --data folder of the installation")
    add("--rows", type=int, default=0, help="memories to put into its embedded store")
    add("--days", type=_positive, default=30, help="over which they are spread, up to now")
    add("--sessions", type=_positive, help="in each 24 hours; without, so many that each has about 500")
    add("--claims", type=int, default=0, help="dedup keys to claim within the window")
    add("--seed", type=int, default=1)
    parser.set_defaults(command=run_seed)


def _add_service(parser: argparse.ArgumentParser) -> None:
    stages = ("writing", "day", "month")
    add = parser.add_argument
    add("--stages", nargs="+", choices=stages, default=stages, metavar="STAGE", help=", ".join(stages))
    add("--quick", action="store_true", help="a few seconds of everything: to see that it works")
    add("--keep", type=Path, metavar="FOLDER", help="leave the installations there")
    add("--json", type=Path, metavar="FILE", help="write everything there too")
    parser.set_defaults(command=run_service)


def _add_arc(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--rows", type=_positive, default=100_000, help="memories to deliver, at least 20000")
    add("--rounds", type=_positive, default=3)
    add("--seconds", type=_positive, default=5, help="length of each timed window")
    add("--keep", type=Path, metavar="FOLDER", help="leave the installation there")
    parser.set_defaults(command=run_arc)


def _add_coldstart(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--metadata", choices=("dynamodb", "sqlite"), default="dynamodb")
    add("--rounds", type=_positive, default=9, help="cold starts")
    add("--invocations", type=_positive, default=300, help="warm ones")
    add("--package", type=Path, metavar="PATH", help="a folder of `make package` to start, or a zip to weigh")
    add("--python", metavar="PYTHON", help="the Python that starts it; that of the package")
    parser.set_defaults(command=run_coldstart)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number
