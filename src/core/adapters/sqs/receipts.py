"""What is done to messages in hand by their receipts: delete them, hide them longer, show them to others."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.adapters.aws.api import AwsApi, AwsError
from core.adapters.sqs.batches import entries, portions, reason_of, refused
from core.adapters.sqs.holding import Held

_AT_ONCE: Final = 4
"""Calls under way."""


@dataclass(slots=True)
class Outcome:
    """What became of each message."""

    done: list[Held] = field(default_factory=list)
    stale: list[Held] = field(default_factory=list)
    """The queue does not know the receipt any more: it was hidden no longer, or somebody else has it."""
    failed: list[Held] = field(default_factory=list)
    """The queue did not do it now; it may be asked again."""
    reason: str = ""
    """Of the last failure."""


class Receipts:
    """In batches, a few at once. Never raises for the queue's faults."""

    def __init__(self, *, api: AwsApi, url: str) -> None:
        self._api = api
        self._url = url

    async def delete(self, held: Sequence[Held], timeout: float) -> Outcome:
        """Each call may take `timeout` seconds."""
        return await self._all(held, "DeleteMessageBatch", lambda one: {}, timeout)

    async def hide(self, held: Sequence[Held], seconds: float, timeout: float) -> Outcome:
        """So long from when the call is carried out; 0 shows them to others at once."""
        whole = math.ceil(seconds)
        return await self._all(
            held, "ChangeMessageVisibilityBatch", lambda one: {"VisibilityTimeout": whole}, timeout
        )

    async def _all(
        self, held: Sequence[Held], operation: str, more: Callable[[Held], Mapping[str, Any]], timeout: float
    ) -> Outcome:
        outcome = Outcome()
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def carry(batch: Sequence[Held]) -> None:
            each = [{"ReceiptHandle": one.receipt, **more(one)} for one in batch]
            async with at_once:
                await self._call(operation, batch, each, timeout, outcome)

        await asyncio.gather(*(carry(batch) for batch in portions(held)))
        return outcome

    async def _call(
        self,
        operation: str,
        batch: Sequence[Held],
        each: Sequence[Mapping[str, Any]],
        timeout: float,
        outcome: Outcome,
    ) -> None:
        asked = [one.receipt for one in batch]
        parameters = {"QueueUrl": self._url, "Entries": entries(each)}
        try:
            failed = refused(await self._api.call("sqs", operation, parameters, timeout), len(batch))
        except AwsError as error:
            outcome.failed += batch
            outcome.reason = reason_of(error)
            return
        refusals = {one.index: one for one in failed}
        for index, one in enumerate(batch):
            no = refusals.get(index)
            if no is None:
                outcome.done.append(one)
            elif no.is_ours and one.receipt == asked[index]:
                outcome.stale.append(one)
            else:
                # Or it came again meanwhile, with a newer receipt.
                outcome.failed.append(one)
                outcome.reason = no.reason
