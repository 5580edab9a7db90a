"""The edge's end of the queue: memories that the journal has accepted, on their way to a flusher."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from core import telemetry
from core.adapters.aws.api import AwsApi, AwsError
from core.adapters.sqs.batches import MOST_ENTRIES, entries, reason_of, refused
from core.model.envelope import MOST_BYTES, Packed, is_group, pack
from core.model.errors import MemtraceError
from core.model.memory import Memory, OrgId
from core.telemetry import Metrics

_AT_ONCE: Final = 4
"""Calls of one request under way."""


@dataclass(slots=True)
class _Batch:
    """Messages of one call; what is `waiting` may be sent once more, what is `lost` not."""

    waiting: list[Packed]
    lost: list[Packed] = field(default_factory=list)
    reason: str = "no answer in time"

    @property
    def unsent(self) -> list[Packed]:
        return self.waiting + self.lost


class SqsSender:
    """Implements `Sender`. Sent twice is delivered once: the flusher knows memories by their times."""

    def __init__(self, *, api: AwsApi, url: str, timeout: float, metrics: Metrics) -> None:
        """`timeout` in seconds, for all calls of one `send` together."""
        self._api = api
        self._url = url
        self._timeout = timeout
        self._metrics = metrics

    async def send(self, org_id: OrgId, memories: Sequence[Memory]) -> None:
        """As the port says, within `timeout`. Logs one line, and counts, when something was not sent."""
        packing = pack(org_id, memories)
        if is_group(org_id) is None:
            self._tell(org_id, list(packing.messages), packing.left_out, "no message group may be named so")
            return
        batches = _batches(packing.messages)
        deadline = asyncio.get_running_loop().time() + self._timeout
        at_once = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._carry(org_id, batch, at_once, deadline) for batch in batches))
        unsent = [packed for batch in batches for packed in batch.unsent]
        if sent := len(packing.messages) - len(unsent):
            self._metrics.count("memtrace_queue_sends_total", sent, "sent")
        if unsent or packing.left_out:
            reason = next((b.reason for b in batches if b.unsent), "larger than a message may be")
            self._tell(org_id, unsent, packing.left_out, reason)

    async def _carry(self, org_id: OrgId, batch: _Batch, at_once: asyncio.Semaphore, deadline: float) -> None:
        """Sends one batch; what the service itself failed to take once more."""
        try:
            async with asyncio.timeout_at(deadline), at_once:
                await self._call(org_id, batch, deadline)
                if batch.waiting:
                    await self._call(org_id, batch, deadline)
        except (AwsError, TimeoutError) as error:
            batch.reason = reason_of(error)
        except MemtraceError as error:
            batch.reason = error.message

    async def _call(self, org_id: OrgId, batch: _Batch, deadline: float) -> None:
        left = deadline - asyncio.get_running_loop().time()
        each = [{"MessageBody": packed.body, "MessageGroupId": org_id} for packed in batch.waiting]
        if len(each) == 1:
            await self._api.call("sqs", "SendMessage", {"QueueUrl": self._url, **each[0]}, left)
            batch.waiting = []
            return
        parameters = {"QueueUrl": self._url, "Entries": entries(each)}
        failed = refused(await self._api.call("sqs", "SendMessageBatch", parameters, left), len(each))
        sent, batch.waiting = batch.waiting, []
        for one in failed:
            (batch.lost if one.is_ours else batch.waiting).append(sent[one.index])
            batch.reason = one.reason

    def _tell(self, org_id: OrgId, unsent: list[Packed], left_out: int, reason: str) -> None:
        memories = sum(packed.count for packed in unsent) + left_out
        if not memories:
            return
        self._metrics.count("memtrace_queue_sends_total", len(unsent) + left_out, "failed")
        telemetry.warning("queue_send_failed", org_id=org_id, memories=memories, reason=reason)


def _batches(messages: Sequence[Packed]) -> list[_Batch]:
    """At most ten messages and 1 MiB each, in their order."""
    batches: list[_Batch] = []
    size = 0
    for packed in messages:
        size += len(packed.body)
        if not batches or len(batches[-1].waiting) == MOST_ENTRIES or size > MOST_BYTES:
            batches.append(_Batch([]))
            size = len(packed.body)
        batches[-1].waiting.append(packed)
    return batches
