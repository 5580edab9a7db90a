"""What API Gateway makes of what a function returned. Pure."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from local.lambda_runtime.outcome import Outcome

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes to the client."""

    status: int
    headers: Headers
    body: bytes
    is_own: bool = False
    """The gateway's, and no function's."""


class _Malformed(Exception):
    pass


def message(status: int, text: str) -> Answer:
    """The gateway's own words."""
    body = json.dumps({"message": text}).encode()
    return Answer(status, (("content-type", "application/json"),), body, is_own=True)


def broken(version: Literal[1, 2]) -> Answer:
    """The function failed, or its result is no answer."""
    return message(502, "Internal server error") if version == 1 else message(500, "Internal Server Error")


def late(version: Literal[1, 2]) -> Answer:
    """The function took longer than the gateway waits."""
    if version == 1:
        return message(504, "Endpoint request timed out")
    return message(503, "Service Unavailable")


def answer_of(outcome: Outcome, version: Literal[1, 2]) -> Answer:
    """The function's answer, or the gateway's own where that is none."""
    if outcome.failed:
        return broken(version)
    try:
        result = json.loads(outcome.payload)
        if version == 2 and not (isinstance(result, dict) and "statusCode" in result):
            return Answer(200, (("content-type", "application/json"),), outcome.payload)
        return _answer(result)
    except (ValueError, _Malformed):
        return broken(version)


def _answer(result: Any) -> Answer:
    if not isinstance(result, dict):
        raise _Malformed
    status = result.get("statusCode")
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise _Malformed
    return Answer(status, _headers(result), _body(result))


def _headers(result: Mapping[str, Any]) -> Headers:
    single = _given(result, "headers", dict)
    many, cookies = _given(result, "multiValueHeaders", dict), _given(result, "cookies", list)
    told = [(name.lower(), _text(value)) for name, value in single.items()]
    for name, values in many.items():
        if not isinstance(values, list):
            raise _Malformed
        told = [one for one in told if one[0] != name.lower()]
        told += [(name.lower(), _text(value)) for value in values]
    told += [("set-cookie", _text(cookie)) for cookie in cookies]
    # The gateway counts for itself.
    return tuple(one for one in told if one[0] not in ("content-length", "connection", "transfer-encoding"))


def _given(result: Mapping[str, Any], name: str, kind: type) -> Any:
    """Null is as good as absent."""
    value = result.get(name)
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise _Malformed
    return value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise _Malformed


def _body(result: Mapping[str, Any]) -> bytes:
    body = result.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise _Malformed
    if not result.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise _Malformed from None
