"""`memtrace serve`: one HTTP server process on one installation, the flusher beside it.

Starting takes things in the order in which they can fail for a reason worth telling: the
installation, the port, the configuration and its database; stopping gives them back in reverse.
"""

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import uvicorn

from core import telemetry
from core.bootstrap.server import open_services
from core.bootstrap.services import Services
from core.model.errors import ConfigurationError
from core.settings import Settings
from core.vault import parse_master_key
from handlers.child import Child
from handlers.holding import Holder, held, url_of
from handlers.http.app import create_app
from handlers.http.exchange import Exchange
from handlers.listening import BACKLOG, allow_files, handles, is_loopback, listen
from handlers.stopping import on_signals
from handlers.uvicorn_protocol import SPARE_CONNECTIONS, protocol_class

KEEP_ALIVE_SECONDS: Final = 75
_YOUNG_OBJECTS: Final = 5_000
"""How many more containers than before bring a collection; Python's own 700 is one every few requests."""
_THRIFTY: Final = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "1048576",
}
"""For the flusher: glibc would keep a heap a thread, and the memory of large batches for good."""
_REQUESTS_SHARE: Final = 0.4
"""Of the time for stopping, what requests in flight may use; the rest is the flusher's."""
_CLOSING_SECONDS: Final = 0.5


@dataclass(frozen=True, slots=True)
class Launch:
    """How the command line wants a server started."""

    prepare: Callable[[Services, str], Awaitable[str]]
    """Called with the services and the URL before anything is served; its words are for `say`."""
    say: Callable[[str], None]
    """Called once when requests are answered."""
    flusher: Sequence[str]
    """The command of the flusher's process."""
    environ: Mapping[str, str] = field(repr=False)
    exposed: bool = False
    """Whether a server without authentication may listen beyond this machine."""


async def serve(settings: Settings, launch: Launch) -> None:
    """Serves until SIGTERM or SIGINT.

    Raises HeldByOther or ConfigurationError (MasterKeyError, DatabaseError) when it cannot start.
    """
    _refuse_open_door(settings, launch)
    if settings.master_secret is None:
        parse_master_key(settings.master_key)
    data = _data_of(settings)
    child = Child(launch.flusher, {**_THRIFTY, **launch.environ}) if settings.flusher.embedded else None
    stop = asyncio.Event()
    with (
        _held(settings) as tell,
        handles(listen(settings.server.host, settings.server.port)) as doors,
        on_signals(stop, seconds=settings.server.shutdown_timeout, last_words=child.kill if child else None),
    ):
        host, port = doors[0].getsockname()[:2]
        url = url_of(host, port)
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        tell(Holder(pid=os.getpid(), host=host, port=port, started_at=started_at))
        async with open_services(settings) as services:
            words = await launch.prepare(services, url)
            app = create_app(services)
            server = _Server(_uvicorn_config(settings, app, services.metrics))
            _calm_the_collector()
            async with _running(server, child, doors, settings.server.shutdown_timeout):
                telemetry.info("server_started", url=url, pid=os.getpid(), data=data)
                launch.say(words)
                await stop.wait()
                telemetry.info("server_stopping", url=url, pid=os.getpid())
                app.stop()
        telemetry.info("server_stopped", url=url, pid=os.getpid())


def _data_of(settings: Settings) -> str:
    is_table = settings.metadata.backend == "dynamodb"
    return settings.dynamodb.table if is_table else str(Path(settings.auth.db_path))


@contextlib.contextmanager
def _held(settings: Settings) -> Iterator[Callable[[Holder], None]]:
    """Within, a database file is ours alone, and others are told whose; a table may have many servers."""
    if settings.metadata.backend == "dynamodb":
        yield lambda holder: None
        return
    database = Path(settings.auth.db_path)
    _make_folder(database.parent)
    with held(database) as claim:
        yield claim.tell


def _calm_the_collector() -> None:
    """What lives as long as the process is not looked through again (pauses of 20 ms, measured)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


@contextlib.asynccontextmanager
async def _running(
    server: "_Server", child: Child | None, doors: list[socket.socket], stop_seconds: float
) -> AsyncIterator[None]:
    """Within, requests are answered and the flusher works.

    Leaving stops both within the time: requests in flight first, so that the flusher flushes
    what they wrote.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(server.serve(sockets=doors), name="http")
        await server.serving.wait()
        if child is not None:
            group.create_task(child.run(), name="flusher-child")
        yield
        deadline = loop.time() + stop_seconds - _CLOSING_SECONDS
        server.should_exit = True
        await asyncio.wait([serving])
        if child is not None:
            await child.stop(deadline - loop.time())


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handling, and with a way to wait until it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn_config(settings: Settings, app: Exchange, metrics: telemetry.Metrics) -> uvicorn.Config:
    connections = min(settings.limits.max_connections, max(1, allow_files() - SPARE_CONNECTIONS))
    return uvicorn.Config(
        app,
        http=protocol_class(
            settings.server.header_timeout,
            connections,
            partial(metrics.count, "memtrace_refused_total", 1, "connections"),
        ),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, int(settings.server.shutdown_timeout * _REQUESTS_SHARE)),
    )


def _refuse_open_door(settings: Settings, launch: Launch) -> None:
    host = settings.server.host
    if settings.auth.enabled or launch.exposed or is_loopback(host):
        return
    raise ConfigurationError(
        f"auth.enabled is false and server.host is {host or '*'}: anybody there could read and write",
        hint="set server.host to 127.0.0.1, enable authentication, or insist with --insecure-no-auth",
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigurationError(
            f"cannot make the folder {folder}: {e.strerror}", hint="check auth.db_path and the rights there"
        ) from e
