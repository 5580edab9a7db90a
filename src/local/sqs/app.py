"""The stand-in over HTTP: the JSON protocol of SQS, and connections that have accidents."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from local.arc.serving import reset
from local.sqs.account import Account
from local.sqs.faults import Fault
from local.sqs.refusals import Refusal

_TARGET: Final = "AmazonSQS."
_JSON: Final = b"application/x-amz-json-1.0"
_MOST_BODY: Final = 4 << 20
_GARBAGE: Final = b"<html>upstream connect error or disconnect/reset before headers</html>"


class App:
    """Below `/_double/` the stand-in's own doors, everywhere else SQS."""

    def __init__(self, account: Account, control: ASGIApp) -> None:
        self._account = account
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith("/_double/"):
            await self._control(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        operation = headers.get("x-amz-target", "").removeprefix(_TARGET)
        fault = self._account.faults.take(operation, connection=True)
        body = await _read(receive)
        if fault is None:
            await _answer(send, *await self._served(scope, headers, operation, body))
        else:
            await self._fail(fault, scope, send, headers, operation, body)

    async def _fail(
        self, fault: Fault, scope: Scope, send: Send, headers: Mapping[str, str], operation: str, body: bytes
    ) -> None:
        if fault.kind == "reset":
            await reset(scope)
            return
        if fault.kind == "slow" and not await self._patient(fault.seconds):
            await reset(scope)
            return
        answer = await self._served(scope, headers, operation, body)
        if fault.kind == "reset_after":
            await reset(scope)
        elif fault.kind == "garbage":
            await _answer(send, 200, _GARBAGE, [])
        elif fault.kind == "slow_after" and not await self._patient(fault.seconds):
            await reset(scope)
        else:
            await _answer(send, *answer)

    async def _patient(self, seconds: float) -> bool:
        """Waits so long, or until the stand-in is to stop: whether it was the first."""
        try:
            async with asyncio.timeout(seconds):
                await self._account.stopping.wait()
        except TimeoutError:
            return True
        return False

    async def _served(
        self, scope: Scope, headers: Mapping[str, str], operation: str, body: bytes
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        try:
            _check(scope, headers)
            answer = await self._account.call(operation, _parsed(body))
        except Refusal as no:
            shown = {"__type": f"com.amazonaws.sqs#{no.name}", "message": no.text}
            fault = "Sender" if no.is_senders else "Receiver"
            error = (b"x-amzn-query-error", f"{no.code};{fault}".encode())
            return no.status, json.dumps(shown).encode(), [error]
        return 200, json.dumps(answer).encode(), []


def _check(scope: Scope, headers: Mapping[str, str]) -> None:
    """What AWS asks of every call; the signature itself is taken on trust."""
    if scope["method"] != "POST" or not headers.get("x-amz-target", "").startswith(_TARGET):
        raise Refusal("UnknownOperationException", "this is no call of the JSON protocol of SQS", 404)
    if headers.get("content-type", "").split(";")[0].encode() != _JSON:
        raise Refusal("UnknownOperationException", f"the content type must be {_JSON.decode()}", 404)
    signature = headers.get("authorization", "")
    if not signature.startswith("AWS4-HMAC-SHA256 ") or "Signature=" not in signature:
        raise Refusal("MissingAuthenticationToken", "the request is not signed", 403)
    if "x-amz-date" not in headers:
        raise Refusal("IncompleteSignature", "the request has no X-Amz-Date", 400)


def _parsed(body: bytes) -> dict[str, Any]:
    if len(body) > _MOST_BODY:
        raise Refusal("RequestEntityTooLarge", "the request is too large", 413)
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise Refusal("SerializationException", "the request is not JSON") from e
    if not isinstance(given, dict):
        raise Refusal("SerializationException", "the request is no object")
    return given


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    shown = [
        (b"content-type", _JSON),
        (b"content-length", str(len(body)).encode()),
        (b"x-amzn-requestid", secrets.token_hex(16).encode()),
        *headers,
    ]
    await send({"type": "http.response.start", "status": status, "headers": shown})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes:
    """The whole body; of one that is too large, enough to say so."""
    body = bytearray()
    while True:
        message = await receive()
        if len(body) <= _MOST_BODY:
            body += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(body)
