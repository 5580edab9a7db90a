"""What every command needs: the settings it was called with, and a way to run its work."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from core.model.errors import ConfigurationError, InvalidRequest
from handlers.cli.output import warn

if TYPE_CHECKING:
    from core.bootstrap.admin import Admin
    from core.logs import Process
    from core.settings import Settings

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_STDIN = "-"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the command line. Settings are read when a command asks for them."""

    config: Path | None

    def settings(
        self, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
    ) -> "Settings":
        """Raises ConfigurationError. Warnings go to standard error."""
        from core.settings_source import load

        settings = load(self.config, environ, flags)
        for warning in settings.warnings:
            warn(warning)
        return settings

    def file_settings(self) -> "Settings":
        """For commands about the database file. Raises ConfigurationError where there is none."""
        settings = self.settings()
        if settings.metadata.backend != "sqlite":
            raise ConfigurationError(
                "metadata and journal are in DynamoDB, and this command is about the SQLite file",
                hint="DynamoDB has backups of its own: see docs/operating-aws.md",
            )
        return settings

    def admin(self, work: Callable[["Admin"], Awaitable[T]]) -> T:
        """Runs `work` on this installation, whether it is served or not."""
        settings = self.settings()
        logged(settings, "command")

        async def run() -> T:
            async with opened(settings) as admin:
                return await work(admin)

        return asyncio.run(run())


def call_of(ctx: typer.Context) -> Call:
    call = ctx.obj
    assert isinstance(call, Call)
    return call


def logged(settings: "Settings", process: "Process") -> None:
    """From here on, log lines look as the settings want them, on standard error."""
    from core.logs import configure

    configure(settings.log.level, settings.log.format, process)


@contextlib.asynccontextmanager
async def opened(settings: "Settings") -> AsyncIterator["Admin"]:
    from core.bootstrap.admin import open_admin

    async with open_admin(settings) as admin:
        yield admin


def secret(value: str, option: str) -> str:
    """An option's secret: as given, or, where it is `-`, the first line of standard input."""
    if value != _STDIN:
        return value
    line = sys.stdin.readline().strip()
    if not line:
        raise InvalidRequest(f"{option} - reads a line of standard input, and there was none")
    return line
