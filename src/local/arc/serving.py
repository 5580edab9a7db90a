"""An ASGI app on a port of this machine, with connections that can be reset: uvicorn's protocol."""

import asyncio
import socket
import struct
from typing import Any, Final

from starlette.types import ASGIApp, Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

IDLE_SECONDS: Final = 120
"""After which Arc closes a connection that nobody uses."""
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class _Protocol(HttpToolsProtocol):
    """Tells the app the connection that a request came on."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"]["transport"] = self.transport


class Listener:
    """Serves one app between `start` and `stop` or `abort`."""

    def __init__(self, app: ASGIApp) -> None:
        self._config: Final = Config(
            app,
            http=_Protocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
        )
        self._state: Final = ServerState()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Accepts connections from now on; the port, which is a free one where 0 was asked for."""
        self._config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._made, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    def _made(self) -> asyncio.Protocol:
        return _Protocol(self._config, self._state, {}, asyncio.get_running_loop())

    async def stop(self, seconds: float = 5.0) -> None:
        """Requests in flight are answered, for so long; then as `abort`."""
        self._close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=seconds)
        await self.abort()

    async def abort(self) -> None:
        """Every connection is reset, as when a process is killed."""
        self._close()
        for connection in list(self._state.connections):
            _reset(connection.transport)
        tasks = list(self._state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def transport_of(scope: Scope) -> asyncio.Transport:
    transport: asyncio.Transport = scope["state"]["transport"]
    return transport


async def reset(scope: Scope) -> None:
    """The request's connection is reset; nothing more is sent on it."""
    _reset(transport_of(scope))
    await asyncio.sleep(0)


async def hang_up(scope: Scope) -> None:
    """The request's connection is closed once everything was sent."""
    transport_of(scope).close()
    await asyncio.sleep(0)


def _reset(transport: Any) -> None:
    connected = transport.get_extra_info("socket")
    if connected.fileno() >= 0:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()
