"""`memtrace import`: memories that exist already, into an organization's store."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final

import typer

from core.model.errors import InvalidRequest
from core.model.landing import Imported
from core.model.memory import Memory, Micros, OrgId
from handlers.cli.calls import AsJson, call_of, logged
from handlers.cli.given_lines import GivenLines
from handlers.cli.output import record, say, warn
from handlers.cli.progress import items_seen

if TYPE_CHECKING:
    from core.settings import Settings

_STDIN: Final = Path("-")
_MOST_TOLD: Final = 20


@dataclass(frozen=True, slots=True)
class Asked:
    org_id: OrgId
    dry_run: bool
    skip_bad: bool


@dataclass(slots=True)
class Checked:
    """What a first look at all of a file found."""

    good: int = 0
    bad: int = 0
    newest: Micros = 0


def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False, help="- is standard input.")],
    org: Annotated[str, typer.Option("--org", metavar="ORG_ID", show_default=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out what is not valid.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put memories of a file into an organization's store.

    JSON lines as `export` writes them, or lists as the API answers them. They keep their time and
    dedup key, so a repeated import changes nothing, and one that was broken off is run again.
    """
    settings = call_of(ctx).settings()
    logged(settings, "command")
    asked = Asked(OrgId(org), dry_run, skip_bad)
    with _opened(file) as given:
        checked, done = asyncio.run(_import(settings, given, asked))
    if as_json:
        told = {"new": done.new, "there": done.there, "deleted": done.deleted, "bad": checked.bad}
        record({**told, "dry_run": dry_run}, as_json_=True)
    else:
        _tell(done, checked, dry_run)


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """A file that can be read twice; what comes from a pipe is kept on disk meanwhile."""
    if file != _STDIN:
        with file.open("rb") as opened:
            yield opened
        return
    with tempfile.TemporaryFile(prefix="memtrace-import-") as kept:
        shutil.copyfileobj(sys.stdin.buffer, kept)
        yield kept


async def _import(settings: "Settings", file: BinaryIO, asked: Asked) -> tuple[Checked, Imported]:
    from core.bootstrap.transfer import open_transfer, operator

    async with open_transfer(settings) as transfer:
        binding = (await operator(transfer.admin, asked.org_id)).bound()
        given = GivenLines(file, asked.org_id, transfer.admin.clock.micros())
        checked = _check(given, asked)
        with items_seen("importing", checked.good) as seen:
            memories = _memories(given)
            if asked.dry_run:
                return checked, await transfer.importer.preview(binding, memories, seen)
            return checked, await transfer.importer.run(binding, memories, checked.newest, seen)


def _check(given: GivenLines, asked: Asked) -> Checked:
    """Everything is looked at before anything is written. Raises InvalidRequest where lines are bad."""
    checked = Checked()
    for one in given:
        if one.memory is not None:
            checked.good += 1
            checked.newest = max(checked.newest, one.memory.time)
            continue
        checked.bad += 1
        if checked.bad <= _MOST_TOLD:
            warn(f"{one.where}: {one.error}")
    if checked.bad and not asked.skip_bad:
        raise InvalidRequest(
            f"{checked.bad} memories of the file are not valid; nothing was imported",
            hint="correct them, or leave them out with --skip-bad",
        )
    return checked


def _memories(given: GivenLines) -> Iterator[Memory]:
    return (one.memory for one in given if one.memory is not None)


def _tell(done: Imported, checked: Checked, dry_run: bool) -> None:
    say(f"{done.new} memories {'would be imported' if dry_run else 'imported'}")
    for count, words in (
        (done.there, "were there already"),
        (done.deleted, "had been deleted, and stay so"),
        (checked.bad, "were left out: not valid"),
    ):
        if count:
            say(f"{count} {words}")
