"""Reads a request's body within a size and a time."""

from collections.abc import Awaitable, Callable
from typing import Any

from core.model.errors import InvalidRequest, RequestTimeout, RequestTooLarge
from handlers.http.ask import Headers
from handlers.http.deadlines import Deadlines, TimeIsUp

Receive = Callable[[], Awaitable[Any]]


class ClientGone(Exception):
    """The client hung up before its request was complete; nobody waits for an answer."""


class BodyReader:
    """Reads bodies of at most `max_bytes`, each within `seconds` from when its head was read."""

    def __init__(self, max_bytes: int, seconds: float) -> None:
        self._max_bytes = max_bytes
        self._deadlines = Deadlines(seconds)

    def size_of(self, headers: Headers) -> int:
        """Of the announced body, or the largest possible. Raises RequestTooLarge, before anything is read."""
        announced = headers.get(b"content-length")
        if announced is None:
            return self._max_bytes if b"transfer-encoding" in headers else 0
        if not announced.isdigit():
            raise InvalidRequest("the Content-Length header is not a number")
        # Beyond eighteen digits it is too large whatever the limit, and slow to convert.
        if len(announced) > 18 or int(announced) > self._max_bytes:
            raise self._too_large()
        return int(announced)

    async def read(self, receive: Receive) -> bytes:
        """The whole body, without holding more than the limit and one chunk.

        Raises RequestTooLarge, RequestTimeout or ClientGone.
        """
        try:
            return await self._deadlines.within(self._receive(receive))
        except TimeIsUp:
            raise RequestTimeout(
                f"the request body did not arrive within {self._deadlines.seconds:g} seconds"
            ) from None

    async def _receive(self, receive: Receive) -> bytes:
        body, has_more = _chunk(await receive())
        if has_more:
            return await self._receive_rest(receive, body)
        if len(body) > self._max_bytes:
            raise self._too_large()
        return body

    async def _receive_rest(self, receive: Receive, first: bytes) -> bytes:
        chunks, size, has_more = [first], len(first), True
        while has_more and size <= self._max_bytes:
            chunk, has_more = _chunk(await receive())
            chunks.append(chunk)
            size += len(chunk)
        if size > self._max_bytes:
            raise self._too_large()
        return b"".join(chunks)

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(
            f"the request body is larger than {self._max_bytes} bytes",
            hint="send fewer memories at a time",
            max_bytes=self._max_bytes,
        )


def _chunk(message: Any) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise ClientGone()
    return message.get("body", b""), message.get("more_body", False)
