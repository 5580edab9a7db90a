"""Memtrace over HTTP, for MCP on a developer's machine: bounded waits, safe repeats, errors in words."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlsplit

import httpx2
import msgspec

from core.model.errors import ConfigurationError
from core.version import VERSION
from handlers.mcp.calls import Call, JsonObject, Refusal, refusal_of

ATTEMPTS: Final = 3
SECONDS: Final = 30.0
"""For one call of a tool's, all attempts together."""
_CONNECT_SECONDS: Final = 5.0
_PAUSE: Final = 0.25
"""Seconds, doubled with each attempt, half of it at random."""
_LONGEST_PAUSE: Final = 5.0
"""A server that wants to be left alone for longer is: the model is told how long."""
_PASSING: Final = frozenset({429, 502, 503, 504})
_NO_STORE: Final = b'"no_arc_instance"'
_NO_ROUTE: Final = "no such route"
"""What a server says where MEMTRACE_URL leads past it: no tool asks for a route that there is not."""

Sleep = Callable[[float], Awaitable[None]]


class Remote:
    """A Memtrace server. Every call may be repeated: writes carry an Idempotency-Key."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        seconds: float = SECONDS,
        sleep: Sleep = asyncio.sleep,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Raises ConfigurationError for what is no URL of a server."""
        self._url = _checked(url)
        self._sleep = sleep
        self._seconds = seconds
        self._client = httpx2.AsyncClient(
            headers={"x-api-key": _header(key), "user-agent": f"memtrace-mcp/{VERSION}"},
            timeout=httpx2.Timeout(seconds, connect=min(_CONNECT_SECONDS, seconds)),
            transport=transport,
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def ask(self, call: Call) -> JsonObject:
        """As Api says."""
        request = self._request(call)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._repeatedly(request)
        except TimeoutError:
            raise Refusal(
                "deadline_exceeded",
                f"Memtrace at {self._url} did not answer within {self._seconds:g} seconds",
                hint="a narrower `since` or a smaller `limit` is answered sooner",
            ) from None

    async def _repeatedly(self, request: httpx2.Request) -> JsonObject:
        for attempt in range(1, ATTEMPTS):
            try:
                response = await self._client.send(request)
            except httpx2.TransportError:
                pause = _pause(attempt)
            else:
                waits = _wait_of(response) or 0
                if not _passes(response) or waits > _LONGEST_PAUSE:
                    return _answer(response)
                pause = max(_pause(attempt), waits)
            await self._sleep(pause)
        try:
            return _answer(await self._client.send(request))
        except httpx2.TransportError as e:
            self._unreachable(e)

    def _unreachable(self, error: httpx2.TransportError) -> NoReturn:
        raise Refusal(
            "unreachable",
            f"no Memtrace server answers at {self._url} ({type(error).__name__})",
            hint="the user should start it, or correct MEMTRACE_URL",
        ) from None

    def _request(self, call: Call) -> httpx2.Request:
        path = call.route
        for name, value in call.path.items():
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
        query = {name: value for name, value in call.query.items() if value}
        headers = {}
        content = None
        if call.body is not None:
            headers = {"content-type": "application/json", "idempotency-key": f"mcp-{secrets.token_hex(16)}"}
            content = msgspec.json.encode(call.body)
        return self._client.build_request(
            call.method, f"{self._url}{path}", params=query, headers=headers, content=content
        )


def _answer(response: httpx2.Response) -> JsonObject:
    try:
        body: Any = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        body = None
    if not isinstance(body, dict):
        raise refusal_of({}, _wait_of(response))
    if response.status_code == 404 and body.get("error") == _NO_ROUTE:
        raise Refusal(
            "unexpected_answer", "the server has no such route", hint="MEMTRACE_URL ends before /api/v1"
        )
    if not response.is_success:
        raise refusal_of(body, _wait_of(response))
    return body


def _passes(response: httpx2.Response) -> bool:
    """Whether another attempt may fare better. Without a store only an operator helps."""
    return response.status_code in _PASSING and _NO_STORE not in response.content


def _wait_of(response: httpx2.Response) -> int | None:
    """Seconds of Retry-After; a date is as good as nothing."""
    given = response.headers.get("retry-after", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 7 else None


def _pause(attempt: int) -> float:
    whole = _PAUSE * 2.0**attempt
    return whole / 2 + random.random() * whole / 2


def _checked(url: str) -> str:
    """The URL without what would be told along with it."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable or parts.query or parts.fragment or parts.username is not None:
        raise ConfigurationError(
            "MEMTRACE_URL is no URL of a Memtrace server", hint="for example http://localhost:9100"
        )
    return url.rstrip("/")


def _header(key: str) -> str:
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigurationError(
            "MEMTRACE_API_KEY holds characters that no key has", hint="keys look like mtk_…"
        )
    return key
