"""All queues of the stand-in, and its operations by the names that SQS gives them."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from core.ports import Clock
from local.sqs import checks
from local.sqs.attributes import ACCOUNT, Attributes, arn_of
from local.sqs.checks import Sent, number, text
from local.sqs.faults import Fault, Faults, spared
from local.sqs.queue import MOST_IN_FLIGHT, Message, Queue
from local.sqs.refusals import Refusal, invalid, missing, no_such_queue, unavailable
from local.sqs.showing import attributes_of, shown

Answer = dict[str, Any]
Given = Mapping[str, Any]
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_SECOND: Final = 1_000_000
_LOOK: Final = 0.05
"""Seconds between looks of a long poll, beside those when something is sent."""
MOST_QUEUES: Final = 1_000
MOST_HELD: Final = 1 << 30
"""Bytes of messages in all; beyond them sending fails, as everything here is in memory."""


class Account:
    """`call` is SQS. Nothing outlives it."""

    def __init__(self, *, clock: Clock, faults: Faults, most_in_flight: int = MOST_IN_FLIGHT) -> None:
        self.url = "http://sqs.local"
        """Where queues say they are."""
        self.faults: Final = faults
        self.stopping: Final = asyncio.Event()
        self._clock: Final = clock
        self._most_in_flight: Final = most_in_flight
        self._queues: Final[dict[str, Queue]] = {}
        self._news: Final[dict[str, asyncio.Event]] = {}
        self._operations: Final[dict[str, Callable[[Given, Fault | None], Answer | Awaitable[Answer]]]] = {
            "CreateQueue": self._create,
            "ListQueues": self._list,
            "GetQueueUrl": self._find,
            "GetQueueAttributes": self._attributes,
            "SetQueueAttributes": self._set,
            "PurgeQueue": self._purge,
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
            "ReceiveMessage": self._receive,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "ChangeMessageVisibility": self._change,
            "ChangeMessageVisibilityBatch": self._change_batch,
        }

    async def call(self, operation: str, given: Given) -> Answer:
        """One operation. Raises Refusal."""
        if operation not in self._operations:
            raise Refusal("UnknownOperationException", f"there is no {operation[:80]} here")
        fault = self.faults.take(operation, connection=False)
        if fault is not None and fault.kind == "status":
            raise Refusal(fault.error, "made to fail", fault.status)
        if fault is not None and fault.kind == "throttle":
            raise Refusal("RequestThrottled", "the request was denied due to request throttling")
        answer = self._operations[operation](given, fault)
        return answer if isinstance(answer, dict) else await answer

    def queue(self, name: str) -> Queue:
        """By its name. Raises Refusal."""
        if name not in self._queues:
            raise no_such_queue()
        return self._queues[name]

    def url_of(self, name: str) -> str:
        return f"{self.url}/{ACCOUNT}/{name}"

    def _now(self) -> int:
        return self._clock.micros()

    def _meant(self, given: Given) -> Queue:
        url = text(given, "QueueUrl")
        if url is None:
            raise missing("QueueUrl")
        _, account, name = ("//" + urlsplit(url).path).rsplit("/", 2)
        if account != ACCOUNT:
            raise no_such_queue()
        return self.queue(name)

    def _create(self, given: Given, _: Fault | None) -> Answer:
        name = text(given, "QueueName") or ""
        if not _NAME.fullmatch(name):
            raise invalid(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
            )
        attributes = Attributes().changed(given.get("Attributes") or {})
        old = self._queues.get(name)
        if old is None:
            if len(self._queues) >= MOST_QUEUES:
                raise Refusal("OverLimit", "there are too many queues")
            self._queues[name] = Queue(
                name, attributes, created=self._now(), most_in_flight=self._most_in_flight
            )
            self._news[name] = asyncio.Event()
        elif old.attributes.shown != old.attributes.changed(attributes.given).shown:
            raise Refusal("QueueNameExists", "A queue already exists with the same name and other attributes")
        return {"QueueUrl": self.url_of(name)}

    def _list(self, given: Given, _: Fault | None) -> Answer:
        prefix = text(given, "QueueNamePrefix") or ""
        return {"QueueUrls": [self.url_of(n) for n in sorted(self._queues) if n.startswith(prefix)]}

    def _find(self, given: Given, _: Fault | None) -> Answer:
        return {"QueueUrl": self.url_of(self.queue(text(given, "QueueName") or "").name)}

    def _attributes(self, given: Given, _: Fault | None) -> Answer:
        queue = self._meant(given)
        queue.surface(self._now())
        return {"Attributes": attributes_of(queue, given.get("AttributeNames") or [])}

    def _set(self, given: Given, _: Fault | None) -> Answer:
        queue = self._meant(given)
        queue.attributes = queue.attributes.changed(given.get("Attributes") or {})
        queue.changed = self._now()
        return {}

    def _purge(self, given: Given, _: Fault | None) -> Answer:
        self._meant(given).purge(self._now())
        return {}

    def _send(self, given: Given, fault: Fault | None) -> Answer:
        queue = self._meant(given)
        return self._taken(queue, checks.sent(given, queue.attributes.most_bytes), fault)

    def _send_batch(self, given: Given, fault: Fault | None) -> Answer:
        queue = self._meant(given)
        batch = checks.entries(given, "SendMessage")
        checks.check_total(batch)
        return self._each(
            batch,
            lambda entry: self._taken(queue, checks.sent(entry, queue.attributes.most_bytes), fault),
            fault,
        )

    def _taken(self, queue: Queue, sent: Sent, fault: Fault | None) -> Answer:
        if sum(q.bytes for q in self._queues.values()) + sent.size > MOST_HELD:
            raise unavailable()
        now = self._now()
        message = Message(secrets.token_hex(16), sent, now)
        delay = queue.attributes.delay if sent.delay is None else sent.delay
        late = fault.seconds if fault is not None and fault.kind == "delay" else 0.0
        queue.put(message, now, round((delay + late) * _SECOND))
        self._news[queue.name].set()
        answer = {"MessageId": message.id, "MD5OfMessageBody": sent.body_md5}
        if (digest := sent.attributes_md5) is not None:
            answer["MD5OfMessageAttributes"] = digest
        return answer

    async def _receive(self, given: Given, fault: Fault | None) -> Answer:
        queue = self._meant(given)
        most = number(given, "MaxNumberOfMessages", 1, checks.MOST_ENTRIES) or 1
        visibility = number(given, "VisibilityTimeout", 0, checks.MOST_VISIBILITY)
        wait = number(given, "WaitTimeSeconds", 0, 20)
        until = self._clock.monotonic() + (queue.attributes.wait if wait is None else wait)
        hidden = (queue.attributes.visibility if visibility is None else visibility) * _SECOND
        messages: list[Message] = []
        if fault is None or fault.kind != "empty":
            messages = await self._waited(queue, most, hidden, until)
        answer = [shown(queue, message, given) for message in messages]
        for message in messages:
            if fault is not None and fault.kind == "duplicate":
                queue.again(message)
            elif fault is not None and fault.kind == "stale":
                message.receipt += 1
        return {"Messages": answer} if answer else {}

    async def _waited(self, queue: Queue, most: int, hidden: int, until: float) -> list[Message]:
        """What is there, at once; or the first that comes until then."""
        news = self._news[queue.name]
        while True:
            news.clear()
            given, dead = queue.take(self._now(), most, hidden)
            self._bury(queue, dead)
            left = until - self._clock.monotonic()
            if given or left <= 0 or self.stopping.is_set():
                return given
            try:
                async with asyncio.timeout(min(left, _LOOK)):
                    await news.wait()
            except TimeoutError:
                continue

    def _bury(self, queue: Queue, dead: list[Message]) -> None:
        target = self._queues.get(queue.attributes.dead_letters)
        for message in dead:
            if target is not None:
                moved = Message(message.id, message.sent, message.sent_at, source=arn_of(queue.name))
                moved.receives, moved.first_received = message.receives, message.first_received
                target.put(moved, self._now())
                self._news[target.name].set()

    def _delete(self, given: Given, fault: Fault | None) -> Answer:
        return self._deleted(self._meant(given), given, fault)

    def _delete_batch(self, given: Given, fault: Fault | None) -> Answer:
        queue = self._meant(given)
        batch = checks.entries(given, "DeleteMessage")
        return self._each(batch, lambda entry: self._deleted(queue, entry, fault), fault)

    def _deleted(self, queue: Queue, given: Given, fault: Fault | None) -> Answer:
        handle = _handle(given)
        if fault is None or fault.kind != "undead":
            queue.delete(handle)
        return {}

    def _change(self, given: Given, _: Fault | None) -> Answer:
        return self._changed(self._meant(given), given)

    def _change_batch(self, given: Given, fault: Fault | None) -> Answer:
        queue = self._meant(given)
        batch = checks.entries(given, "ChangeMessageVisibility")
        return self._each(batch, lambda entry: self._changed(queue, entry), fault)

    def _changed(self, queue: Queue, given: Given) -> Answer:
        seconds = number(given, "VisibilityTimeout", 0, checks.MOST_VISIBILITY)
        if seconds is None:
            raise missing("VisibilityTimeout")
        queue.change(_handle(given), seconds, self._now())
        self._news[queue.name].set()
        return {}

    def _each(self, batch: Sequence[Given], do: Callable[[Given], Answer], fault: Fault | None) -> Answer:
        """Carries out each entry; one that is refused fails alone."""
        is_partial = fault is not None and fault.kind == "partial"
        done = spared([entry["Id"] for entry in batch]) if is_partial else None
        answer: Answer = {"Successful": [], "Failed": []}
        for entry in batch:
            try:
                if done is not None and entry["Id"] not in done:
                    raise invalid("made to fail") if fault is not None and fault.ours else unavailable()
                answer["Successful"].append({"Id": entry["Id"], **do(entry)})
            except Refusal as no:
                answer["Failed"].append(
                    {"Id": entry["Id"], "Code": no.code, "Message": no.text, "SenderFault": no.is_senders}
                )
        return {name: found for name, found in answer.items() if found}


def _handle(given: Given) -> str:
    handle = text(given, "ReceiptHandle")
    if not handle:
        raise missing("ReceiptHandle")
    return handle
