"""`memtrace dev --aws`: the serverless split on one machine, without Docker and without AWS.

Its own processes are the flusher and the sandboxes of the edge, run by Lambda's real runtime client.
Stand-ins, a process each, take the places of SQS, of DynamoDB with Secrets Manager, and of Arc.
Whatever dies is started again; what was acknowledged outlives all of them.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from core.model.errors import ConfigurationError
from handlers.child import Backoff, Child
from handlers.cli.calls import logged
from handlers.cli.splitfolder import DEAD_LETTERS, QUEUE, TABLE, SplitFolder
from local import tied

if TYPE_CHECKING:
    from core.settings import Settings

_HOST: Final = "127.0.0.1"
_STARTING: Final = 60.0
"""Seconds for a stand-in to answer."""
_MOST_RECEIVES: Final = 5
"""As in template.yaml."""
_BACKOFF: Final = Backoff(first=0.1, most=5.0)
_STOPPING: Final = 20.0
_HANDLER: Final = "handlers.lambda_api.handler"
_SOURCE: Final = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What is asked for on the command line."""

    folder: SplitFolder
    host: str
    port: int
    arc: str
    """The URL of a real Arc; empty: a stand-in."""
    arc_key: str
    flusher: list[str]
    """The command that flushes."""
    say: Callable[[str], None]


async def run_split(split: Split) -> None:
    """Runs until SIGTERM or SIGINT, then ends everything in order. Raises ConfigurationError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    folder = split.folder
    environ = folder.environ(os.environ)
    os.environ.update(environ)  # where this process itself calls what stands in for AWS
    async with contextlib.AsyncExitStack() as stack:
        for name, command in stand_ins(split).items():
            child = _child(command, {**environ, "MEMTRACE_MASTER_KEY": folder.first_key()}, folder.log(name))
            await stack.enter_async_context(_running(child))
        await _answering(folder, with_arc=not split.arc)
        settings = await _prepared(split, environ)
        flusher = Child(split.flusher, environ, backoff=_BACKOFF)
        await stack.enter_async_context(_running(flusher))
        url = await stack.enter_async_context(_door(split, environ))
        split.say(await folder.tell(settings, url))
        await stop.wait()


def stand_ins(split: Split) -> dict[str, list[str]]:
    """The command of each stand-in."""
    ports = split.folder.ports
    start = [sys.executable, str(Path(tied.__file__)), str(os.getpid())]
    cloud = [*start, "local.cloud", "--data", str(split.folder.cloud), "--table", TABLE]
    queue = [*start, "local.sqs", "--queue", QUEUE, "--dead-letters", DEAD_LETTERS]
    queue += ["--most-receives", str(_MOST_RECEIVES)]
    commands = {
        "cloud": [*cloud, "--port", str(ports.cloud)],
        "queue": [*queue, "--port", str(ports.queue)],
    }
    if not split.arc:
        arc = [*start, "local.arc", "--data", str(split.folder.arc), "--wal", "--port", str(ports.arc)]
        commands["arc"] = arc
    return commands


def _child(command: list[str], environ: Mapping[str, str], log: Path) -> Child:
    return Child(
        ["/bin/sh", "-c", 'exec "$@" >>"$0" 2>&1', str(log), *command],
        {**environ, "PYTHONPATH": str(_SOURCE)},
        backoff=_BACKOFF,
        died="stand_in_died",
    )


@contextlib.asynccontextmanager
async def _running(child: Child) -> AsyncIterator[None]:
    """Within, it runs; leaving ends it in order."""
    task = asyncio.create_task(child.run(), name="child")
    try:
        yield
    finally:
        await child.stop(_STOPPING)
        await asyncio.wait([task])


async def _answering(folder: SplitFolder, *, with_arc: bool) -> None:
    """Returns when every stand-in takes connections. Raises ConfigurationError."""
    ports = {"cloud": folder.ports.cloud, "queue": folder.ports.queue}
    if with_arc:
        ports["arc"] = folder.ports.arc
    for name, port in ports.items():
        try:
            async with asyncio.timeout(_STARTING):
                while not await _takes_connections(port):  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise ConfigurationError(
                f"the stand-in `{name}` did not start within {_STARTING:.0f} s",
                hint=f"{folder.log(name)} says why",
            ) from None


async def _takes_connections(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(_HOST, port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def _prepared(split: Split, environ: Mapping[str, str]) -> "Settings":
    """The settings in force, with `org_default` bound and a key for it."""
    from core.bootstrap.admin import open_admin
    from core.settings_source import load

    settings = load(None, environ)
    logged(settings, "command")
    arc = split.arc or f"http://{_HOST}:{split.folder.ports.arc}"
    async with open_admin(settings) as admin:
        await split.folder.prepare(admin, arc, split.arc_key)
    return settings


@contextlib.asynccontextmanager
async def _door(split: Split, environ: Mapping[str, str]) -> AsyncIterator[str]:
    """The URL at which the edge answers, through a small API Gateway."""
    from local.arc.serving import Listener
    from local.gateway.door import SECONDS, Gateway
    from local.gateway.request import Stage
    from local.lambda_runtime.function import LambdaFunction
    from local.lambda_runtime.sandbox import Code

    code = Code(
        handler=_HANDLER,
        environ={**split.folder.edge_environ(environ), "PYTHONPATH": str(_SOURCE)},
        log=split.folder.log("edge"),
    )
    function = LambdaFunction(code, patience=SECONDS)
    gateway = Gateway(function, Stage(is_worded=True))
    listener = Listener(gateway)
    try:
        port = await listener.start(split.host, split.port)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {split.host}:{split.port}: {error.strerror}", hint="choose another --port"
        ) from error
    try:
        yield f"http://{split.host}:{port}"
    finally:
        await listener.stop()
        await gateway.close()
        await function.close()
