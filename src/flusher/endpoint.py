"""The flusher's own small HTTP endpoint, for orchestrators: whether it lives, and its metrics."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.model.errors import ConfigurationError
from flusher.pulse import Verdict

_AT_ONCE: Final = 32
"""Connections; beyond them 503."""
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


@contextlib.asynccontextmanager
async def answering(
    host: str, port: int, *, verdict: Callable[[], Awaitable[Verdict]], report: Callable[[], bytes]
) -> AsyncIterator[int]:
    """Within, `/health`, `/livez` and `/metrics` are answered on the port that is handed out (0: a free one).

    Raises ConfigurationError where it cannot listen.
    """
    app = application(verdict=verdict, report=report)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=_AT_ONCE,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=1,
    )
    with contextlib.closing(_listening(host, port)) as bound:
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[bound]), name="flusher health endpoint")
        try:
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            await asyncio.wait([serving])


def application(*, verdict: Callable[[], Awaitable[Verdict]], report: Callable[[], bytes]) -> Starlette:
    async def health(request: Request) -> Response:
        found = await verdict()
        body = {
            "status": "ok" if found.lives else "unavailable",
            "role": found.role,
            "turned_seconds_ago": found.turned,
            "held_bytes": found.held_bytes,
            **({} if found.lives else {"reason": found.reason}),
        }
        return JSONResponse(body, 200 if found.lives else 503)

    async def metrics(request: Request) -> Response:
        return Response(report(), media_type=_TEXT)

    return Starlette(routes=[Route("/health", health), Route("/livez", health), Route("/metrics", metrics)])


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handling: how a flusher is stopped is its own business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError, OverflowError) as error:
        raise ConfigurationError(
            f"the flusher cannot answer for its health on {host}:{port}: {error}",
            hint="check flusher.health_host and flusher.health_port",
            keys=("flusher.health_host", "flusher.health_port"),
        ) from error
