"""`AwsApi` without a network: our endpoint's account called directly, by a clock that tests move."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from core.adapters.aws.api import AwsError, Service
from core.adapters.sqs.batches import MOST_ENTRIES
from core.model.envelope import pack
from core.model.memory import OrgId, stamped
from core.ports import Parcel
from local.sqs.account import Account
from local.sqs.attributes import arn_of
from local.sqs.faults import Fault, Faults
from local.sqs.refusals import Refusal
from tests.clock import ManualClock
from tests.unit.fakes import ORG, draft


class AccountAws:
    """Remembers what was called. Operations of `slow` are not answered before `hurry`."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.timeouts: list[float] = []
        self.slow: set[str] = set()
        self.unreachable = False
        self.most_at_once = 0
        self._lost = ""
        self._at_once = 0
        self._hurry = asyncio.Event()

    async def call(
        self, service: Service, operation: str, parameters: Mapping[str, Any], timeout: float
    ) -> dict[str, Any]:
        assert service == "sqs"
        self.calls.append((operation, parameters))
        self.timeouts.append(timeout)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0)
            if operation in self.slow:
                await self._hurry.wait()
            return await self._answer(operation, parameters)
        except Refusal as no:
            raise AwsError(no.code, no.text, no.status) from None
        finally:
            self._at_once -= 1

    async def close(self) -> None: ...

    def hurry(self) -> None:
        self.slow.clear()
        self._hurry.set()

    def lose_answers(self, operation: str) -> None:
        """The next call is carried out, and its answer does not arrive."""
        self._lost = operation

    def named(self, operation: str) -> list[Mapping[str, Any]]:
        return [parameters for name, parameters in self.calls if name == operation]

    async def _answer(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        if self.unreachable:
            raise AwsError("", "the connection failed")
        answer = await self.account.call(operation, parameters)
        if self._lost == operation:
            self._lost = ""
            raise AwsError("", "the connection failed")
        return answer


class Bench:
    """A queue and its dead letters on an account, and what tests do to them."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.faults = Faults()
        self.account = Account(clock=clock, faults=self.faults)
        self.api = AccountAws(self.account)
        self.url = self.account.url_of("q")
        self.dead_url = self.account.url_of("dead")

    async def open(self, most_receives: int = 3) -> "Bench":
        policy = f'{{"deadLetterTargetArn": "{arn_of("dead")}", "maxReceiveCount": {most_receives}}}'
        await self.account.call("CreateQueue", {"QueueName": "dead"})
        given = {"QueueName": "q", "Attributes": {"RedrivePolicy": policy, "VisibilityTimeout": "5"}}
        await self.account.call("CreateQueue", given)
        return self

    def fail(self, kind: Any, operation: str = "", **more: Any) -> None:
        self.faults.add(Fault(kind, operation, **more))

    async def send(self, *times: int, at_once: bool = True) -> None:
        """Memories of these times: in one message, or each in its own."""
        for chunk in [times] if at_once else [(time,) for time in times]:
            await self.put_memories(ORG, *chunk)

    async def put_memories(self, org_id: OrgId, *times: int) -> None:
        """One message."""
        [packed] = pack(org_id, [stamped(draft(dedup_key=f"k{t}"), org_id, t) for t in times]).messages
        await self.put(packed.body, MessageGroupId=org_id)

    async def put(self, body: str, url: str = "", **more: Any) -> None:
        given = {"QueueUrl": url or self.url, "MessageBody": body, **more}
        await self.account.call("SendMessage", given)

    async def take(self, url: str = "", visibility: int = 0) -> list[dict[str, Any]]:
        """All that can be received now."""
        found: list[dict[str, Any]] = []
        given = {
            "QueueUrl": url or self.url,
            "MaxNumberOfMessages": MOST_ENTRIES,
            "VisibilityTimeout": 600,
            "AttributeNames": ["All"],
        }
        while more := (await self.account.call("ReceiveMessage", given)).get("Messages"):
            found += more
        for message in found:
            await self.account.call(
                "ChangeMessageVisibility",
                {
                    "QueueUrl": url or self.url,
                    "ReceiptHandle": message["ReceiptHandle"],
                    "VisibilityTimeout": visibility,
                },
            )
        return found

    def counts(self, name: str = "q") -> tuple[int, int]:
        """Visible, and in flight."""
        queue = self.account.queue(name)
        queue.surface(self.clock.micros())
        return queue.visible, queue.in_flight


def times(parcels: Sequence[Parcel]) -> list[int]:
    return sorted(time for parcel in parcels for time in parcel.times)
