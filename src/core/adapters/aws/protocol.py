"""What goes over the wire: AWS's JSON protocols 1.0 and 1.1, bytes as base64, errors by their names."""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from core.adapters.aws.api import AwsError, Service

_TARGETS: Final[Mapping[Service, tuple[str, str]]] = {
    "dynamodb": ("DynamoDB_20120810", "1.0"),
    "sqs": ("AmazonSQS", "1.0"),
    "secretsmanager": ("secretsmanager", "1.1"),
}
_SKEWED: Final = frozenset(("RequestExpired", "RequestTimeTooSkewed", "InvalidSignatureException"))
_SKEW: Final = 240
"""Seconds from which on a refused signature is the clock's fault; AWS allows five minutes."""
_WORDS_OF_TYPE: Final = frozenset(("__type", "message", "Message"))
_LONGEST_TEXT: Final = 500
_BINARY: Final = frozenset(("B", "BinaryValue", "SecretBinary"))
_BINARIES: Final = frozenset(("BS", "BinaryListValues"))


def request_headers(service: Service, operation: str) -> dict[str, str]:
    """The headers that say which operation is meant, names in small letters."""
    target, version = _TARGETS[service]
    return {
        "content-type": f"application/x-amz-json-{version}",
        "x-amz-target": f"{target}.{operation}",
    }


def encoded(parameters: Mapping[str, Any]) -> bytes:
    """The body of a request; bytes become base64."""
    return msgspec.json.encode(parameters)


def answer_of(body: bytes) -> dict[str, Any]:
    """The answer with its binary values as bytes. Raises AwsError as for no answer when it is none."""
    try:
        answer = msgspec.json.decode(body or b"{}")
        if not isinstance(answer, dict):
            raise ValueError("not an object")
        return {name: _with_bytes(name, value) for name, value in answer.items()}
    except (ValueError, RecursionError):  # msgspec's and base64's own errors are ValueErrors
        # From None: the cause may quote what it read.
        raise AwsError("", "the answer cannot be read") from None


def _with_bytes(name: str, value: Any) -> Any:
    """An attribute's value is the only place where the small names stand before a text or a list of texts."""
    if isinstance(value, dict):
        return {inner: _with_bytes(inner, given) for inner, given in value.items()}
    if isinstance(value, list):
        if name in _BINARIES:
            return [_bytes(one) for one in value]
        return [_with_bytes("", one) for one in value]
    return _bytes(value) if name in _BINARY else value


def _bytes(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error) as e:
        raise ValueError("no base64") from e


def error_of(status: int, body: bytes, *, named: str, date: str, now: datetime) -> AwsError:
    """What an answer that is no success says. `named` and `date` are its headers of the type and the time."""
    try:
        told = answer_of(body)
    except AwsError:
        told = {}
    code = short_code(str(told.get("__type") or named or status))
    text = str(told.get("message") or told.get("Message") or "")
    return AwsError(code, explained(code, text, date, now), status, without_words(told))


def short_code(code: str) -> str:
    """Without the namespace before `#` and the address after `:`."""
    return code.partition(":")[0].rpartition("#")[2]


def without_words(told: Mapping[str, Any]) -> dict[str, Any]:
    """What an error says beside its name and its sentence."""
    return {name: value for name, value in told.items() if name not in _WORDS_OF_TYPE}


def explained(code: str, text: str, date: str, now: datetime) -> str:
    """AWS's sentence, without the request it may quote, and with a wrong clock named as the reason."""
    # A refused signature quotes the canonical request, and that holds the session's token.
    text = text.partition("The Canonical String")[0].strip()[:_LONGEST_TEXT]
    ahead = _seconds_ahead(date, now)
    if code in _SKEWED and abs(ahead) >= _SKEW:
        side = "ahead of" if ahead > 0 else "behind"
        text = f"this machine's clock is about {abs(ahead):.0f} seconds {side} that of AWS: set it ({text})"
    return text or "without a sentence"


def _seconds_ahead(date: str, now: datetime) -> float:
    """How far this machine's clock is ahead of an answer's; 0 where it does not say."""
    try:
        return (now - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError):  # no date, or one without a zone
        return 0.0
