"""The server's socket: bound early, so that a taken port is said clearly and before anything opens."""

import contextlib
import errno
import ipaddress
import resource
import socket
from collections.abc import Iterator
from typing import Final

from core.model.errors import ConfigurationError

BACKLOG: Final = 4096
"""Connections that wait to be accepted; the kernel's own bound (net.core.somaxconn) is mostly the same."""
_HANDLES: Final = 16
"""The event loop accepts one connection a turn on each, and turns are long under load (measured: with one
handle a probe waited for 5 s while 1,500 clients wrote)."""
MOST_FILES: Final = 16_384
FILES_KEPT: Final = 256
"""For the database, the store and the rest of the process."""


def listen(host: str, port: int) -> socket.socket:
    """A bound TCP socket; port 0 takes a free one. Raises ConfigurationError in clear words."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError, OverflowError) as e:
        raise ConfigurationError(
            f"cannot resolve server.host {host!r}", hint="use an address like 127.0.0.1"
        ) from e
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        # Listening claims the port: two sockets may be bound with SO_REUSEADDR, only one listens.
        bound.listen(BACKLOG)
    except (OSError, OverflowError) as e:
        bound.close()
        raise _refusal(host, port, e) from e
    bound.setblocking(False)
    return bound


@contextlib.contextmanager
def handles(bound: socket.socket) -> Iterator[list[socket.socket]]:
    """The socket and further handles of it, the same for whoever connects; all are closed at the end."""
    with contextlib.ExitStack() as closing:
        closing.enter_context(contextlib.closing(bound))
        yield [bound, *(closing.enter_context(contextlib.closing(bound.dup())) for _ in range(_HANDLES - 1))]


def allow_files() -> int:
    """Lets this process open as many files as it may; how many connections that leaves room for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        wanted = MOST_FILES if soft == resource.RLIM_INFINITY else soft
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(1, wanted - FILES_KEPT)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches a server that listens on this host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refusal(host: str, port: int, error: Exception) -> ConfigurationError:
    where = f"{host or '*'}:{port}"
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return ConfigurationError(
                f"port {port} is in use on {host or 'this machine'}",
                hint="stop what listens there, or choose another one (--port, server.port; 0: a free one)",
            )
        case errno.EACCES:
            return ConfigurationError(
                f"not allowed to listen on {where}", hint="choose a port above 1023 (--port, server.port)"
            )
        case errno.EADDRNOTAVAIL:
            return ConfigurationError(
                f"{host} is not an address of this machine", hint="set server.host to one of its addresses"
            )
    return ConfigurationError(f"cannot listen on {where}: {error}", hint="check server.host and server.port")
