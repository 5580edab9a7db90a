"""The documents name everything there is, and nothing that is not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import pytest
from typer.main import get_command

from core.families import FAMILIES
from core.model import paging
from core.model.errors import MemtraceError
from core.settings import SECTIONS, every_setting
from core.telemetry import MetricName, names
from core.version import VERSION
from handlers.cli.main import app
from handlers.http import checks
from handlers.http.errors import status_of
from handlers.http.mcp_door import MCP
from handlers.http.routes import ROUTES

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "SECURITY.md",
    *(ROOT / "docs").glob("*.md"),
]
OUTSIDE_OF_SETTINGS: Final = {
    "MEMTRACE_URL",
    "MEMTRACE_API_KEY",
    "MEMTRACE_MASTER_KEY",
    "MEMTRACE_MASTER_KEY_FILE",
    "MEMTRACE_MASTER_KEY_PREVIOUS",
    "MEMTRACE_MASTER_KEY_PREVIOUS_FILE",
    "MEMTRACE_MASTER_KEY_SECRET_ARN",
    "MEMTRACE_MASTER_KEY_SECRET_FIELD",
    "MEMTRACE_MASTER_KEY_SECRET_MAX_AGE",
    "MEMTRACE_CONFIG",
}
WITHOUT_A_CLASS: Final = {"method_not_allowed"}
"""Error codes that the HTTP layer gives by itself."""


def page(name: str) -> str:
    return (ROOT / name).read_text()


def everywhere() -> str:
    return "\n".join(path.read_text() for path in PAGES)


def table(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, row by row, without its head."""
    _, _, rest = text.partition(f"# {heading}\n")
    assert rest, f"no heading {heading!r}"
    lines = rest.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def quoted(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`\n]+)`", text)


def errors(root: type[MemtraceError] = MemtraceError) -> Iterator[type[MemtraceError]]:
    yield root
    for child in root.__subclasses__():
        yield from errors(child)


def commands() -> dict[str, set[str]]:
    """Every command by its words, with its options; hidden options are nobody's business."""
    found: dict[str, set[str]] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))
        if not hasattr(command, "commands"):
            options = [o for p in command.params if not getattr(p, "hidden", False) for o in p.opts]
            found[" ".join(words)] = {option for option in options if option.startswith("--")}

    walk(get_command(app), ("memtrace",))
    return found


# --- settings


def test_every_setting_is_explained() -> None:
    text = page("docs/configuration.md")
    assert [one.variable for one in every_setting() if f"`{one.variable}`" not in text] == []


def test_every_setting_that_is_mentioned_exists() -> None:
    known = {f"{one.section}.{one.name}" for one in every_setting()}
    sections = "|".join(SECTIONS)
    mentioned = re.findall(rf"`((?:{sections})\.[a-z_]+)(?=[` ])", everywhere())
    assert sorted(set(mentioned) - known - {"server.py"}) == []


def test_every_variable_that_is_mentioned_is_read() -> None:
    known = OUTSIDE_OF_SETTINGS | {one.variable for one in every_setting()}
    mentioned = set(re.findall(r"MEMTRACE_[A-Z][A-Z_]*[A-Z]", everywhere()))
    for_tests = {name for name in mentioned if name.startswith("MEMTRACE_TEST")}
    assert sorted(mentioned - known - for_tests) == []


# --- the API


def test_the_routes_are_those_of_the_table_of_routes() -> None:
    documented = {(row[0].strip("`"), row[1]) for row in table(page("docs/api.md"), "Routes")}
    assert documented == {(f"{one.method} {one.path}", one.permission or "none") for one in ROUTES}


def test_every_route_that_is_mentioned_is_served() -> None:
    served = (
        {(MCP.method, MCP.path)}
        | {(one.method, one.path) for one in ROUTES}
        | {(one.method, one.path.removeprefix("/api/v1")) for one in ROUTES}
    )
    mentioned = re.findall(r"`(GET|POST|PUT|DELETE) (/[^`? ]*)", everywhere())
    assert sorted(set(mentioned) - served) == []


def test_the_error_codes_are_those_of_the_tree_with_their_statuses() -> None:
    text = page("docs/api.md")
    documented = {row[0].strip("`"): row[1] for row in _error_rows(text)}
    for error in errors():
        if error.code in documented:
            assert str(status_of(error)) in documented[error.code].split(", "), error.code
        else:
            assert status_of(error) == 500, f"{error.code} is not in the table"
            assert f"`{error.code}`" in text, error.code
    known = {error.code for error in errors()} | WITHOUT_A_CLASS
    assert set(documented) <= known


def _error_rows(text: str) -> Iterator[list[str]]:
    _, _, rest = text.partition("| code | status |")
    for line in rest.splitlines()[2:]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_field_of_a_route_is_explained(route: Any) -> None:
    text = page("docs/api.md")
    kinds = [*route.takes, *route.answers, *([route.query] if route.query else [])]
    fields = {field.encode_name for kind in kinds for field in msgspec.structs.fields(kind)}
    assert sorted(f for f in fields if not re.search(rf'[`"?&]{f}[`"=]', text)) == []


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("memories in a batch", checks.MAX_BATCH),
        ("`content`", checks.MAX_CONTENT_BYTES),
        ("`metadata`, `config`", checks.MAX_METADATA_BYTES),
        ("tags, in a memory or a filter", checks.MAX_TAGS),
        ("`dedup_key`", checks.MAX_DEDUP_KEY_BYTES),
        ("`content_contains`", checks.MAX_NEEDLE_BYTES),
        ("`limit`", checks.MAX_LIMIT),
        ("`offset`", paging.MAX_OFFSET),
        ("agent's `name`, `description`", checks.MAX_NAME_BYTES),
    ],
)
def test_the_limits_are_those_that_are_checked(words: str, value: int) -> None:
    limits = {row[0]: row[1] for row in table(page("docs/api.md"), "Limits")}
    shown = f"{value // 1024} KB" if value >= 1024 and value % 1024 == 0 else f"{value:,}"
    assert limits[words].startswith(shown)


# --- the command line


def test_the_commands_are_those_of_the_program() -> None:
    documented: dict[str, set[str]] = {}
    for row in table(page("docs/operations.md"), "Commands"):
        call = row[0].strip("`")
        words = re.match(r"memtrace( [a-z][a-z-]*)*", call)
        assert words, call
        documented[words[0]] = set(re.findall(r"--[a-z-]+", call))
    real = commands()
    assert set(documented) == set(real)
    for command, options in real.items():
        assert documented[command] == options - {"--json", "--help"}, command


def test_the_readme_names_every_command() -> None:
    named = {words.removeprefix("memtrace ") for words in quoted(page("README.md"))}
    assert sorted(words for words in commands() if words.removeprefix("memtrace ") not in named) == []


def test_every_command_that_is_mentioned_exists() -> None:
    real = {tuple(words.split()) for words in commands()}
    beginnings = {words[:length] for words in real for length in range(1, len(words) + 1)}
    for mention in re.findall(r"`memtrace((?: [a-z][a-z-]*)+)", everywhere()):
        words = ("memtrace", *mention.split())
        assert any(words[:length] in real for length in range(1, len(words) + 1)) or words in beginnings, (
            words
        )


def test_the_readme_names_every_target_of_make() -> None:
    named = set(re.findall(r"`make ([a-z]+)", page("README.md")))
    targets = set(re.findall(r"^([a-z]+):.*##", page("Makefile"), re.MULTILINE))
    assert {"install", "run", "test"} <= named <= targets


# --- watching


def test_the_metrics_are_those_of_the_registry() -> None:
    rows = {row[0].strip("`"): row[1] for row in table(page("docs/operations.md"), "Metrics")}
    assert set(rows) == set(get_args(MetricName))
    for name, family in FAMILIES.items():
        kind, _, labels = rows[name].partition(", ")
        assert kind == family.kind, name
        assert not family.label or f"`{family.label}`" in labels, name
        assert [label for label in family.labels if label not in labels] == [], name


def test_every_metric_that_is_mentioned_exists() -> None:
    mentioned = set(
        re.findall(r"`(memtrace_[a-z_]+?(?:_total|_seconds|_size|_bytes|_rows|_letters))", everywhere())
    )
    assert sorted(mentioned - set(get_args(MetricName))) == []


def test_the_log_events_are_those_of_the_closed_set() -> None:
    documented = [
        event for row in table(page("docs/operations.md"), "Log events") for event in quoted(row[0])
    ]
    assert sorted(documented) == sorted(names())


# --- the pages themselves


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        aim = (path.parent / name).resolve() if name else path
        assert aim.exists(), target
        assert not anchor or anchor in _anchors(aim.read_text()), target


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_paths_that_the_pages_name_are_there() -> None:
    named = re.findall(r"`((?:src|tests|docs|bench|scripts)/[\w./-]+)`", everywhere())
    assert sorted(name for name in set(named) if not (ROOT / name).exists()) == []


def test_no_command_installs_the_sdk_of_the_original_by_its_mere_name() -> None:
    """An index that has 0.2.0 alone would give that, without a word."""
    folders = ("sdks/python", "examples", "integrations")
    more = [path for folder in folders for path in (ROOT / folder).glob("**/README.md")]
    for path in [*PAGES, *more, *(ROOT / "examples").rglob("*.py")]:
        bare = re.findall(r"pip install[^\n`#]* memtrace-sdk(?![=\w-])[^\n]*", path.read_text())
        assert bare == [], path


def test_the_changelog_tells_of_this_version() -> None:
    assert f"## {VERSION}" in page("CHANGELOG.md")
