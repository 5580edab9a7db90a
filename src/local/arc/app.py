"""All doors of a double as one ASGI app."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from local.arc.admin_doors import DatabaseDoors, TokenDoors, probe_routes
from local.arc.answers import error
from local.arc.deletion_door import DeletionDoors
from local.arc.faulting import Faulting
from local.arc.permissions import Admission
from local.arc.process import Process
from local.arc.query_door import query_routes
from local.arc.write_door import WriteDoors


def create_app(process: Process, control: list[BaseRoute]) -> ASGIApp:
    """`control` are the double's own doors, which no fault concerns."""
    routes: list[BaseRoute] = [
        *probe_routes(process),
        *WriteDoors(process).routes,
        *query_routes(process),
        *DeletionDoors(process).routes,
        *TokenDoors(process).routes,
        *DatabaseDoors(process).routes,
    ]
    doors = Starlette(routes=routes, exception_handlers={404: _unknown, 405: _wrong_method})
    doors.router.redirect_slashes = False
    own = Admission(Starlette(routes=control), process.accounts)
    return Beside(own, Faulting(Admission(doors, process.accounts), process))


class Beside:
    """The double's own doors below `/_double/`, Arc's everywhere else."""

    def __init__(self, own: ASGIApp, arc: ASGIApp) -> None:
        self._own = own
        self._arc = arc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._own if scope.get("path", "").startswith("/_double/") else self._arc
        await app(scope, receive, send)


async def _unknown(request: Request, _: Exception) -> Response:
    return error(404, f"Cannot {request.method} {request.url.path}")


async def _wrong_method(request: Request, _: Exception) -> Response:
    return error(405, "Method Not Allowed")
