"""`memtrace health`: whether a server answers, or a flusher works, as an exit code for supervisors."""

import http.client
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

import typer

from core.model.errors import InvalidRequest, Unavailable
from handlers.cli.calls import Call, call_of
from handlers.cli.output import say
from handlers.holding import holder_of

_SECONDS: Final = 4.0
"""Below the timeout that a container's health check usually has, so that its log has our words."""
_PATH: Final = "/livez"
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where a process that listens everywhere is asked from beside it."""
_CONNECTIONS: Final = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


def health(
    ctx: typer.Context,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Ask this server, instead of the installation's own.")
    ] = None,
    flusher: Annotated[bool, typer.Option("--flusher", help="Ask for the flusher instead.")] = False,
) -> None:
    """Say whether the server is alive.

    Asks for /livez; with --flusher, whether any process flushes, or, where flusher.health_port is
    set, whether the one of this machine lives. The exit code is 1 when not.
    """
    call = call_of(ctx)
    endpoint = _endpoint(call) if flusher else ""
    if flusher and not endpoint:
        say(f"{_flushing(call)} flushes")
        return
    asked = url or endpoint or _served(call)
    _ask(asked)
    say(f"{asked} is alive")


def _served(call: Call) -> str:
    """Where this installation is served. Raises Unavailable."""
    holder = holder_of(Path(call.settings().auth.db_path))
    if holder is None:
        raise Unavailable("nobody serves this installation", hint="start `memtrace serve`, or name --url")
    if not holder.pid:
        raise Unavailable("the server is starting", hint="ask again in a moment")
    return holder.url


def _endpoint(call: Call) -> str:
    """Where this machine's flusher answers; empty where it does not."""
    own = call.settings().flusher
    if not own.health_port:
        return ""
    host = _LOOPBACK.get(own.health_host, own.health_host)
    return f"http://{f'[{host}]' if ':' in host else host}:{own.health_port}"


def _flushing(call: Call) -> str:
    """Who flushes. Raises Unavailable."""
    owner = call.admin(lambda admin: admin.leases.holder())
    if owner is None:
        raise Unavailable("no flusher works on this installation", hint="start `memtrace flusher`")
    return owner


def _ask(url: str) -> None:
    """Returns when the server says that it lives. Follows nothing and goes through no proxy.

    Raises Unavailable, and InvalidRequest for what is no URL.
    """
    parts = _parsed(url)
    connection = _CONNECTIONS[parts.scheme](parts.hostname or "", parts.port, timeout=_SECONDS)
    try:
        connection.request("GET", parts.path.rstrip("/") + _PATH)
        status = connection.getresponse().status
    except OSError as e:
        raise Unavailable(f"{url} does not answer: {e.strerror or e}") from e
    except http.client.HTTPException as e:
        raise Unavailable(f"{url} answers, yet not in HTTP") from e
    finally:
        connection.close()
    if status != http.client.OK:
        raise Unavailable(f"{url} answers {status}", hint="its log says why")


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in _CONNECTIONS and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise InvalidRequest("--url must be like http://127.0.0.1:9100")
    return parts
