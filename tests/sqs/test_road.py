"""The whole road over HTTP, from sender to receiver, and servers that die, lie and forget on the way."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from core.adapters.aws.api import AwsApi
from core.adapters.aws.boto import BotoAws
from core.adapters.aws.light import LightAws
from core.adapters.clock import SystemClock
from core.adapters.sqs.dead import SqsDeadMessages
from core.adapters.sqs.queue import QueueLimits, SqsQueue
from core.adapters.sqs.sender import SqsSender
from core.model.memory import decode
from core.ports import Parcel
from local.sqs.endpoint import SqsEndpoint
from local.sqs.faults import Fault
from tests.aws.moto_server import environment
from tests.sqs.calls import times
from tests.unit.fakes import ORG, FakeMetrics, memory

NUMBERS = itertools.count()


async def briefly(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.02))


class Road:
    """Both ends of one queue."""

    def __init__(self, api: AwsApi, url: str, endpoint: SqsEndpoint | None = None) -> None:
        self.api = api
        self.url = url
        self.endpoint = endpoint
        self.metrics = FakeMetrics()
        self.sender = SqsSender(api=api, url=url, timeout=5.0, metrics=self.metrics)
        self.queue = self.open()

    def open(self, visibility: float = 60) -> SqsQueue:
        return SqsQueue(
            api=self.api,
            url=self.url,
            visibility=visibility,
            clock=SystemClock(),
            metrics=FakeMetrics(),
            pause=briefly,
            limits=QueueLimits(closing=2.0),
        )

    async def send(self, *given: int) -> None:
        await self.sender.send(ORG, [memory(time) for time in given])

    async def arrived(self, count: int) -> list[Parcel]:
        found: list[Parcel] = []
        async with asyncio.timeout(30):
            while len({time for parcel in found for time in parcel.times}) < count:
                found += await self.queue.receive(20_000, 8 << 20)
                await self.queue.wait(0.05)
        return found

    async def counts(self) -> tuple[int, int]:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = await self.api.call(
            "sqs", "GetQueueAttributes", {"QueueUrl": self.url, "AttributeNames": names}, 30
        )
        first, second = (int(answer["Attributes"][name]) for name in names)
        return first, second

    async def empty(self) -> None:
        async with asyncio.timeout(30):
            while await self.counts() != (0, 0):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @property
    def ours(self) -> SqsEndpoint:
        assert self.endpoint is not None
        return self.endpoint


async def opened(transport: str, server: str, request: Any, stack: AsyncExitStack) -> Road:
    endpoint = await stack.enter_async_context(SqsEndpoint()) if server == "ours" else None
    environ = environment(endpoint.url if endpoint else request.getfixturevalue("moto_url"))
    api: AwsApi = LightAws(environ=environ, clock=SystemClock())
    if transport == "boto":
        await api.close()
        api = BotoAws(environ=environ)
    stack.push_async_callback(api.close)
    name = f"road-{next(NUMBERS)}"
    url = str((await api.call("sqs", "CreateQueue", {"QueueName": name}, 30))["QueueUrl"])
    if endpoint is not None:
        stack.push_async_callback(endpoint.close)
    road = Road(api, url, endpoint)
    stack.push_async_callback(lambda: road.queue.close())
    return road


@pytest.fixture
async def road(request: pytest.FixtureRequest) -> AsyncIterator[Road]:
    """Over ours, by the plain client of the edge, unless a test asks for more."""
    transport, server = getattr(request, "param", ("light", "ours"))
    async with AsyncExitStack() as stack:
        yield await opened(transport, server, request, stack)


every_way = pytest.mark.parametrize(
    "road",
    [("light", "ours"), ("boto", "ours"), ("light", "moto")],
    ids=lambda way: " ".join(way),
    indirect=True,
)


@every_way
async def test_what_is_sent_arrives_and_is_deleted_when_it_is_acknowledged(road: Road) -> None:
    await road.send(*range(1, 301))
    await road.send(1_000)
    found = await road.arrived(301)
    assert times(found) == [*range(1, 301), 1_000]
    assert [decode(line).time for p in found for line in p.lines.split(b"\n")] == [
        time for p in found for time in p.times
    ]
    assert await road.counts() == (0, 2)
    await road.queue.ack(found)
    await road.empty()


@every_way
async def test_what_one_end_gives_back_another_has_at_once(road: Road) -> None:
    await road.send(1)
    await road.arrived(1)
    if road.endpoint is not None:
        road.endpoint.account.stopping.set()
    await road.queue.close()
    assert await road.counts() == (1, 0)


@pytest.mark.parametrize("road", [("light", "moto")], ids=["light moto"], indirect=True)
async def test_dead_messages_are_listed_replayed_and_purged(road: Road) -> None:
    made = await road.api.call("sqs", "CreateQueue", {"QueueName": f"dead-{next(NUMBERS)}"}, 30)
    url = str(made["QueueUrl"])
    dead = SqsDeadMessages(api=road.api, url=url, queue_url=road.url)
    for body in ("nonsense", "more"):
        await road.api.call("sqs", "SendMessage", {"QueueUrl": url, "MessageBody": body}, 30)
    assert {one.bytes for one in await dead.list_messages(10)} == {8, 4}
    assert await dead.replay_messages(10) == 2
    assert await road.counts() == (2, 0)
    assert await dead.purge_messages() == 0


# --- servers that die, lie and forget


async def test_an_answer_lost_on_its_way_makes_a_second_message_and_no_second_memory(road: Road) -> None:
    road.ours.faults.add(Fault("reset_after", "SendMessage"))
    await road.send(1, 2)
    assert await road.counts() == (2, 0)
    assert road.metrics.counts == {("memtrace_queue_sends_total", "sent"): 1}
    [parcel, *_] = await road.arrived(2)
    assert parcel.times == (1, 2)
    await road.queue.ack([parcel])
    await road.queue.ack(await road.queue.receive(100, 1 << 20))
    await road.empty()


@pytest.mark.parametrize("kind", ["slow", "slow_after", "garbage", "reset"])
async def test_a_server_that_does_not_answer_fails_no_write_and_takes_no_longer(
    road: Road, kind: Any
) -> None:
    road.sender = SqsSender(api=road.api, url=road.url, timeout=0.3, metrics=road.metrics)
    road.ours.faults.add(Fault(kind, "SendMessage", times=-1))
    async with asyncio.timeout(2):
        await road.send(1)
    assert road.metrics.counts == {("memtrace_queue_sends_total", "failed"): 1}


async def test_receives_that_fail_in_every_way_cost_time_and_nothing_else(road: Road) -> None:
    for kind in ("reset", "garbage", "status", "throttle", "empty", "duplicate", "stale"):
        road.ours.faults.add(Fault(kind, "ReceiveMessage"))
    road.queue = road.open(visibility=1)
    await road.send(1)
    found = await road.arrived(1)
    await road.queue.ack(found)
    await road.empty()


async def test_a_server_that_was_gone_for_a_while_is_found_again(road: Road) -> None:
    await road.send(1)
    first = await road.arrived(1)
    await road.ours.refuse()
    await road.send(2)
    await road.queue.ack(first)
    assert road.metrics.counts["memtrace_queue_sends_total", "failed"] == 1
    await asyncio.sleep(0.05)
    await road.ours.accept()
    await road.send(3)
    found = await road.arrived(1)
    assert times(found) == [3]
    await road.queue.ack(found)
    await road.empty()


async def test_a_server_that_comes_back_without_its_messages_costs_what_was_on_the_road(road: Road) -> None:
    """The journal owes it: nothing here may hang or fail on receipts that nobody knows."""
    await road.send(1)
    held = await road.arrived(1)
    await road.send(2)
    name, port = road.url.rpartition("/")[2], int(road.ours.url.rpartition(":")[2])
    await road.ours.refuse()
    async with SqsEndpoint(port=port) as another:
        await another.create(name)
        await road.queue.ack(held)
        await road.send(3)
        seen: list[int] = []
        async with asyncio.timeout(30):
            while 3 not in seen:
                seen += times(await road.arrived(1))
        async with asyncio.timeout(30):
            while len(road.queue.holding) > 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await road.queue.close()
        another.account.stopping.set()


async def test_many_flushers_share_a_queue_and_every_memory_arrives(road: Road) -> None:
    wanted = set(range(1, 201))
    for time in sorted(wanted):
        await road.send(time)
    ends = [road.open() for _ in range(3)]
    seen: list[int] = []

    async def work(end: SqsQueue) -> None:
        while set(seen) != wanted:
            parcels = await end.receive(100, 1 << 20)
            seen.extend(times(parcels))
            await end.ack(parcels)
            await end.wait(0.05)

    async with asyncio.timeout(20):
        await asyncio.gather(*map(work, ends))
    await road.empty()
    assert len(seen) == len(wanted)
    road.ours.account.stopping.set()
    await asyncio.gather(*(end.close() for end in ends))
