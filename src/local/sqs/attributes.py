"""What a queue is set to, as its attributes say it. Pure."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from local.sqs.refusals import Refusal

REGION: Final = "us-east-1"
ACCOUNT: Final = "000000000000"
_NUMBERS: Final = {
    "DelaySeconds": (0, 900, 0),
    "MaximumMessageSize": (1_024, 1_048_576, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
    "VisibilityTimeout": (0, 43_200, 30),
}
_OTHERS: Final = ("KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "Policy", "RedriveAllowPolicy")
_ENCRYPTED: Final = "SqsManagedSseEnabled"


def arn_of(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


@dataclass(frozen=True, slots=True)
class Attributes:
    """A queue's settings; what was not given has the value that AWS gives it."""

    given: Mapping[str, str] = field(default_factory=dict)

    def _number(self, name: str) -> int:
        return int(self.given.get(name, _NUMBERS[name][2]))

    @property
    def delay(self) -> int:
        return self._number("DelaySeconds")

    @property
    def most_bytes(self) -> int:
        return self._number("MaximumMessageSize")

    @property
    def retention(self) -> int:
        return self._number("MessageRetentionPeriod")

    @property
    def wait(self) -> int:
        return self._number("ReceiveMessageWaitTimeSeconds")

    @property
    def visibility(self) -> int:
        return self._number("VisibilityTimeout")

    @property
    def most_receives(self) -> int | None:
        """After so many receives a message is dead; None: never."""
        policy = self.given.get("RedrivePolicy")
        return int(json.loads(policy)["maxReceiveCount"]) if policy else None

    @property
    def dead_letters(self) -> str:
        """The name of the queue for dead messages; empty where there is none."""
        policy = self.given.get("RedrivePolicy")
        return str(json.loads(policy)["deadLetterTargetArn"]).rpartition(":")[2] if policy else ""

    @property
    def shown(self) -> dict[str, str]:
        """All that is asked for with `All`, but the numbers of messages."""
        numbers = {name: str(self._number(name)) for name in _NUMBERS}
        return {**numbers, _ENCRYPTED: self.given.get(_ENCRYPTED, "true"), **self.given}

    def changed(self, given: Mapping[str, object]) -> "Attributes":
        """With these values instead. Raises Refusal."""
        merged = dict(self.given)
        for name, value in given.items():
            merged[name] = _checked(name, value)
        return Attributes({name: value for name, value in merged.items() if value})


def _checked(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise Refusal("SerializationException", f"{name} is no text")
    if name in _NUMBERS:
        least, most, _ = _NUMBERS[name]
        if not re.fullmatch("[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise _wrong(name)
    elif name == "RedrivePolicy":
        _check_redrive(value)
    elif name == _ENCRYPTED:
        if value not in ("true", "false"):
            raise _wrong(name)
    elif name not in _OTHERS:
        raise Refusal("InvalidAttributeName", f"Unknown Attribute {name[:80]}.")
    return value


def _check_redrive(value: str) -> None:
    if not value:
        return
    try:
        policy = json.loads(value)
        count, target = int(policy["maxReceiveCount"]), str(policy["deadLetterTargetArn"])
    except (ValueError, KeyError, TypeError) as e:
        raise _wrong("RedrivePolicy") from e
    if not 1 <= count <= 1_000 or not target.startswith("arn:aws:sqs:"):
        raise _wrong("RedrivePolicy")


def _wrong(name: str) -> Refusal:
    return Refusal("InvalidAttributeValue", f"Invalid value for the parameter {name}.")
