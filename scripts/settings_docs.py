"""Writes what the code knows of the settings into docs/configuration.md and memtrace.toml.example.

A test compares them, so that documents and code cannot part. Run: `python scripts/settings_docs.py`.
"""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

from core.settings import SECTIONS  # noqa: E402
from core.settings_field import Described, described  # noqa: E402
from core.settings_shown import text_of  # noqa: E402

PAGE: Final = ROOT / "docs" / "configuration.md"
EXAMPLE: Final = ROOT / "memtrace.toml.example"
BEGIN: Final = "<!-- settings: written by scripts/settings_docs.py -->"
END: Final = "<!-- end of settings -->"
_TITLES: Final = {
    "server": "The HTTP server.",
    "limits": "How much callers may ask for; `memtrace org set` sets the rates of one org.",
    "log": "Log lines, on standard error.",
    "arc": "How event stores are talked to; where each org's store is, `memtrace org add-arc` says.",
    "auth": "Callers, and the database.",
    "dedup": "Deduplication.",
    "journal": "What waits for its store, and how much of it there may be.",
    "flusher": "The process that carries memories from the journal to the stores.",
    "store": "The embedded event store.",
    "metadata": "Where metadata and journal are.",
    "dynamodb": "Metadata and journal in DynamoDB.",
    "queue": "The queue between edge and flusher, where it is not the journal itself.",
    "metrics": "Numbers for CloudWatch.",
}
_HEAD: Final = """\
# Memtrace's settings, each with its default. Looked for as ./memtrace.toml, then
# /etc/memtrace/memtrace.toml, then ~/.memtrace/memtrace.toml. Every one can be set by a
# variable instead: MEMTRACE_SECTION_KEY. The master key is never in here: MEMTRACE_MASTER_KEY.
"""


def tables() -> str:
    """One table a section, in Markdown."""
    return "\n\n".join("\n".join(_table(section)) for section in SECTIONS)


def _table(section: str) -> Iterator[str]:
    yield f"### `[{section}]`\n\n{_TITLES[section]}\n"
    yield "| key | variable | default | range | meaning |"
    yield "|---|---|---|---|---|"
    for one in described(section, SECTIONS[section]):
        default = f"`{text_of(one.default)}`{f' {one.about.unit}' if one.about.unit else ''}"
        meaning = one.about.meaning.replace("|", "\\|")
        yield f"| `{one.name}` | `{one.variable}` | {default} | {one.kind} | {meaning} |"


def page() -> str:
    """The page with its tables renewed."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}"


def example() -> str:
    """A configuration file that changes nothing."""
    return "\n".join([_HEAD, *("\n".join(_example(section)) for section in SECTIONS)])


def _example(section: str) -> Iterator[str]:
    yield f"# {_TITLES[section]}\n[{section}]"
    for one in described(section, SECTIONS[section]):
        note = f"{one.about.meaning}{f' ({one.about.unit})' if one.about.unit else ''}"
        yield textwrap.fill(note, 96, initial_indent="# ", subsequent_indent="# ")
        yield f"{one.name} = {_toml(one)}"
    yield ""


def _toml(one: Described) -> str:
    match one.default:
        case tuple():
            return "[" + ", ".join(f'"{part}"' for part in one.default) + "]"
        case str() | Path():
            return f'"{one.default}"'
        case _:
            return text_of(one.default)


def main() -> None:
    PAGE.write_text(page())
    EXAMPLE.write_text(example())


if __name__ == "__main__":
    main()
