"""The dead-letter queue: messages that nobody could read, for operators to look at, send again or give up."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

from core.adapters.aws.api import AwsApi, AwsError
from core.adapters.sqs.batches import MOST_ENTRIES, entries, portions, reason_of
from core.model.envelope import is_group, unpack
from core.model.errors import MessageUnreadable, QueueError
from core.ports import DeadMessage

_TIMEOUT: Final = 10.0
_HIDDEN: Final = 60
"""Seconds for which a message is not seen by others while it is looked at."""
_WAIT: Final = 1
_EMPTY: Final = 2
"""Receives that find nothing before the queue counts as empty: each asks some of many servers."""
_MILLI: Final = 1_000

Raw = Mapping[str, Any]


class SqsDeadMessages:
    """Implements `DeadMessages`."""

    def __init__(self, *, api: AwsApi, url: str, queue_url: str) -> None:
        """`url` is the dead-letter queue's, `queue_url` the one that it belongs to."""
        self._api = api
        self._url = url
        self._queue_url = queue_url

    async def list_messages(self, limit: int) -> list[DeadMessage]:
        found: list[Raw] = []
        try:
            async with contextlib.aclosing(self._received(limit)) as batches:
                async for batch in batches:
                    found += batch
        finally:
            await self._show(found)
        return sorted(map(_shown, found), key=lambda message: message.sent_at, reverse=True)

    async def replay_messages(self, limit: int) -> int:
        count = 0
        async with contextlib.aclosing(self._received(limit)) as batches:
            async for batch in batches:
                await self._replay(batch)
                count += len(batch)
        return count

    async def _replay(self, batch: Sequence[Raw]) -> None:
        """Sends all of them before it deletes those that were sent. Raises QueueError where one was not."""
        ends = await asyncio.gather(*map(self._send, batch), return_exceptions=True)
        failed = [end for end in ends if end is not None]
        await self._delete([message for message, end in zip(batch, ends, strict=True) if end is None])
        await self._show([message for message, end in zip(batch, ends, strict=True) if end is not None])
        if failed:
            raise failed[0]

    async def purge_messages(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await self._call("GetQueueAttributes", {"AttributeNames": names})
        count = sum(int(answer.get("Attributes", {}).get(name, 0)) for name in names)
        try:
            await self._call("PurgeQueue", {})
        except QueueError as error:
            if "PurgeQueueInProgress" not in error.message:
                raise
        return count

    async def _received(self, limit: int) -> AsyncGenerator[list[Raw], None]:
        """Each message once, until there are so many or none is found. What is received is hidden."""
        seen: set[str] = set()
        empty = 0
        while len(seen) < limit and empty < _EMPTY:
            parameters = {
                "MaxNumberOfMessages": min(MOST_ENTRIES, limit - len(seen)),
                "WaitTimeSeconds": _WAIT,
                "VisibilityTimeout": _HIDDEN,
                "MessageSystemAttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            }
            answer = await self._call("ReceiveMessage", parameters)
            batch = [one for one in answer.get("Messages") or () if one["MessageId"] not in seen]
            seen |= {one["MessageId"] for one in batch}
            empty = 0 if batch else empty + 1
            if batch:
                yield batch

    async def _send(self, message: Raw) -> None:
        group = str(message.get("Attributes", {}).get("MessageGroupId", ""))
        parameters: dict[str, Any] = {"MessageBody": message["Body"]}
        if is_group(group):
            parameters["MessageGroupId"] = group
        if attributes := message.get("MessageAttributes"):
            parameters["MessageAttributes"] = attributes
        await self._call("SendMessage", parameters, self._queue_url)

    async def _delete(self, messages: Sequence[Raw]) -> None:
        """What is not deleted is replayed once more the next time, which does no harm."""
        for batch in portions(messages):
            each = [{"ReceiptHandle": message["ReceiptHandle"]} for message in batch]
            await self._call("DeleteMessageBatch", {"Entries": entries(each)})

    async def _show(self, messages: Sequence[Raw]) -> None:
        """To others again, at once; at the latest when their time is over."""
        for batch in portions(messages):
            each = [{"ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 0} for one in batch]
            await self._call("ChangeMessageVisibilityBatch", {"Entries": entries(each)})

    async def _call(self, operation: str, parameters: Mapping[str, Any], url: str = "") -> dict[str, Any]:
        try:
            return await self._api.call(
                "sqs", operation, {"QueueUrl": url or self._url, **parameters}, _TIMEOUT
            )
        except AwsError as error:
            raise QueueError(
                f"{operation} failed: {reason_of(error)}",
                hint="see `queue.dead_letter_url`, `queue.url`, and what this role may do with them",
            ) from error


def _shown(message: Raw) -> DeadMessage:
    attributes = message.get("Attributes", {})
    body = str(message.get("Body", ""))
    return DeadMessage(
        id=str(message["MessageId"]),
        bytes=len(body.encode()),
        sent_at=int(attributes.get("SentTimestamp", 0)) * _MILLI,
        receives=int(attributes.get("ApproximateReceiveCount", 0)),
        reason=_reason(body),
    )


def _reason(body: str) -> str:
    try:
        count = len(unpack(body).times)
    except MessageUnreadable as error:
        return error.message
    return f"it can be read here, and holds {count} memories"
