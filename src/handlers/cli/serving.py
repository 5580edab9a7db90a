"""`memtrace serve` and `memtrace dev`: start a server, and tell the person who started it what to do."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from core.model.errors import ConfigurationError, InvalidRequest, NotFound
from core.model.tenant import DEFAULT_ORG
from handlers.cli.calls import Call, call_of, logged, secret
from handlers.cli.output import say

if TYPE_CHECKING:
    from core.bootstrap.services import Services
    from core.settings import Settings
    from handlers.server import Launch

_PACKAGE: Final = "memtrace_server"
_FOR_AWS: Final = ("awslambdaric", "boto3", "mangum", "moto")


def serve(
    ctx: typer.Context,
    host: Annotated[str | None, typer.Option(help="Instead of server.host.")] = None,
    port: Annotated[int | None, typer.Option(help="Instead of server.port; 0 takes a free one.")] = None,
    insecure_no_auth: Annotated[
        bool, typer.Option("--insecure-no-auth", help="Without authentication, yet beyond this machine.")
    ] = False,
) -> None:
    """Serve the API. The production form: it makes no master key."""
    from handlers.server import Launch

    call: Call = call_of(ctx)
    given = {"server.host": host, "server.port": port}
    settings = call.settings(flags={key: value for key, value in given.items() if value is not None})
    launch = Launch(
        prepare=_first_start,
        say=_say_all,
        flusher=flusher_command(call),
        environ=dict(os.environ),
        exposed=insecure_no_auth,
    )
    run_server(settings, launch)


def dev(
    ctx: typer.Context,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 9100,
    data: Annotated[Path, typer.Option(help="The folder that everything lives in.")] = Path("data"),
    aws: Annotated[bool, typer.Option("--aws", help="As deployed in AWS, with stand-ins for AWS.")] = False,
    arc: Annotated[
        str, typer.Option(metavar="URL", help="With --aws: a real Arc instead of a stand-in.")
    ] = "",
    arc_key: Annotated[
        str, typer.Option(help="The API key of that Arc; `-` reads it from standard input.")
    ] = "",
) -> None:
    """Serve without any configuration.

    Makes and keeps all it needs in one folder. Configuration files are not read, unless --config
    names one; MEMTRACE_* variables are. With --aws the edge runs as a Lambda function behind a small
    API Gateway, and queue, metadata, secret and Arc are stand-ins on this machine.
    """
    if aws:
        dev_aws(ctx, host=host, port=port, data=data, arc=arc, arc_key=secret(arc_key, "--arc-key"))
        return
    if arc or arc_key:
        raise InvalidRequest("--arc and --arc-key go with --aws", hint="`memtrace org add-arc` binds an Arc")
    from handlers.cli.devfolder import DevFolder
    from handlers.server import Launch

    call = call_of(ctx)
    folder = DevFolder(data)
    folder.make()
    environ = folder.environ(os.environ, ignore_files=call.config is None)
    settings = call.settings(environ=environ, flags={"server.host": host, "server.port": port})
    launch = Launch(prepare=folder.prepare, say=_say_all, flusher=flusher_command(call), environ=environ)
    run_server(settings, launch)


def dev_aws(ctx: typer.Context, *, host: str, port: int, data: Path, arc: str, arc_key: str) -> None:
    """The split with stand-ins. Raises ConfigurationError where what they need is not installed."""
    missing = [name for name in _FOR_AWS if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"--aws needs {', '.join(missing)}", hint="install `memtrace-server[server,lambda,aws,local]`"
        )
    from handlers.cli.split import Split, run_split
    from handlers.cli.splitfolder import SplitFolder

    folder = SplitFolder(data)
    folder.make()
    split = Split(
        folder=folder,
        host=host,
        port=port,
        arc=arc,
        arc_key=arc_key,
        flusher=flusher_command(call_of(ctx)),
        say=_say_all,
    )
    on_uvloop(run_split(split))


def run_server(settings: "Settings", launch: "Launch") -> None:
    from handlers.server import serve as serving

    logged(settings, "server")
    on_uvloop(serving(settings, launch))


def on_uvloop(work: Coroutine[Any, Any, None]) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(work)


def flusher_command(call: Call) -> list[str]:
    """How the server starts its flusher: this very program, on the same configuration."""
    config = ["--config", str(call.config.absolute())] if call.config else []
    return [sys.executable, str(_program()), *config, "flusher", "--child"]


def _program() -> Path:
    """The launcher's file: it works wherever it lies, whatever the child's path is."""
    spec = find_spec(_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).with_name("__main__.py")


async def _first_start(services: "Services", url: str) -> str:
    """Where there is no organization yet: makes `org_default`, whose admin key is shown this once."""
    if not services.settings.auth.enabled:
        await services.tenants.ensure_default_org()
        return f"Memtrace serves {url} without authentication, as org_default."
    made = await services.tenants.bootstrap_default()
    if made is None:
        return ""
    try:
        # An old `[arc]` block may have become its binding already.
        await services.tenants.show_binding(DEFAULT_ORG)
        advice = ""
    except NotFound:
        command = f"memtrace org add-arc {DEFAULT_ORG} --url file:/absolute/folder"
        advice = f"It has no store yet: `{command}` binds one.\n"
    return (
        f"First start: made the organization {DEFAULT_ORG} and its admin key, shown this once:\n\n"
        f"  {made.plain}\n\n{advice}"
    )


def _say_all(words: str) -> None:
    if words:
        say(words)
