"""What commands print: tables for people, JSON for scripts, one line for an error.

Text that came from clients (names, content) is shown with its control characters made visible,
so that nobody's memory can drive somebody's terminal.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from core.model.timewindow import micros_of, rfc3339

Record = Mapping[str, Any]


@dataclass(slots=True)
class Consent:
    """Of somebody who is not at this terminal: given from the start, or the question to bring to them."""

    given: bool
    question: str = ""


_consent: Final[ContextVar[Consent | None]] = ContextVar("consent", default=None)


@contextlib.contextmanager
def asking(consent: Consent) -> Iterator[None]:
    """Within, `confirmed` asks this one, and no terminal."""
    token = _consent.set(consent)
    try:
        yield
    finally:
        _consent.reset(token)


def clean(text: str, *, kept: str = "") -> str:
    """The text without anything that a terminal would obey."""
    return "".join(c if c in kept or c.isprintable() else repr(c)[1:-1] for c in text)


def as_json(value: object) -> None:
    """One JSON document on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def say(text: str) -> None:
    """Words for people; flushed, since what follows may run for days."""
    print(text, flush=True)


def warn(text: str) -> None:
    print(f"memtrace: {clean(text)}", file=sys.stderr, flush=True)


def problem(message: str, hint: str | None = None) -> None:
    """The one line of an error."""
    line = f"memtrace: error: {clean(message)}" + (f" ({clean(hint)})" if hint else "")
    print(line, file=sys.stderr, flush=True)


def records(rows: Sequence[Record], columns: Mapping[str, str], *, as_json_: bool, empty: str) -> None:
    """Several things of a kind: a table of these columns (key to heading), or a JSON array of all keys."""
    if as_json_:
        as_json(list(rows))
    elif not rows:
        say(empty)
    else:
        table(list(columns.values()), [[cell(row.get(key)) for key in columns] for row in rows])


def record(row: Record, *, as_json_: bool, title: str = "") -> None:
    """One thing: a line per member, or a JSON object."""
    if as_json_:
        as_json(dict(row))
        return
    if title:
        say(title)
    width = max((len(key) for key in row), default=0)
    for key, value in row.items():
        print(f"{key.replace('_', ' '):<{width}}  {cell(value)}")


def moment(time: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return rfc3339(micros_of(time) // 1_000_000 * 1_000_000)


def size_of(count: int) -> str:
    """Bytes as people say them."""
    if count < 1_024:
        return f"{count} bytes"
    amount = count / 1_024
    for unit in ("KB", "MB", "GB"):
        if amount < 1_024:
            return f"{amount:.1f} {unit}"
        amount /= 1_024
    return f"{amount:.1f} TB"


def cell(value: object) -> str:
    """How a value looks to people."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple() | set() | frozenset():
            return ",".join(clean(str(v)) for v in value) or "-"
        case _:
            return clean(str(value))


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rich where a person looks at it, aligned columns where a pipe does."""
    (_rich_table if sys.stdout.isatty() else _plain_table)(headings, rows)


def _plain_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[i]) for line in (headings, *rows)) for i in range(len(headings))]
    for line in (headings, *rows):
        print("  ".join(f"{text:<{width}}" for text, width in zip(line, widths, strict=True)).rstrip())


def _rich_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        shown.add_column(heading, overflow="fold")
    for row in rows:
        shown.add_row(*(_unmarked(text) for text in row))
    Console().print(shown)


def _unmarked(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def confirmed(question: str, *, yes: bool, ask: Callable[[str], str] = input) -> bool:
    """Whether to go on with something that cannot be undone. Asks only a person who is there."""
    if yes:
        return True
    if (consent := _consent.get()) is not None:
        consent.question = "" if consent.given else question
        return consent.given
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{clean(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return ask("").strip().lower() in ("y", "yes")
