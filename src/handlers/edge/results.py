"""What a function returns: answers in API Gateway's shape, never larger than a function may return. Pure."""

import base64
from collections.abc import Mapping
from typing import Any, Final

from core.model.errors import InvalidRequest, MemtraceError
from handlers.http.ask import Reply
from handlers.http.errors import error_reply

MOST_BYTES: Final = 6 * 1024 * 1024
"""Of a function's result, as JSON; a little more is allowed than is used here."""
_FOR_THE_REST: Final = 16 * 1024
"""Of them, what is not the body."""
_WIDEST: Final = 8
"""Bytes that one character can come to: four in UTF-8, each of which may be escaped."""

Result = dict[str, Any]


def of_error(error: MemtraceError, request_id: str) -> Result:
    """An error in the one shape that all have."""
    return of_reply(error_reply(error, request_id), request_id)


def of_reply(reply: Reply, request_id: str) -> Result:
    """Good for both forms of the gateway."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers}
    headers |= {"content-type": reply.content_type.decode("latin-1"), "x-request-id": request_id}
    return {
        "statusCode": reply.status,
        "headers": headers,
        "body": reply.body.decode(),
        "isBase64Encoded": False,
    }


def fitted(result: Result) -> Result:
    """The result; as base64 where its text, escaped, would be too large; an error where that is too.

    What answers a request of at most 4 MB that writes always fits: it holds little besides what was sent.
    """
    body: str = result["body"]
    most = MOST_BYTES - _FOR_THE_REST
    if result["isBase64Encoded"]:
        return result if len(body) <= most else _too_large(result)
    if len(body) * _WIDEST <= most or _size(body) <= most:
        return result
    packed = base64.b64encode(body.encode()).decode()
    if len(packed) > most:
        return _too_large(result)
    return {**result, "body": packed, "isBase64Encoded": True}


def unfinished(ids: list[str]) -> Mapping[str, Any]:
    """To a queue: none of its messages was taken."""
    return {"batchItemFailures": [{"itemIdentifier": one} for one in ids]}


def _size(text: str) -> int:
    """Bytes of it within a JSON text; ours hold no control characters."""
    return len(text.encode()) + text.count('"') + text.count("\\")


def _too_large(result: Result) -> Result:
    error = InvalidRequest(
        f"the answer would be larger than the {MOST_BYTES} bytes that one may be here",
        hint="ask for fewer memories at a time: a smaller `limit`, then the next pages",
        field="limit",
    )
    return of_error(error, result["headers"].get("x-request-id", ""))
