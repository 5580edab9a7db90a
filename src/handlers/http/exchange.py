"""The outermost layer: one HTTP exchange from its head to its answer.

Every answer leaves here, with a request id, in one shape when it is an error, counted, and told
in at most one line of log.
"""

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import partial
from typing import Any, Final, Literal

from core import telemetry
from core.model.errors import (
    DeadlineExceeded,
    InternalError,
    MemtraceError,
    Overloaded,
    RateLimited,
    ShuttingDown,
)
from core.ports import Clock
from core.telemetry import Metrics, Refusal
from handlers.arrival import ARRIVED, SPARE, TAKEN
from handlers.http.ask import Headers, Reply
from handlers.http.body import ClientGone
from handlers.http.cors import Cors
from handlers.http.errors import error_reply, failure_reply, is_for_operators
from handlers.http.faults import fault_of
from handlers.http.service import Service
from handlers.http.visit import Visit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Telling = Literal["everything", "remarkable", "nothing"]

SLOW_SECONDS: Final = 1.0
"""From which an ordinary answer is worth a line of log."""
_CLASSES: Final = ("", "", "2xx", "3xx", "4xx", "5xx")
_REFUSED: Final[Mapping[type[MemtraceError], Refusal]] = {
    RateLimited: "rate",
    DeadlineExceeded: "deadline",
    ShuttingDown: "stopping",
}
"""Refusals that the admission does not count."""
_NO_STORE: Final = ((b"cache-control", b"no-store"),)
_is_request_id: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}").fullmatch


class Exchange:
    """The ASGI application. Needs no lifespan: what it works with is opened and closed round it."""

    def __init__(
        self, *, service: Service, cors: Cors, clock: Clock, metrics: Metrics, telling: Telling
    ) -> None:
        self._service = service
        self._cors = cors
        self._clock = clock
        self._metrics = metrics
        self._telling = telling
        self._ids = itertools.count()
        # Drawn when it is first needed: many sandboxes may go on from one snapshot of this process.
        self._id_prefix = b""

    def stop(self) -> None:
        """From now on new requests are refused with ShuttingDown, but for those of probes."""
        self._service.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _decline(scope, receive, send)
            return
        started = self._clock.monotonic()
        headers: Headers = dict(scope["headers"])
        visit = Visit(self._request_id(headers), started, scope.get(ARRIVED, started))
        visit.spent = started - visit.arrived
        held = 0
        try:
            reply = await self._service.answer(visit, scope, headers, receive)
            held = self._service.hold_answer(visit, reply)
        except ClientGone:
            return
        except MemtraceError as e:
            reply = self._refusal(e, visit)
        except Exception as e:  # noqa: BLE001 - the one place where our own faults end
            reply = self._failure(e, visit)
        try:
            await self._send(scope, headers, visit, reply, send)
        finally:
            if held:
                scope.get(TAKEN, _at_once)(partial(self._service.release_answer, visit, held))
        self._note(visit, scope, reply.status, self._clock.monotonic() - visit.arrived)

    def _request_id(self, headers: Headers) -> bytes:
        """The caller's own, where it is well formed; else one that no other answer has."""
        given = headers.get(b"x-request-id")
        if given is not None and _is_request_id(given):
            return given
        if not self._id_prefix:
            self._id_prefix = f"req_{secrets.token_hex(6)}".encode()
        return b"%s%012x" % (self._id_prefix, next(self._ids))

    async def _send(self, scope: Scope, headers: Headers, visit: Visit, reply: Reply, send: Send) -> None:
        head = [(b"x-request-id", visit.request_id), *reply.headers]
        if reply.status != 204:
            head.append((b"content-type", reply.content_type))
            if reply.status != 304:  # which has the type of what the caller keeps, and no body
                head.append((b"content-length", b"%d" % len(reply.body)))
        if visit.is_limited:
            head += self._service.rate_headers(visit)
        if SPARE in scope:
            head.append((b"connection", b"close"))
        origin = headers.get(b"origin")
        if origin is not None:
            head += self._cors.headers(origin)
        if visit.endpoint is not None and visit.endpoint.permission in ("read", "any"):
            head += _NO_STORE  # the key travels in a header that shared caches do not know
        await send({"type": "http.response.start", "status": reply.status, "headers": head})
        body = b"" if scope["method"] == "HEAD" else reply.body
        await send({"type": "http.response.body", "body": body})

    def _refusal(self, error: MemtraceError, visit: Visit) -> Reply:
        visit.is_overload, visit.code = isinstance(error, Overloaded), error.code
        if (reason := _REFUSED.get(type(error))) is not None:
            self._metrics.count("memtrace_refused_total", 1, reason)
        if is_for_operators(error):
            telemetry.warning("request_failed", code=error.code, reason=error.message, **visit.about())
        return _worded(error_reply(error, visit.request_id.decode()), visit)

    def _failure(self, error: Exception, visit: Visit) -> Reply:
        visit.code = InternalError.code
        telemetry.error("request_failed", code=visit.code, fault=fault_of(error), **visit.about())
        return _worded(failure_reply(visit.request_id.decode()), visit)

    def _note(self, visit: Visit, scope: Scope, status: int, seconds: float) -> None:
        kind = visit.endpoint.kind if visit.endpoint is not None else "other"
        self._metrics.count("memtrace_requests_total", 1, _CLASSES[status // 100])
        self._metrics.observe("memtrace_request_seconds", seconds, kind)
        if self._telling == "everything":
            tell = telemetry.debug
        elif self._telling == "remarkable" and _is_remarkable(visit, status, seconds):
            tell = telemetry.info
        else:
            return
        tell(
            "request_served",
            method=scope["method"],
            status=status,
            milliseconds=round(seconds * 1000, 1),
            **({"code": visit.code} if visit.code else {}),
            **visit.about(),
        )


def _worded(reply: Reply, visit: Visit) -> Reply:
    if visit.endpoint is None or visit.endpoint.rewords is None:
        return reply
    return visit.endpoint.rewords(reply)


def _is_remarkable(visit: Visit, status: int, seconds: float) -> bool:
    """A probe that says "not ready", time and again, is not; nor is each of the many that are too many."""
    if visit.is_overload:
        return False
    is_probe = visit.endpoint is not None and visit.endpoint.is_probe
    return seconds >= SLOW_SECONDS or (status >= 500 and not is_probe)


def _at_once(call: Callable[[], None]) -> None:
    call()


async def _decline(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes part in the lifespan where a server insists, and speaks no WebSocket."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1003})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
