"""A message, and a queue's attributes, as those who ask see them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from local.sqs.attributes import ACCOUNT, arn_of
from local.sqs.queue import Message, Queue
from local.sqs.refusals import Refusal

_MILLI = 1_000
_SECOND = 1_000_000


def shown(queue: Queue, message: Message, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a receive gives out: the attributes that were asked for, and no others."""
    answer: dict[str, Any] = {
        "MessageId": message.id,
        "ReceiptHandle": queue.handle_of(message),
        "MD5OfBody": message.sent.body_md5,
        "Body": message.sent.body,
    }
    asked = [*_names(given, "MessageSystemAttributeNames"), *_names(given, "AttributeNames")]
    if system := _chosen(_system(message), asked):
        answer["Attributes"] = system
    wanted = _names(given, "MessageAttributeNames")
    if attributes := _chosen(message.sent.attributes, wanted):
        answer["MessageAttributes"] = attributes
        answer["MD5OfMessageAttributes"] = message.sent.attributes_md5
    return answer


def attributes_of(queue: Queue, names: Sequence[str]) -> dict[str, str]:
    """Those that are asked for. Raises Refusal where there is no such attribute."""
    every = {
        **queue.attributes.shown,
        "ApproximateNumberOfMessages": str(queue.visible),
        "ApproximateNumberOfMessagesDelayed": str(queue.delayed),
        "ApproximateNumberOfMessagesNotVisible": str(queue.in_flight),
        "CreatedTimestamp": str(queue.created // _SECOND),
        "LastModifiedTimestamp": str(queue.changed // _SECOND),
        "QueueArn": arn_of(queue.name),
    }
    if unknown := [name for name in names if name not in every and name not in ("All", *_OPTIONAL)]:
        raise Refusal("InvalidAttributeName", f"Unknown Attribute {str(unknown[0])[:80]}.")
    return every if "All" in names else {name: every[name] for name in names if name in every}


_OPTIONAL = (
    "RedrivePolicy",
    "RedriveAllowPolicy",
    "Policy",
    "KmsMasterKeyId",
    "KmsDataKeyReusePeriodSeconds",
)


def _system(message: Message) -> dict[str, str]:
    found = {
        "SenderId": ACCOUNT,
        "SentTimestamp": str(message.sent_at // _MILLI),
        "ApproximateReceiveCount": str(message.receives),
        "ApproximateFirstReceiveTimestamp": str(message.first_received // _MILLI),
    }
    if message.sent.group is not None:
        found["MessageGroupId"] = message.sent.group
    if message.source:
        found["DeadLetterQueueSourceArn"] = message.source
    return found


def _names(given: Mapping[str, Any], member: str) -> Sequence[str]:
    names = given.get(member) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Refusal("SerializationException", f"{member} is no list of texts")
    return names


def _chosen(every: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    if "All" in names or ".*" in names:
        return dict(every)
    starts = tuple(name[:-1] for name in names if name.endswith(".*"))
    return {name: value for name, value in every.items() if name in names or name.startswith(starts)}
