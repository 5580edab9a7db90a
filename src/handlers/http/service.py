"""One request's way to its handler: route, room, key, permission, rate, body."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from core.model.errors import DeadlineExceeded, NotFound
from core.model.tenant import Principal
from handlers.http.admission import STRANGERS, Admission
from handlers.http.ask import Ask, Headers, Reply
from handlers.http.body import BodyReader
from handlers.http.cors import Cors, HeaderList
from handlers.http.deadlines import Deadlines, TimeIsUp
from handlers.http.dispatch import Dispatch, allowed
from handlers.http.doors import Doors
from handlers.http.endpoint import Endpoint, permit
from handlers.http.errors import method_not_allowed
from handlers.http.patience import patience_of
from handlers.http.rate_headers import rate_headers
from handlers.http.visit import Visit

T = TypeVar("T")
Receive = Callable[[], Awaitable[Any]]
Params = Mapping[str, str]
Scope = Mapping[str, Any]

_BEARER: Final = b"bearer "
_ANSWER_SLACK: Final = 1.0
"""Seconds for which a store's own timeout, which may be as long, comes first: it says more."""
_MICROS: Final = 1_000_000
_LARGE: Final = 256 * 1024
"""Bytes from which an answer needs room of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may take."""

    max_body_bytes: int
    read_seconds: float
    answer_seconds: float


class Service:
    """Answers requests, or raises the MemtraceError that says why not."""

    def __init__(
        self, *, doors: Doors, dispatch: Dispatch, limits: Limits, admission: Admission, cors: Cors
    ) -> None:
        self._doors = doors
        self._dispatch = dispatch
        self._limits = limits
        self._admission = admission
        self._cors = cors
        self._bodies = BodyReader(limits.max_body_bytes, limits.read_seconds)
        self._answers = Deadlines(limits.answer_seconds + _ANSWER_SLACK)

    def stop(self) -> None:
        """From now on only probes are answered."""
        self._admission.stop()

    async def answer(self, visit: Visit, scope: Scope, headers: Headers, receive: Receive) -> Reply:
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
            self._admission.note_probe(visit)
            return await self._ask(visit, endpoint, params, scope, headers, receive)
        self._admission.check(visit, scope)
        patience = patience_of(headers)
        if patience is None:
            return await self._admit(visit, endpoint, params, scope, headers, receive)
        work = self._admit(visit, endpoint, params, scope, headers, receive)
        return await self._patiently(visit, min(patience, self._limits.answer_seconds), work)

    def hold_answer(self, visit: Visit, reply: Reply) -> int:
        """Takes room for a large answer to a read, until `release_answer`; 0 where none is needed.

        A write is done when it is answered, and so never refused for that. Raises Overloaded.
        """
        endpoint, size = visit.endpoint, len(reply.body)
        if size < _LARGE or endpoint is None or endpoint.permission != "read":
            return 0
        return self._admission.hold_answer(visit.principal.org_id, size)

    def release_answer(self, visit: Visit, units: int) -> None:
        """Gives back what `hold_answer` took."""
        self._admission.release_answer(visit.principal.org_id, units)

    def rate_headers(self, visit: Visit) -> HeaderList:
        """How the caller stands with the rates that hold for it."""
        limiter, principal = self._doors.limiter, visit.principal
        seconds = self._doors.clock.micros() // _MICROS
        return rate_headers(limiter.rates(principal), limiter.standings(principal), seconds)

    def _without_endpoint(
        self, method: str, methods: Mapping[str, Endpoint], headers: Headers, visit: Visit
    ) -> Reply:
        if method != "OPTIONS":
            return method_not_allowed(allowed(methods), visit.request_id.decode())
        return self._cors.preflight(headers) or Reply(204, b"", ((b"allow", allowed(methods)),))

    async def _admit(
        self,
        visit: Visit,
        endpoint: Endpoint,
        params: Params,
        scope: Scope,
        headers: Headers,
        receive: Receive,
    ) -> Reply:
        """Key, permission and rate come before a place is taken, and all of them before the body."""
        if endpoint.permission is not None:
            principal = visit.principal = await self._caller(visit, headers)
            permit(endpoint, principal)
            if self._doors.limiter.limits(principal):
                visit.is_limited = True
                self._doors.limiter.admit_request(principal, writes=endpoint.writes_memories)
        org = visit.principal.org_id
        self._admission.enter(org)
        try:
            return await self._ask(visit, endpoint, params, scope, headers, receive)
        finally:
            self._admission.leave(org)

    async def _ask(
        self,
        visit: Visit,
        endpoint: Endpoint,
        params: Params,
        scope: Scope,
        headers: Headers,
        receive: Receive,
    ) -> Reply:
        if not endpoint.takes:
            ask = Ask(visit.principal, params, scope["query_string"], b"", headers)
            return await self._in_time(visit, endpoint.handler(self._doors, ask))
        size = self._bodies.size_of(headers)
        self._admission.hold(visit.principal.org_id, size)
        try:
            body = await self._bodies.read(receive)
            ask = Ask(visit.principal, params, scope["query_string"], body, headers, visit.request_id)
            return await self._in_time(visit, endpoint.handler(self._doors, ask))
        finally:
            self._admission.release(visit.principal.org_id, size)

    async def _caller(self, visit: Visit, headers: Headers) -> Principal:
        presented = presented_key(headers)
        known = self._doors.gate.peek(presented)
        if known is not None:
            return known
        self._admission.enter(STRANGERS)
        try:
            return await self._in_time(visit, self._doors.gate.authenticate(presented))
        finally:
            self._admission.leave(STRANGERS)
            visit.spent = self._doors.clock.monotonic() - visit.arrived

    async def _in_time(self, visit: Visit, work: Coroutine[Any, Any, T]) -> T:
        """Within the server's own time: from the head's arrival on, but not while the caller sends."""
        try:
            return await self._answers.within(work, visit.spent)
        except TimeIsUp:
            raise _late(self._limits.answer_seconds) from None

    async def _patiently(self, visit: Visit, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        """Within the caller's time, which counts from the head's arrival, whatever is waited for."""
        left = seconds - (self._doors.clock.monotonic() - visit.arrived)
        if left <= 0:
            work.close()
            raise DeadlineExceeded(
                f"the {seconds:g} seconds for this request were over before it was looked at",
                hint="nothing of it was done",
            )
        try:
            async with asyncio.timeout(left) as timer:
                return await work
        except TimeoutError:
            if not timer.expired():
                raise
            raise _late(seconds) from None


def _late(seconds: float) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"the request was not answered within {seconds:g} seconds",
        hint="what it was to write may have been written: repeat it with the same Idempotency-Key",
    )


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
