"""Who may import whom, and how large things may grow: the rules of the house, held by reading the source."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.source import Module, body_lines, depth, modules

OURS: Final = ("core", "flusher", "handlers", "local", "memtrace_server")
DRIVERS: Final = {
    "boto3",
    "botocore",
    "certifi",
    "duckdb",
    "httpcore",
    "httpx",
    "prometheus_client",
    "sqlite3",
    "yoyo",
}
DOORS: Final = {"httptools", "mangum", "rich", "starlette", "typer", "uvicorn", "uvloop"}
IMPURE: Final = {
    "asyncio",
    "concurrent",
    "glob",
    "http",
    "io",
    "logging",
    "os",
    "random",
    "shutil",
    "socket",
    "sqlite3",
    "structlog",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
}
BANNED_NAMES: Final = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
MODULE_LINES: Final = 300
ADAPTER_LINES: Final = 400
FUNCTION_LINES: Final = 30
DEPTH: Final = 3

# Exceptions, each with its reason. A new one needs a better one.
LONG_MODULES: Final[dict[str, int]] = {}
LONG_FUNCTIONS: Final = {
    "flusher.road.__init__": 40,  # wiring: one flat list of constructors
    "flusher.tenure.__init__": 50,  # wiring: one flat list of constructors
}
DEEP_FUNCTIONS: Final = {
    "core.adapters.events.partitions.days": 4,  # folders of years, months and days
}


def zone(name: str) -> str:
    """The row of the table of layers that a module stands in."""
    if name.startswith("core."):
        part = name.split(".")[1]
        if part in ("model", "adapters", "bootstrap", "ports"):
            return part
        return "services"
    return name.split(".")[0]


ALLOWED: Final[dict[str, set[str]]] = {
    "model": {"model"},
    "ports": {"ports", "model"},
    "services": {"services", "ports", "model"},
    "adapters": {"adapters", "ports", "model"},
    "bootstrap": {"bootstrap", "adapters", "services", "ports", "model"},
    "handlers": {"handlers", "bootstrap", "services", "ports", "model"},
    "flusher": {"flusher", "bootstrap", "services", "ports", "model"},
    "local": {"local", "adapters", "services", "ports", "model"},
    "memtrace_server": {"handlers"},
    "core": set(),
}
STARTS_THE_FLUSHER: Final = ("handlers.server", "handlers.cli.")
STARTS_STAND_INS: Final = ("handlers.cli.",)
STATEMENTS: Final = tuple(f"core.adapters.events.{name}" for name in ("covering", "literal", "schema", "sql"))
"""The SQL and the columns that both stores share."""
CALLS_AWS: Final = ("core.adapters.dynamodb.", "core.adapters.sqs.")
DOOR_OF_THE_FLUSHER: Final = "flusher.endpoint"
FOR_ALL: Final = ("core.telemetry", "core.families", "core.frugal", "core.settings", "core.settings_field")
"""Services that every layer behind the model may use."""


def violations(check: Callable[[Module], Iterator[str]]) -> list[str]:
    return [f"{m.path}: {found}" for m in modules() for found in check(m)]


def may_import(module: Module, imported: str) -> bool:
    ours, theirs = zone(module.name), zone(imported)
    if imported in FOR_ALL and ours not in ("model", "ports"):
        return True
    if theirs == "flusher" and ours == "handlers":
        return module.name.startswith(STARTS_THE_FLUSHER)
    if theirs == "local" and ours == "handlers":
        return module.name.startswith(STARTS_STAND_INS)
    if theirs == "adapters" == ours:
        if module.name.startswith("core.adapters.arc.") and imported in STATEMENTS:
            return True
        if module.name.startswith(CALLS_AWS) and imported == "core.adapters.aws.api":
            return True
        return imported.split(".")[2] == module.name.split(".")[2]
    return theirs in ALLOWED[ours]


def test_layers_import_only_what_the_table_allows() -> None:
    def check(module: Module) -> Iterator[str]:
        for imported, line in module.imports():
            if imported.split(".")[0] in OURS and imported != "core" and not may_import(module, imported):
                yield f"line {line} imports {imported}"

    assert violations(check) == []


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("core.model.memory", "core.telemetry", False),
        ("core.ports", "core.model.memory", True),
        ("core.ingest", "core.adapters.clock", False),
        ("core.adapters.sqlite.journal", "core.adapters.sqlite.lane", True),
        ("core.adapters.sqlite.journal", "core.adapters.events.sql", False),
        ("core.adapters.arc.store", "core.adapters.events.sql", True),
        ("core.adapters.arc.store", "core.adapters.events.engine", False),
        ("core.adapters.sqs.sender", "core.adapters.aws.api", True),
        ("core.adapters.sqs.sender", "core.adapters.aws.light", False),
        ("core.adapters.sqlite.journal", "core.telemetry", True),
        ("core.adapters.routing", "core.recall", False),
        ("core.bootstrap.server", "flusher.tenure", False),
        ("handlers.http.app", "core.adapters.clock", False),
        ("handlers.http.app", "flusher.tenure", False),
        ("handlers.cli.flusher", "flusher.tenure", True),
        ("flusher.tenure", "handlers.server", False),
        ("core.recall", "local.arc", False),
    ],
)
def test_the_table_means_what_it_says(importer: str, imported: str, allowed: bool) -> None:
    module = Module(importer, Path(), "", ast.parse(""))
    assert may_import(module, imported) is allowed


def test_imports_are_absolute() -> None:
    def check(module: Module) -> Iterator[str]:
        yield from (f"line {line}" for name, line in module.imports() if name.startswith("."))

    assert violations(check) == []


def test_the_model_imports_only_the_standard_library_and_msgspec() -> None:
    def check(module: Module) -> Iterator[str]:
        for imported, line in module.imports():
            top = imported.split(".")[0]
            if zone(module.name) == "model" and top not in {*sys.stdlib_module_names, "msgspec", "core"}:
                yield f"line {line} imports {imported}"

    assert violations(check) == []


def test_the_model_is_pure() -> None:
    """No clock, no I/O, no randomness, nothing to await."""

    def check(module: Module) -> Iterator[str]:
        if zone(module.name) != "model":
            return
        yield from (f"imports {name}" for name, _ in module.imports() if name.split(".")[0] in IMPURE)
        for node in ast.walk(module.tree):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                yield f"line {node.lineno} is asynchronous"
            if isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today"):
                yield f"line {node.lineno} asks for the time"
            if isinstance(node, ast.Name) and node.id in ("open", "print", "input"):
                yield f"line {node.lineno} calls {node.id}"

    assert violations(check) == []


@pytest.mark.parametrize(
    ("row", "banned"), [("services", DRIVERS | DOORS), ("handlers", DRIVERS), ("flusher", DRIVERS | DOORS)]
)
def test_drivers_and_doors_stay_where_they_belong(row: str, banned: set[str]) -> None:
    def check(module: Module) -> Iterator[str]:
        if zone(module.name) == row and module.name != DOOR_OF_THE_FLUSHER:
            yield from (
                f"line {line} imports {n}" for n, line in module.imports() if n.split(".")[0] in banned
            )

    assert violations(check) == []


def test_only_the_settings_source_imports_pydantic() -> None:
    def check(module: Module) -> Iterator[str]:
        if module.name != "core.settings_source":
            yield from (n for n, _ in module.imports() if n.startswith("pydantic"))

    assert violations(check) == []


def test_only_the_log_modules_import_the_logging_libraries() -> None:
    """Everybody else emits through `telemetry`, whose event names are a closed set."""

    def check(module: Module) -> Iterator[str]:
        if module.name not in ("core.frugal", "core.logs", "core.telemetry"):
            yield from (n for n, _ in module.imports() if n.split(".")[0] in ("structlog", "logging"))

    assert violations(check) == []


def test_modules_stay_small() -> None:
    def check(module: Module) -> Iterator[str]:
        ceiling = ADAPTER_LINES if zone(module.name) == "adapters" else MODULE_LINES
        if module.lines > LONG_MODULES.get(module.name, ceiling):
            yield f"{module.lines} lines: which second job does it hold?"

    assert violations(check) == []


def test_functions_stay_short() -> None:
    def check(module: Module) -> Iterator[str]:
        for function in module.functions():
            ceiling = LONG_FUNCTIONS.get(f"{module.name}.{function.name}", FUNCTION_LINES)
            if body_lines(function) > ceiling:
                yield f"{function.name} has {body_lines(function)} lines"

    assert violations(check) == []


def test_functions_nest_at_most_three_deep() -> None:
    def check(module: Module) -> Iterator[str]:
        for function in module.functions():
            ceiling = DEEP_FUNCTIONS.get(f"{module.name}.{function.name}", DEPTH)
            if depth(function) > ceiling:
                yield f"{function.name} nests {depth(function)} deep"

    assert violations(check) == []


def test_exceptions_are_still_needed() -> None:
    known = {m.name for m in modules()} | {f"{m.name}.{f.name}" for m in modules() for f in m.functions()}
    assert {*LONG_MODULES, *LONG_FUNCTIONS, *DEEP_FUNCTIONS} <= known


def test_names_say_what_things_are() -> None:
    def check(module: Module) -> Iterator[str]:
        words = {word for part in module.name.split(".") for word in part.split("_")}
        words |= {
            w.lower() for n in ast.walk(module.tree) if isinstance(n, ast.ClassDef) for w in _words(n.name)
        }
        yield from sorted(words & BANNED_NAMES)

    assert violations(check) == []


def test_every_module_says_what_its_job_is() -> None:
    def check(module: Module) -> Iterator[str]:
        if not ast.get_docstring(module.tree):
            yield "no docstring"

    assert violations(check) == []


def _words(name: str) -> list[str]:
    return re.findall(r"[A-Z][a-z0-9]*", name)
