"""Who may come in: the token of a request, and what its owner may do there."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from local.arc.accounts import Account, Accounts
from local.arc.answers import refusal

Handler = Callable[[Request], Awaitable[Response]]
_PUBLIC: Final = ("/health", "/ready", "/api/v1/auth/verify")


def token_of(request: Request) -> str:
    """The first place that has one: the authorization header in three forms, x-api-key, the query."""
    authorization = request.headers.get("authorization", "")
    for scheme in ("Bearer ", "Token "):
        if authorization.startswith(scheme):
            return authorization.removeprefix(scheme)
    return authorization or request.headers.get("x-api-key", "") or request.query_params.get("p", "")


class Admission:
    """Lets nobody in without a token that is known, but to the public doors."""

    def __init__(self, app: ASGIApp, accounts: Accounts) -> None:
        self._app = app
        self._accounts = accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] not in _PUBLIC:
            request = Request(scope)
            token = token_of(request)
            account = self._accounts.of(token)
            if account is None:
                words = "Invalid or expired token" if token else "Authentication required"
                await refusal(401, words)(scope, receive, send)
                return
            request.state.account = account
        await self._app(scope, receive, send)


def needs(permission: str, handler: Handler) -> Handler:
    """The handler, for those who may."""

    async def guarded(request: Request) -> Response:
        account: Account = request.state.account
        if not account.may(permission):
            return refusal(403, f"Permission denied: {permission} required")
        return await handler(request)

    return guarded
