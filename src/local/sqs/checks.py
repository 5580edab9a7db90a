"""What may be sent, and in which batches: the rules that AWS documents. Pure."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any, Final

from local.sqs.refusals import Refusal, invalid, missing

MOST_BYTES: Final = 1_048_576
MOST_ENTRIES: Final = 10
MOST_ATTRIBUTES: Final = 10
MOST_DELAY: Final = 900
MOST_VISIBILITY: Final = 43_200
_ILLEGAL: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
_GROUP: Final = re.compile(r"[!-~]{1,128}")
_ENTRY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ATTRIBUTE: Final = re.compile(r"(?!\.)(?!AWS\.|Amazon\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)", re.I)
_TYPE: Final = re.compile(r"(String|Number|Binary)(\.[^\x00-\x1f]{1,240})?")


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it was sent, once nothing is wrong with it."""

    body: str
    attributes: Mapping[str, Mapping[str, str]]
    group: str | None
    delay: int | None
    size: int

    @property
    def body_md5(self) -> str:
        return md5(self.body.encode(), usedforsecurity=False).hexdigest()

    @property
    def attributes_md5(self) -> str | None:
        """As AWS computes it: names, types and values with their lengths, by name."""
        if not self.attributes:
            return None
        digest = md5(usedforsecurity=False)
        for name, value in sorted(self.attributes.items()):
            kind, content = _content(value)
            for part in (name.encode(), value["DataType"].encode()):
                digest.update(len(part).to_bytes(4, "big") + part)
            digest.update(bytes([kind]) + len(content).to_bytes(4, "big") + content)
        return digest.hexdigest()


def sent(given: Mapping[str, Any], most_bytes: int = MOST_BYTES) -> Sent:
    """One message, or one entry of a batch. Raises Refusal."""
    body = text(given, "MessageBody")
    if body is None:
        raise missing("MessageBody")
    if not body:
        raise invalid("Value for parameter MessageBody is invalid. Reason: The request must contain a body.")
    if _ILLEGAL.search(body):
        raise Refusal("InvalidMessageContents", "The message contains characters outside the allowed set.")
    attributes = _attributes(given.get("MessageAttributes") or {})
    size = size_of(given)
    if size > most_bytes:
        raise invalid(
            f"One or more parameters are invalid. Reason: Message must be shorter than {most_bytes} bytes."
        )
    if given.get("MessageDeduplicationId") is not None:
        raise invalid(
            "Value for parameter MessageDeduplicationId is invalid."
            " Reason: The request include parameter that is not valid for this queue type."
        )
    delay = number(given, "DelaySeconds", 0, MOST_DELAY)
    return Sent(body, attributes, _group(given), delay, size)


def size_of(given: Mapping[str, Any]) -> int:
    """Bytes of a message: of its body, and of its attributes' names, types and values."""
    body = given.get("MessageBody")
    size = len(body.encode("utf-8", "surrogatepass")) if isinstance(body, str) else 0
    attributes = given.get("MessageAttributes")
    for name, value in attributes.items() if isinstance(attributes, dict) else ():
        if isinstance(value, dict) and isinstance(value.get("DataType"), str):
            size += len(name.encode()) + len(value["DataType"].encode()) + len(_content(value)[1])
    return size


def entries(given: Mapping[str, Any], kind: str) -> Sequence[Mapping[str, Any]]:
    """The entries of a batch: one to ten, with distinct ids. Raises Refusal."""
    found = given.get("Entries")
    if not isinstance(found, list) or not found:
        raise Refusal(
            "EmptyBatchRequest", f"There should be at least one {kind}BatchRequestEntry in the request."
        )
    if len(found) > MOST_ENTRIES:
        raise Refusal(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MOST_ENTRIES}. You have sent {len(found)}.",
        )
    if not all(isinstance(entry, dict) for entry in found):
        raise Refusal("SerializationException", "an entry is no object")
    ids = [entry.get("Id") for entry in found]
    if not all(isinstance(one, str) and _ENTRY_ID.fullmatch(one) for one in ids):
        raise Refusal(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores."
            " It can be at most 80 letters long.",
        )
    if len(set(ids)) < len(ids):
        raise Refusal("BatchEntryIdsNotDistinct", f"Id {next(i for i in ids if ids.count(i) > 1)} repeated.")
    return found


def check_total(batch: Sequence[Mapping[str, Any]]) -> None:
    """All messages of a batch together are as long as one may be. Raises Refusal."""
    total = sum(size_of(entry) for entry in batch)
    if total > MOST_BYTES:
        raise Refusal(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {MOST_BYTES} bytes. You have sent {total} bytes.",
        )


def text(given: Mapping[str, Any], name: str) -> str | None:
    """A text, or None where there is none. Raises Refusal."""
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise Refusal("SerializationException", f"{name} is no text")
    return value


def number(given: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    """A whole number in these bounds, or None where there is none. Raises Refusal."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise Refusal("SerializationException", f"{name} is no whole number")
    if not least <= value <= most:
        raise invalid(
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {least} and {most}."
        )
    return value


def _group(given: Mapping[str, Any]) -> str | None:
    group = text(given, "MessageGroupId")
    if group is not None and not _GROUP.fullmatch(group):
        raise invalid(
            "Value for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include"
            " alphanumeric and punctuation characters. 1 to 128 in length."
        )
    return group


def _attributes(given: object) -> Mapping[str, Mapping[str, str]]:
    if not isinstance(given, dict):
        raise Refusal("SerializationException", "MessageAttributes is no object")
    if len(given) > MOST_ATTRIBUTES:
        raise invalid(f"Number of message attributes [{len(given)}] exceeds the allowed maximum [10].")
    for name, value in given.items():
        _check_attribute(name, value)
    return given


def _check_attribute(name: str, value: object) -> None:
    if not _ATTRIBUTE.fullmatch(name):
        raise invalid(f"The message attribute name '{name[:80]}' is invalid.")
    if not isinstance(value, dict) or not _TYPE.fullmatch(str(value.get("DataType", ""))):
        raise invalid(f"The type of message (user) attribute '{name}' is invalid.")
    part = "BinaryValue" if value["DataType"].startswith("Binary") else "StringValue"
    if not isinstance(value.get(part), str) or not value[part]:
        raise invalid(f"The message (user) attribute '{name}' must contain a non-empty value of type {part}.")
    if part == "StringValue" and _ILLEGAL.search(value[part]):
        raise invalid(f"The message (user) attribute '{name}' has characters outside the allowed set.")


def _content(value: Mapping[str, Any]) -> tuple[int, bytes]:
    """What an attribute holds: 1 and a text, or 2 and bytes."""
    if str(value.get("DataType", "")).startswith("Binary"):
        try:
            return 2, base64.b64decode(str(value.get("BinaryValue", "")), validate=True)
        except binascii.Error as e:
            raise Refusal("SerializationException", "a BinaryValue is not base64") from e
    return 1, str(value.get("StringValue", "")).encode("utf-8", "surrogatepass")
