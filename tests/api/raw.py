"""Drives the application message by message, as a server does, for what no HTTP client will do."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from handlers.http.exchange import Exchange
from tests.api.rig import Answer


def scope(method: str, path: str, headers: Mapping[str, str], **more: Any) -> dict[str, Any]:
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": pairs,
        **more,
    }


def chunk(body: bytes = b"", *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


class Wire:
    """What one request sends, and what it gets. After the last message the client falls silent."""

    def __init__(self, messages: Sequence[dict[str, Any]]) -> None:
        self._messages = list(messages)
        self.sent: list[dict[str, Any]] = []

    @property
    def unread(self) -> int:
        return len(self._messages)

    async def receive(self) -> dict[str, Any]:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    @property
    def answer(self) -> Answer:
        start, body = self.sent
        return Answer(start["status"], httpx.Headers(start["headers"]), body["body"])


async def exchanged(
    app: Exchange,
    method: str,
    path: str,
    messages: Sequence[dict[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Wire:
    """One whole exchange, with the key `full` where no other headers are given."""
    wire = Wire(messages)
    await app(scope(method, path, headers or {"x-api-key": "full"}, **more), wire.receive, wire.send)
    return wire
