"""uvicorn's HTTP protocol, with a deadline and a bound on request heads, and a bound on connections.

uvicorn lets a connection dribble a request head for as long as it likes. Here every connection
that nobody works for has a fixed time to deliver a complete head, counted from its first byte
(or from its opening), however often it sends a little more. Whoever does not take its answer is
cut off, since the answer waits in memory. What the parser refuses is answered
in the shape of every other error.
"""

import asyncio
import json
import uuid
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from handlers.arrival import ARRIVED, QUEUED, SPARE, TAKEN

SPARE_CONNECTIONS: Final = 32
"""Beyond the bound, for probes: who keeps the service alive must get through when it is full."""
MAX_HEAD_BYTES: Final = 64 * 1024
STALL_SECONDS: Final = 30.0
LEAST_TAKEN: Final = 16 * 1024
"""Bytes of an answer that a client must take in that time, or the connection is ended."""
_CONTINUE: Final = b"HTTP/1.1 100"
_REASONS: Final = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


def protocol_class(
    header_timeout: float, most_connections: int, on_refused: Callable[[], None]
) -> type[HttpToolsProtocol]:
    """The protocol for `uvicorn.Config(http=…)`: so many seconds for a head, so many connections.

    `on_refused` is called for every connection that is refused.
    """

    class Bound(DeadlineProtocol):
        head_seconds = header_timeout
        max_connections = most_connections
        refused = staticmethod(on_refused)

    return Bound


class _HeadTooLarge(Exception):
    """Stops the parser; it hands this on as an error of its own."""


class WholeAnswers:
    """A transport that sends the head of an answer together with its body.

    uvicorn writes them apart: two system calls and two packets, a third of the time that a small
    request holds the interpreter (measured).
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._written = 0

    @property
    def taken(self) -> int:
        """Bytes that the system took for the client so far."""
        return self._written - self._transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(_CONTINUE):
            self._head = data
            return
        self._written += len(data)
        self._transport.write(data)

    def flush(self) -> None:
        """Sends a head that no body follows."""
        if self._head:
            head, self._head = self._head, b""
            self._written += len(head)
            self._transport.write(head)

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class DeadlineProtocol(HttpToolsProtocol):
    """Closes what sends no complete head in time, and refuses heads beyond `MAX_HEAD_BYTES`.

    A deadline never cuts a response short: while a request is being served, the clock for the
    next head has not begun.
    """

    head_seconds: float
    max_connections: int
    refused: Callable[[], None]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = False
        self._may_be_too_large = False
        self._is_spare = False
        self._stall: asyncio.TimerHandle | None = None
        self._untaken: list[Callable[[], None]] = []
        self._is_lost = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._answers = WholeAnswers(transport)
        super().connection_made(self._answers)  # type: ignore[arg-type]
        self._is_spare = len(self.connections) > self.max_connections
        if len(self.connections) > self.max_connections + SPARE_CONNECTIONS:
            # Before files run out: the database and the store need some too.
            self.refused()
            self._refuse(503, "too many connections", "overloaded")
        else:
            self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        self._stop_watching()
        self._is_lost = True
        super().connection_lost(exc)
        self._all_taken()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_the_taking()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()
        self._all_taken()

    def data_received(self, data: bytes) -> None:
        # A large head that comes at once is complete when the parser returns; only then is it measured.
        self._may_be_too_large = self._head_bytes + len(data) > MAX_HEAD_BYTES
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()
                return
        if self._deadline is None and not self._is_serving():
            self._start_deadline()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._stop_deadline()
        if self._may_be_too_large and self._head_size() > MAX_HEAD_BYTES:
            raise _HeadTooLarge
        super().on_headers_complete()
        told = cast(dict[str, Any], self.scope)
        told[ARRIVED] = monotonic()
        told[TAKEN] = self._when_taken
        if self.pipeline:
            told[QUEUED] = True
        if self._is_spare:
            told[SPARE] = True

    def on_response_complete(self) -> None:
        self._answers.flush()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        if self._head_size() > MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            self._refuse(400, "the request is not valid HTTP", "invalid_request")

    def _refuse_head(self) -> None:
        self._refuse(431, "the request head is too large", "request_too_large")

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _is_serving(self) -> bool:
        return bool(self.pipeline) or (self.cycle is not None and not self.cycle.response_complete)

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        self._deadline = None
        if self.transport.is_closing() or self._is_serving():
            return
        if self._in_head:
            self._refuse(408, "the request head did not arrive in time", "request_timeout")
        else:
            self.transport.close()

    def _watch_the_taking(self) -> None:
        """What a client does not take is held in memory, so it must go on taking it."""
        self._stop_watching()
        self._stall = self.loop.call_later(STALL_SECONDS, self._look_at_the_taking, self._answers.taken)

    def _look_at_the_taking(self, before: int) -> None:
        if self._answers.taken < before + LEAST_TAKEN:
            self.transport.abort()
        else:
            self._watch_the_taking()

    def _when_taken(self, call: Callable[[], None]) -> None:
        if self._is_lost or not self.flow.write_paused:
            call()
        else:
            self._untaken.append(call)

    def _all_taken(self) -> None:
        calls, self._untaken = self._untaken, []
        for call in calls:
            call()

    def _stop_watching(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Answers by hand, since no request exists yet, and closes."""
        self._stop_deadline()
        if self._is_serving():
            if self.pipeline or self.cycle.response_started or not self.cycle.more_body:
                # Bytes of ours in the middle of another answer would corrupt it.
                self.transport.close()
                return
            # The body of this very request is broken: nobody can answer it but we.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        request_id = f"req_{uuid.uuid4().hex[:24]}"
        body = json.dumps({"error": message, "code": code, "request_id": request_id}).encode()
        head = [
            b"HTTP/1.1 %d %s" % (status, _REASONS[status]),
            b"content-type: application/json",
            b"content-length: %d" % len(body),
            b"x-request-id: %s" % request_id.encode(),
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join([*head, b"", body]))
        self.transport.close()
