"""`memtrace migrate`: brings the database up to date, or tells what that would do."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from core.model.errors import InvalidRequest
from handlers.cli.calls import AsJson, call_of, logged
from handlers.cli.output import record, say
from handlers.cli.rehearsed import as_record, as_words
from handlers.holding import held

if TYPE_CHECKING:
    from core.settings import Settings

NEEDED: Final = 3
"""The exit code of a check that found something to do, and nothing in its way."""
_IN_THE_WAY: Final = 1


def migrate(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Tell what it would do; change nothing.")] = False,
    copy_to: Annotated[
        Path | None, typer.Option("--copy-to", metavar="FOLDER", help="Where the copy of it goes.")
    ] = None,
    no_copy: Annotated[bool, typer.Option("--no-copy", help="Keep no copy of it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring the database up to date.

    Starting does it too. A copy of it as it was is kept beside it. --check exits with 0 when there
    is nothing to do, 3 when there is, and 1 when something is in the way.
    """
    if copy_to is not None and no_copy:
        raise InvalidRequest("--copy-to and --no-copy exclude each other")
    settings = call_of(ctx).file_settings()
    if check:
        _check(settings, copy_to, as_json)
    else:
        logged(settings, "command")
        _migrate(settings, copy_to, not no_copy, as_json)


def _migrate(settings: "Settings", copy_to: Path | None, keep_copy: bool, as_json: bool) -> None:
    from core.bootstrap.database import upgraded_database

    database = settings.auth.db_path
    if database.parent.is_dir():
        with held(database):
            done = upgraded_database(settings, keep_copy=keep_copy, copy_folder=copy_to)
    else:
        done = upgraded_database(settings)
    if as_json:
        copy = str(done.copy) if done.copy else None
        record({"database": str(database), "applied": done.applied, "copy": copy}, as_json_=True)
        return
    say(f"{database}: " + (f"applied {', '.join(done.applied)}" if done.applied else "nothing to do"))
    if done.copy:
        say(f"As it was before: {done.copy}\nRemove that when you are content.")


def _check(settings: "Settings", copy_to: Path | None, as_json: bool) -> None:
    from core.bootstrap.database import check_upgrade

    found = check_upgrade(settings, copy_to)
    database = settings.auth.db_path
    if as_json:
        record(as_record(database, found), as_json_=True)
    else:
        for line in as_words(database, found):
            say(line)
    if found is not None and not found.would_work:
        raise typer.Exit(_IN_THE_WAY)
    if found is None or found.is_needed:
        raise typer.Exit(NEEDED)
