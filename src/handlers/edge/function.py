"""The edge as a function: built once for a sandbox, on one event loop that lives as long as it.

What is no request is answered before Mangum sees it. Nothing runs on when a result is returned:
the sandbox may be frozen then, and not wake for hours.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from mangum import Mangum

from core import logs, telemetry
from core.bootstrap.edge import Edge
from core.model.errors import InvalidRequest, MemtraceError, Unavailable
from handlers.edge.events import HttpEvent, Malformed, http_event, kind_of, message_ids
from handlers.edge.results import Result, fitted, of_error, of_reply, unfinished
from handlers.edge.turn import Turn, TurnTaker
from handlers.http.app import create_app
from handlers.http.errors import failure_reply
from handlers.http.faults import fault_of

MOST_BODY_BYTES: Final = 4 * 1024 * 1024
"""As base64 in an event, about what Lambda takes."""
_LONG_SLEEP: Final = 30.0
"""Seconds after which connections are opened anew: the other side may have closed them unheard."""
_RETRY_SECONDS: Final = 5
_MILLIS: Final = 1_000

Open = Callable[[], contextlib.AbstractAsyncContextManager[Edge]]


class Context(Protocol):
    """What Lambda says of one invocation."""

    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


class NotStarted(Exception):
    """The sandbox could not be built; its log says why."""


@dataclass(frozen=True, slots=True)
class _Built:
    edge: Edge
    turns: TurnTaker
    mangum: Mangum
    closing: contextlib.AsyncExitStack


class Function:
    """Call it with an event and its context. Whole or not there: a failed start leaves nothing."""

    def __init__(self, open: Open, *, trace: Callable[[], str] = lambda: "") -> None:
        """`trace` tells the id of the trace that the current invocation belongs to."""
        self._open = open
        self._trace = trace
        self._loop = asyncio.new_event_loop()
        self._built: _Built | None = None

    def start(self) -> bool:
        """Builds it. False: it failed, the log says why, and the next invocation tries again."""
        began = time.monotonic()
        try:
            self._built = self._loop.run_until_complete(_build(self._open))
        except MemtraceError as e:
            telemetry.error("edge_start_failed", code=e.code, reason=e.message, hint=e.hint)
        except Exception as e:  # noqa: BLE001 - whatever it is, requests must get an answer
            telemetry.error("edge_start_failed", code="internal_error", fault=fault_of(e))
        else:
            telemetry.info("edge_started", milliseconds=round((time.monotonic() - began) * _MILLIS))
        return self._built is not None

    def close(self) -> None:
        """Gives everything back, the loop too."""
        built, self._built = self._built, None
        if built is not None:
            self._loop.run_until_complete(built.closing.aclose())
        self._loop.close()
        asyncio.set_event_loop(None)

    def __call__(self, event: Any, context: Context) -> Any:
        """The result of one invocation. Raises NotStarted for what is no request, where it is not built."""
        logs.attach(lambda_request_id=context.aws_request_id, trace_id=self._trace())
        kind = kind_of(event)
        if self._built is None and not self.start():
            if kind == "http":
                return _not_started(_request_id(event) or context.aws_request_id)
            raise NotStarted("the edge could not be started; its log says why")
        if kind == "http":
            return self._answer(event, context)
        if kind == "warm-up":
            return {"status": "warm"}
        telemetry.warning("event_ignored", kind=kind)
        return unfinished(message_ids(event)) if kind == "queue" else {"status": "ignored"}

    def _answer(self, event: Any, context: Context) -> Result:
        assert self._built is not None
        built = self._built
        try:
            asked = http_event(event)
        except Malformed as e:
            return of_error(InvalidRequest(str(e)), _request_id(event) or context.aws_request_id)
        asked = replace(asked, request_id=asked.request_id or context.aws_request_id)
        logs.attach(
            lambda_request_id=context.aws_request_id, trace_id=self._trace(), client_ip=asked.client_ip
        )
        if built.edge.clock.wake() >= _LONG_SLEEP:
            self._loop.run_until_complete(built.edge.hang_up())
        try:
            return self._ask(built, asked, context)
        except Exception as e:  # noqa: BLE001 - a caller gets an answer, and not the gateway's own 502
            telemetry.error("request_failed", code="internal_error", fault=fault_of(e))
            return of_reply(failure_reply(asked.request_id), asked.request_id)
        finally:
            built.edge.flush_metrics()
            built.edge.clock.rest()

    def _ask(self, built: _Built, asked: HttpEvent, context: Context) -> Result:
        built.turns.turn = Turn(asked, context.get_remaining_time_in_millis() / _MILLIS)
        asyncio.set_event_loop(self._loop)  # Mangum asks for the current one
        result = built.mangum(asked.for_mangum(), context)  # type: ignore[arg-type]
        return fitted(result)


async def _build(open: Open) -> _Built:
    async with contextlib.AsyncExitStack() as stack:
        edge = await stack.enter_async_context(open())
        services = edge.services
        server = services.settings.server
        settings = replace(
            services.settings,
            server=replace(server, max_body_bytes=min(server.max_body_bytes, MOST_BODY_BYTES)),
        )
        turns = TurnTaker(create_app(replace(services, settings=settings)), edge.at_rest)
        edge.clock.rest()
        return _Built(edge, turns, Mangum(turns, lifespan="off"), stack.pop_all())


def _not_started(request_id: str) -> Result:
    error = Unavailable(
        "the service could not start",
        hint="the operator finds the reason in the log",
        retry_after=_RETRY_SECONDS,
    )
    return of_error(error, request_id)


def _request_id(event: Any) -> str:
    return str((event.get("requestContext") or {}).get("requestId") or "")
