"""`memtrace keygen`, `config` and `version`: about an installation, not about its data."""

from typing import Any, Final

import typer

from core.version import VERSION
from handlers.cli.calls import AsJson, call_of
from handlers.cli.output import record, records, say

keygen: Final = typer.Typer(help="Make keys.", no_args_is_help=True)
config: Final = typer.Typer(help="The configuration in force.", no_args_is_help=True)


@keygen.callback()
def _keygen() -> None:
    """Make keys."""


@config.callback()
def _config() -> None:
    """The configuration in force."""


@keygen.command("master")
def master() -> None:
    """Print a new master key for MEMTRACE_MASTER_KEY, and nothing else."""
    from core.vault import generate_master_key

    say(generate_master_key())


@config.command("show")
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Show every setting, its value and where it came from.

    Secrets are masked.
    """
    from core.settings_shown import shown

    settings = call_of(ctx).settings()
    rows: list[dict[str, Any]] = [
        {"key": one.key, "value": one.value, "unit": one.unit, "origin": one.origin}
        for one in shown(settings)
    ]
    columns = {"key": "SETTING", "value": "VALUE", "unit": "UNIT", "origin": "ORIGIN"}
    if not as_json:
        say(f"file: {settings.file or 'none'}\n")
    records(rows, columns, as_json_=as_json, empty="")


def version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        record({"version": VERSION}, as_json_=True)
    else:
        say(f"memtrace {VERSION}")
