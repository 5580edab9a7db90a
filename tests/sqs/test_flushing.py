"""Flushers on a real journal with SQS between: what they deliver, park and leave to one another."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.adapters.sqs.queue import QueueLimits, SqsQueue
from core.adapters.sqs.sender import SqsSender
from core.model.memory import OrgId
from flusher.service import Flusher
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, draft
from tests.flushing.line import Line
from tests.flushing.rig import SMALL, Rig, paused_by, rig
from tests.sqs.calls import Bench
from tests.unit.fakes import FakeMetrics


class Split:
    """Two flushers, a journal, and SQS between edge and flushers."""

    def __init__(self, made: Rig, bench: Bench, clock: ManualClock) -> None:
        self.rig = made
        self.bench = bench
        self.sender = SqsSender(api=bench.api, url=bench.url, timeout=10.0, metrics=FakeMetrics())

        def queue() -> SqsQueue:
            return SqsQueue(
                api=bench.api,
                url=bench.url,
                visibility=120,
                clock=clock,
                metrics=FakeMetrics(),
                pause=paused_by(clock),
                limits=QueueLimits(closing=0.2),
            )

        made.ports = replace(made.ports, open_queue=queue)
        made.flusher = Flusher(made.ports, SMALL)
        made.another()

    async def write(self, *contents: str, org: OrgId = ACME) -> None:
        receipts = await self.rig.shop.journal.append(org, [draft(text) for text in contents], None)
        await self.sender.send(org, [receipt.memory for receipt in receipts if receipt.memory])

    async def rounds_until_empty(self) -> None:
        """Nothing is in the queue, seen or hidden."""
        async with asyncio.timeout(20):
            while self.bench.counts() != (0, 0):
                await self.rig.round(0.5)


@pytest.fixture
async def split(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Split]:
    bench = await Bench(clock).open()
    async with rig(tmp_path, clock, line=Line(clock)) as made:
        await made.flusher.close()
        made.line = None
        yield Split(made, bench, clock)
        bench.account.stopping.set()


async def test_what_is_written_is_delivered_once_and_leaves_the_queue(split: Split) -> None:
    for number in range(40):
        await split.write(f"memory {number}")
    await split.rounds_until_empty()
    assert sorted(split.rig.store.contents(ACME)) == sorted(f"memory {n}" for n in range(40))
    assert await split.rig.states() == (0, 40, 0)


async def test_duplicates_and_old_receipts_end_like_everything_else(split: Split) -> None:
    split.bench.fail("duplicate", "ReceiveMessage", times=3)
    split.bench.fail("stale", "ReceiveMessage", times=2)
    split.bench.fail("partial", "DeleteMessageBatch", times=3)
    for number in range(30):
        await split.write(f"memory {number}")
    await split.rounds_until_empty()
    assert set(split.rig.store.contents(ACME)) == {f"memory {n}" for n in range(30)}
    owed, _, dead = await split.rig.states()
    assert (owed, dead) == (0, 0)


async def test_a_store_that_is_down_holds_nothing_in_the_queue(split: Split) -> None:
    split.rig.store.down.add(ACME)
    for number in range(12):
        await split.write(f"a {number}")
        await split.write(f"b {number}", org=OTHER)
    await split.rounds_until_empty()
    assert sorted(split.rig.store.contents(OTHER)) == sorted(f"b {n}" for n in range(12))
    assert await split.rig.states() == (12, 0, 0)
    split.rig.store.down.clear()
    async with asyncio.timeout(20):
        while len(split.rig.store.contents(ACME)) < 12:
            await split.rig.round(1.0)
    assert set(split.rig.store.contents(ACME)) == {f"a {n}" for n in range(12)}


async def test_one_memory_that_a_store_refuses_leaves_the_queue_too(split: Split) -> None:
    split.rig.store.poison = lambda memory: memory.content == "bad"
    await split.write("good", "bad", "fine")
    await split.rounds_until_empty()
    assert sorted(split.rig.store.contents(ACME)) == ["fine", "good"]
    assert await split.rig.states() == (0, 2, 1)


async def test_what_a_flusher_holds_when_it_ends_another_delivers(split: Split) -> None:
    await split.write("memory")
    leaving = split.rig.flusher
    async with asyncio.timeout(20):
        while split.bench.counts() != (0, 1):
            await leaving.step()
            await asyncio.sleep(0)  # nothing is due, so no step waits for anything
    await leaving.close()
    split.rig.flusher = split.rig.others.pop()
    await split.rounds_until_empty()
    assert split.rig.store.contents(ACME) == ["memory"]


async def test_what_never_came_through_the_queue_is_swept(split: Split) -> None:
    split.bench.fail("throttle", "SendMessage", times=-1)
    await split.write("memory")
    async with asyncio.timeout(20):
        while not split.rig.store.contents(ACME):
            await split.rig.round(2.0)
    assert split.rig.store.contents(ACME) == ["memory"]
    assert split.bench.counts() == (0, 0)
