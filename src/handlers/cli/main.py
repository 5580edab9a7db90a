"""The `memtrace` command: finds the subcommand, runs it, and turns what went wrong into one line."""

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Annotated, Final

import typer
from typer.main import get_command

from core.model.errors import MemtraceError
from handlers.cli import (
    backup,
    configuration,
    cost,
    dead,
    doctor,
    export,
    flusher,
    forget,
    health,
    import_,
    keys,
    mcp,
    migrate,
    moving,
    orgs,
    rekey,
    restore,
    serving,
    state,
)
from handlers.cli.calls import Call
from handlers.cli.output import problem
from handlers.cli.remote import RemoteGroup

FAILED: Final = 1
INTERRUPTED: Final = 130

app = typer.Typer(
    name="memtrace",
    cls=RemoteGroup,
    help="Memtrace, a memory service for fleets of AI agents. Without a command: serve.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
orgs.app.command("move")(moving.move)
app.add_typer(orgs.app, name="org")
app.add_typer(keys.app, name="key")
app.add_typer(dead.app, name="dead")
app.command("forget")(forget.forget)
app.add_typer(forget.deletions, name="deletions")
app.add_typer(configuration.keygen, name="keygen")
app.add_typer(configuration.config, name="config")
app.command("serve")(serving.serve)
app.command("dev")(serving.dev)
app.command("flusher")(flusher.flusher)
app.command("status")(state.status)
app.command("doctor")(doctor.doctor)
app.command("health")(health.health)
app.command("backup")(backup.backup)
app.command("restore")(restore.restore)
app.command("export")(export.export)
app.command("import")(import_.import_)
app.command("rekey")(rekey.rekey)
app.command("migrate")(migrate.migrate)
app.command("mcp")(mcp.mcp)
app.command("cost")(cost.cost)
app.command("version")(configuration.version)


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="PATH", help="The configuration file, instead of those looked for."),
    ] = None,
    stack: Annotated[
        str, typer.Option(metavar="NAME", help="Carry the command out in this CloudFormation stack.")
    ] = "",
    function: Annotated[
        str, typer.Option(metavar="NAME", help="Carry it out in this admin function: a name or an ARN.")
    ] = "",
) -> None:
    ctx.obj = Call(config=config)
    if ctx.invoked_subcommand is None:
        serving.serve(ctx)


def commands() -> list[str]:
    """Every command by its full name, for the documentation and its test."""
    alone = [command.name or "" for command in app.registered_commands]
    grouped = [
        f"{group.name} {command.name}"
        for group in app.registered_groups
        if group.typer_instance is not None
        for command in group.typer_instance.registered_commands
    ]
    return sorted(alone + grouped)


def run(arguments: Sequence[str]) -> int:
    """Runs one command; its exit code: 0, 1 for an error, 2 for wrong usage, 130 for Ctrl-C."""
    try:
        result = get_command(app).main(args=list(arguments), prog_name="memtrace", standalone_mode=False)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except typer.TyperException as e:
        return _misused(e)
    except ExceptionGroup as e:
        return _failed(_first(e))
    except (MemtraceError, OSError) as e:
        return _failed(e)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED


def main() -> None:
    """The entry point of the installed command."""
    sys.excepthook = _last_words
    sys.exit(run(sys.argv[1:]))


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a group of tasks failed of: the first error in it."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _misused(error: typer.TyperException) -> int:
    """Wrong usage; a group without its command shows what there is."""
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".")
    if "\n" in message:
        print(message, file=sys.stderr)
    else:
        problem(message, f"see `{context.command_path if context else 'memtrace'} --help`")
    return error.exit_code


def _failed(error: BaseException) -> int:
    match error:
        case MemtraceError():
            problem(error.message, error.hint)
        case BrokenPipeError():
            # Whoever read our output left; nothing of it may be written at exit either.
            with contextlib.suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        case OSError():
            problem(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        case _:
            raise error
    return FAILED


def _last_words(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A defect of ours, in one line; developers see where with PYTHONDEVMODE=1."""
    if sys.flags.dev_mode:
        sys.__excepthook__(kind, error, trace)
    else:
        problem(f"internal error ({kind.__name__}: {error})", "a defect; PYTHONDEVMODE=1 shows where")
