"""One request's way to its handler: route, room, key, permission, body."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from core.model.errors import Forbidden, NotFound, Overloaded, ShuttingDown, Unavailable
from core.model.tenant import Principal
from handlers.http.ask import Ask, Headers, Reply
from handlers.http.body import BodyReader
from handlers.http.cors import Cors
from handlers.http.deadlines import Deadlines, TimeIsUp
from handlers.http.dispatch import Dispatch, allowed
from handlers.http.doors import Doors
from handlers.http.endpoint import Endpoint
from handlers.http.errors import method_not_allowed
from handlers.http.visit import Visit

T = TypeVar("T")

_BEARER: Final = b"bearer "
_ANSWER_SLACK: Final = 1.0
"""Seconds for which a store's own timeout, which may be as long, comes first: it says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, and all of them together, may take."""

    max_body_bytes: int
    max_inflight_bytes: int
    read_seconds: float
    answer_seconds: float
    max_concurrent: int


class Service:
    """Answers requests, or raises the MemtraceError that says why not."""

    def __init__(self, *, doors: Doors, dispatch: Dispatch, limits: Limits, cors: Cors) -> None:
        self._doors = doors
        self._dispatch = dispatch
        self._limits = limits
        self._cors = cors
        self._bodies = BodyReader(limits.max_body_bytes, limits.read_seconds, limits.max_inflight_bytes)
        self._answers = Deadlines(limits.answer_seconds + _ANSWER_SLACK)
        self._active = 0
        self._is_stopping = False

    def stop(self) -> None:
        """From now on only probes are answered."""
        self._is_stopping = True

    async def answer(
        self,
        visit: Visit,
        scope: Mapping[str, Any],
        headers: Headers,
        receive: Callable[[], Awaitable[Any]],
    ) -> Reply:
        """The handler's answer. What is known on the way is noted in `visit`."""
        found = self._dispatch.find(scope)
        if found is None:
            raise NotFound("no such route", hint="GET /docs lists them")
        methods, params = found
        method = scope["method"]
        endpoint = methods.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            return self._without_endpoint(method, methods, headers, visit)
        visit.endpoint = endpoint
        if endpoint.is_probe:
            return await self._ask(visit, endpoint, params, scope, headers, receive)
        self._check_room()
        self._active += 1
        try:
            return await self._ask(visit, endpoint, params, scope, headers, receive)
        finally:
            self._active -= 1

    def _check_room(self) -> None:
        if self._is_stopping:
            raise ShuttingDown()
        if self._active >= self._limits.max_concurrent:
            raise Overloaded(hint="send fewer requests at a time", max_concurrent=self._limits.max_concurrent)

    def _without_endpoint(
        self, method: str, methods: Mapping[str, Endpoint], headers: Headers, visit: Visit
    ) -> Reply:
        if method != "OPTIONS":
            return method_not_allowed(allowed(methods), visit.request_id.decode())
        return self._cors.preflight(headers) or Reply(204, b"", ((b"allow", allowed(methods)),))

    async def _ask(
        self,
        visit: Visit,
        endpoint: Endpoint,
        params: Mapping[str, str],
        scope: Mapping[str, Any],
        headers: Headers,
        receive: Callable[[], Awaitable[Any]],
    ) -> Reply:
        """The key comes before the body: a stranger's megabytes are not read."""
        if endpoint.permission is not None:
            visit.principal = await self._caller(headers)
            if not visit.principal.may(endpoint.permission):
                raise Forbidden(
                    f"this API key lacks the permission `{endpoint.permission}`",
                    hint="ask an admin for a key made with `--permissions`",
                )
        if not endpoint.takes:
            ask = Ask(visit.principal, params, scope["query_string"], b"", headers)
            return await self._in_time(endpoint.handler(self._doors, ask))
        reserved = self._bodies.reserve(headers)
        try:
            body = await self._bodies.read(receive)
            ask = Ask(visit.principal, params, scope["query_string"], body, headers)
            return await self._in_time(endpoint.handler(self._doors, ask))
        finally:
            self._bodies.release(reserved)

    async def _caller(self, headers: Headers) -> Principal:
        presented = presented_key(headers)
        known = self._doors.gate.peek(presented)
        if known is not None:
            return known
        return await self._in_time(self._doors.gate.authenticate(presented))

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await self._answers.within(work)
        except TimeIsUp:
            raise Unavailable(
                f"the request was not answered within {self._limits.answer_seconds:g} seconds",
                hint="what it was to write may have been written: repeat it with the same Idempotency-Key",
            ) from None


def presented_key(headers: Headers) -> str | None:
    """The API key of `x-api-key`, else of `Authorization: Bearer`."""
    # The parser leaves spaces at a value's end, which are no part of it.
    key = headers.get(b"x-api-key", b"").strip()
    if key:
        return key.decode("latin-1")
    authorization = headers.get(b"authorization", b"")
    if authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip().decode("latin-1") or None
    return None
