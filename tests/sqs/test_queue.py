"""The flusher's end: what is handed out, when it is deleted, and what becomes of old receipts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from core.adapters.aws.api import AwsError
from core.adapters.sqs import holding as holdings
from core.adapters.sqs import queue as queues
from core.adapters.sqs.holding import Holding
from core.adapters.sqs.queue import QueueLimits, SqsQueue
from core.model.memory import OrgId, encode
from core.ports import Parcel
from tests.clock import ManualClock
from tests.sqs.calls import Bench, times
from tests.unit.fakes import ORG, FakeMetrics, memory

OTHER = OrgId("org_b")
VISIBILITY = 120.0
TURN = VISIBILITY / 12
_LIMITS = QueueLimits(closing=2.0)


class Pauses:
    """Pauses pass at once, but those between turns of extending: tests take these turns themselves."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        if seconds == TURN:
            await asyncio.Event().wait()
        self.taken.append(seconds)
        await asyncio.sleep(0)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0)


@pytest.fixture
async def bench(clock: ManualClock) -> Bench:
    return await Bench(clock).open()


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
async def queue(bench: Bench, clock: ManualClock, pauses: Pauses) -> AsyncIterator[SqsQueue]:
    queue = opened(bench, clock, pauses)
    yield queue
    bench.api.hurry()
    bench.account.stopping.set()
    await queue.close()


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


def opened(
    bench: Bench,
    clock: ManualClock,
    pauses: Pauses,
    *,
    metrics: FakeMetrics | None = None,
    limits: QueueLimits = _LIMITS,
) -> SqsQueue:
    return SqsQueue(
        api=bench.api,
        url=bench.url,
        visibility=VISIBILITY,
        clock=clock,
        metrics=metrics or FakeMetrics(),
        pause=pauses,
        limits=limits,
    )


async def parcels(queue: SqsQueue, count: int = 1, most: int = 20_000, size: int = 8 << 20) -> list[Parcel]:
    """What is received until there are so many memories."""
    found: list[Parcel] = []
    async with asyncio.timeout(30):
        while sum(p.count for p in found) < count:
            found += await queue.receive(most, size)
            await asyncio.sleep(0)
    return found


def part(parcel: Parcel, *wanted: int) -> Parcel:
    rows = [memory(t) for t in parcel.times if t in wanted]
    return Parcel(parcel.org_id, tuple(m.time for m in rows), b"\n".join(encode(m) for m in rows))


async def gone(bench: Bench) -> None:
    """Nothing is left in the queue, seen or hidden."""
    await until(lambda: bench.counts() == (0, 0))


async def alone(queue: SqsQueue, clock: ManualClock) -> None:
    """One poll is left; the others have waited long enough."""
    clock.advance(2)
    await until(lambda: len(queue.receiver._polls) == 1)


# --- receiving


async def test_memories_come_as_they_are_in_the_journal(bench: Bench, queue: SqsQueue) -> None:
    await bench.send(3, 5)
    [parcel] = await parcels(queue)
    assert parcel == Parcel(ORG, (3, 5), encode(memory(3)) + b"\n" + encode(memory(5)))


async def test_messages_of_an_org_are_one_parcel_in_the_order_of_time(bench: Bench, queue: SqsQueue) -> None:
    await bench.send(7, 9)
    await bench.send(1, 8)
    await queue.receiver.receive_once()
    [parcel] = await queue.receive(100, 1 << 20)
    assert parcel.times == (1, 7, 8, 9)
    assert parcel.lines == b"\n".join(encode(memory(t)) for t in (1, 7, 8, 9))


async def test_messages_that_follow_one_another_are_joined(bench: Bench, queue: SqsQueue) -> None:
    await bench.send(1, 2, 3, at_once=False)
    await queue.receiver.receive_once()
    [parcel] = await queue.receive(100, 1 << 20)
    assert parcel.lines == b"\n".join(encode(memory(t)) for t in (1, 2, 3))


async def test_memories_that_two_messages_carry_come_once(bench: Bench, queue: SqsQueue) -> None:
    await bench.send(1, 2)
    await bench.send(2, 3)
    await queue.receiver.receive_once()
    [parcel] = await queue.receive(100, 1 << 20)
    assert parcel.times == (1, 2, 3)
    await queue.ack([parcel])
    await gone(bench)


async def test_no_more_is_handed_out_than_asked_for_but_always_something(
    bench: Bench, queue: SqsQueue
) -> None:
    await bench.send(1, 2, 3)
    await bench.send(4, 5, 6)
    await bench.send(7)
    await queue.receiver.receive_once()
    assert [times(await queue.receive(n, 1 << 20)) for n in (1, 3)] == [[1, 2, 3], [4, 5, 6]]
    assert times(await queue.receive(100, 1)) == [7]
    assert await queue.receive(100, 100) == []


async def test_bytes_bound_what_is_handed_out(bench: Bench, queue: SqsQueue) -> None:
    await bench.send(1, 2, at_once=False)
    await queue.receiver.receive_once()
    assert [times(await queue.receive(100, len(encode(memory(1))) + 5)) for _ in range(2)] == [[1], [2]]


async def test_a_poll_waits_for_what_comes(bench: Bench, queue: SqsQueue) -> None:
    waiting = asyncio.create_task(queue.wait(5))
    await until(lambda: bench.api.calls != [])
    assert bench.api.calls[0][1]["WaitTimeSeconds"] == 20
    assert bench.api.calls[0][1]["MaxNumberOfMessages"] == 10
    assert bench.api.calls[0][1]["VisibilityTimeout"] == 120
    assert bench.api.timeouts[0] > 20
    await bench.send(1)
    await waiting
    assert times(await queue.receive(100, 1 << 20)) == [1]


async def test_waiting_ends_when_its_time_is_over(queue: SqsQueue) -> None:
    await queue.wait(0.01)
    assert await queue.receive(100, 1 << 20) == []


async def test_others_help_while_much_is_there_and_leave_when_it_is_not(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(*range(1, 101), at_once=False)
    found = await parcels(queue, 100)
    assert times(found) == list(range(1, 101))
    assert 1 < bench.api.most_at_once <= 4
    await alone(queue, clock)


async def test_help_that_fails_just_ends(bench: Bench, queue: SqsQueue, logs: list[EventDict]) -> None:
    bench.api.slow = {"ReceiveMessage"}
    await queue.wait(0.01)
    bench.api.slow.clear()
    bench.fail("throttle", "ReceiveMessage")
    await queue.receiver._help()
    assert logs == []


async def test_no_more_is_received_ahead_than_there_is_room_for(
    bench: Bench, clock: ManualClock, pauses: Pauses
) -> None:
    queue = opened(bench, clock, pauses, limits=replace(_LIMITS, ahead=15))
    await bench.send(*range(1, 101), at_once=False)
    await queue.wait(1)
    await until(lambda: len(queue.receiver._polls) == 1 and len(queue.holding) >= 15)
    assert len(queue.holding) <= 15 + 40
    before = len(bench.api.named("ReceiveMessage"))
    await queue.wait(1)
    assert len(bench.api.named("ReceiveMessage")) == before
    assert times(await parcels(queue, 100)) == list(range(1, 101))
    bench.account.stopping.set()
    await queue.close()


@pytest.mark.parametrize("limit", ["ahead_bytes", "held"])
async def test_bytes_and_messages_in_hand_are_bounded(
    bench: Bench, clock: ManualClock, pauses: Pauses, limit: str
) -> None:
    queue = opened(bench, clock, pauses, limits=replace(_LIMITS, **{limit: 1}))
    await bench.send(1)
    await queue.wait(1)
    await bench.send(2)
    await queue.wait(0.01)
    assert len(bench.api.named("ReceiveMessage")) == 1
    [first] = await queue.receive(100, 1 << 20)
    await queue.ack([first])
    assert times(await parcels(queue)) == [2]
    bench.account.stopping.set()
    await queue.close()


async def test_nothing_is_received_ahead_for_a_flusher_that_does_not_ask(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(1)
    await parcels(queue)
    clock.advance(30)
    await until(lambda: not queue.receiver._nudged.is_set() and bench.api._at_once == 0)
    await bench.send(2)
    before = len(bench.api.calls)
    await asyncio.sleep(0.02)
    assert len(bench.api.calls) == before
    assert times(await parcels(queue)) == [2]


async def test_how_often_the_queue_was_asked_is_counted(
    bench: Bench, clock: ManualClock, pauses: Pauses
) -> None:
    metrics = FakeMetrics()
    queue = opened(bench, clock, pauses, metrics=metrics)
    await bench.send(1)
    await queue.receiver.receive_once()
    bench.api.unreachable = True
    with pytest.raises(AwsError):
        await queue.receiver.receive_once()
    assert metrics.counts == {
        ("memtrace_queue_receives_total", "answered"): 1,
        ("memtrace_queue_receives_total", "failed"): 1,
    }
    await queue.close()


async def test_a_queue_that_cannot_be_reached_is_asked_again_ever_more_slowly(
    bench: Bench, queue: SqsQueue, pauses: Pauses, logs: list[EventDict]
) -> None:
    bench.api.unreachable = True
    assert await queue.receive(100, 1 << 20) == []
    await until(lambda: len(pauses.taken) >= 12)
    bench.api.unreachable = False
    assert max(pauses.taken) <= 30
    assert all(0 <= pause <= 2**n for n, pause in enumerate(pauses.taken[:5]))
    assert {line["event"] for line in logs} == {"queue_receive_failed"}
    assert logs[0]["reason"] == "no answer: the connection failed"
    await bench.send(1)
    assert times(await parcels(queue)) == [1]


async def test_an_answer_without_receipts_is_passed_over(
    bench: Bench, queue: SqsQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(*_: object) -> dict[str, object]:
        return {"Messages": [{"MessageId": "m", "Body": "x"}, {"ReceiptHandle": "r"}]}

    monkeypatch.setattr(bench.api, "call", answer)
    assert await queue.receiver.receive_once() == 2
    assert len(queue.holding) == 0


async def test_a_message_that_others_died_with_is_no_dead_letter_but_the_journals(
    bench: Bench, queue: SqsQueue
) -> None:
    await bench.send(1)
    for _ in range(2):
        assert len(await bench.take()) == 1
    assert times(await parcels(queue)) == [1], "and is delivered all the same"
    await until(lambda: bench.counts() == (0, 0))
    assert bench.counts("dead") == (0, 0)


# --- acknowledging


async def test_a_message_is_deleted_once_all_its_memories_are_acknowledged(
    bench: Bench, queue: SqsQueue
) -> None:
    await bench.send(1, 2, 3)
    [parcel] = await parcels(queue)
    await queue.ack([part(parcel, 1, 3)])
    await queue.tidy()
    assert bench.counts() == (0, 1)
    await queue.ack([part(parcel, 2)])
    await gone(bench)
    await until(lambda: len(queue.holding) == 0)


async def test_parcels_of_several_messages_and_orgs_are_acknowledged_in_any_pieces(
    bench: Bench, queue: SqsQueue
) -> None:
    await bench.send(1, 2)
    await bench.send(3, 4)
    await bench.put_memories(OTHER, 1, 2)
    found = await parcels(queue, 6)
    mine = next(p for p in found if p.org_id == ORG)
    await queue.ack([part(mine, 2, 3)])
    await queue.tidy()
    assert len(queue.holding) == 3
    await queue.ack([part(mine, 1), part(mine, 4)])
    await until(lambda: len(queue.holding) == 1)
    await queue.ack([p for p in found if p.org_id == OTHER])
    await gone(bench)


async def test_what_the_sweep_delivered_counts_for_the_message_that_carried_it(
    bench: Bench, queue: SqsQueue
) -> None:
    await bench.send(1, 2)
    await parcels(queue)
    swept = Parcel(ORG, (1, 2, 77), b"a\nb\nc")
    await queue.ack([swept])
    await gone(bench)


async def test_acknowledging_twice_or_what_was_never_here_does_nothing(bench: Bench, queue: SqsQueue) -> None:
    await queue.ack([Parcel(ORG, (1,), b"x")])
    await bench.send(1)
    [parcel] = await parcels(queue)
    for _ in range(2):
        await queue.ack([parcel])
    await gone(bench)
    assert len(bench.api.named("DeleteMessageBatch")) == 1


async def test_many_are_deleted_in_batches_of_ten_a_few_at_once(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(*range(1, 101), at_once=False)
    found = await parcels(queue, 100)
    await alone(queue, clock)
    bench.api.most_at_once = 0
    await queue.ack(found)
    await gone(bench)
    assert [len(p["Entries"]) for p in bench.api.named("DeleteMessageBatch")] == [10] * 10
    assert bench.api.most_at_once <= 4 + 1


async def test_entries_that_were_not_deleted_are_tried_again(
    bench: Bench, queue: SqsQueue, pauses: Pauses
) -> None:
    await bench.send(*range(1, 6), at_once=False)
    bench.fail("partial", "DeleteMessageBatch", times=2)
    await queue.ack(await parcels(queue, 5))
    await gone(bench)
    assert 1.0 in pauses.taken


async def test_acknowledging_does_not_wait_for_a_queue_that_does_not_answer(
    bench: Bench, queue: SqsQueue
) -> None:
    await bench.send(1)
    bench.api.slow = {"DeleteMessageBatch"}
    found = await parcels(queue)
    async with asyncio.timeout(30):
        await queue.ack(found)
    await until(lambda: bench.api.named("DeleteMessageBatch") != [])
    assert bench.counts() == (0, 1)
    bench.api.hurry()
    await gone(bench)


async def test_a_delete_whose_answer_was_lost_is_made_again(bench: Bench, queue: SqsQueue) -> None:
    await bench.send(1)
    found = await parcels(queue)
    bench.api.lose_answers("DeleteMessageBatch")
    await queue.ack(found)
    await until(lambda: len(queue.holding) == 0)
    assert bench.counts() == (0, 0)


# --- messages that come again


async def test_a_duplicate_in_hand_is_not_handed_out_and_its_newest_receipt_deletes(
    bench: Bench, queue: SqsQueue
) -> None:
    bench.fail("duplicate", "ReceiveMessage")
    await bench.send(1)
    found = await parcels(queue)
    await until(lambda: bench.account.queue("q").visible == 0)
    assert await queue.receive(100, 1 << 20) == []
    assert len(queue.holding) == 1
    await queue.ack(found)
    await gone(bench)


async def test_a_message_deleted_by_an_old_receipt_comes_again_and_is_deleted_unseen(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    bench.fail("stale", "ReceiveMessage")
    await bench.send(1)
    await queue.ack(await parcels(queue))
    await until(lambda: len(queue.holding) == 0)
    assert bench.counts() == (0, 1)
    clock.advance(VISIBILITY + 1)
    assert await queue.receive(100, 1 << 20) == []
    await gone(bench)
    assert await queue.receive(100, 1 << 20) == []


async def test_a_deleted_message_that_was_not_deleted_is_deleted_again(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    bench.fail("undead", "DeleteMessageBatch")
    await bench.send(1)
    await queue.ack(await parcels(queue))
    await until(lambda: len(queue.holding) == 0)
    clock.advance(VISIBILITY + 1)
    await queue.wait(0.01)
    await gone(bench)


async def test_what_was_deleted_long_ago_is_forgotten(
    bench: Bench, queue: SqsQueue, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdings, "_REMEMBERED", 1)
    bench.fail("undead", "DeleteMessageBatch", times=-1)
    await bench.send(1, 2, at_once=False)
    await queue.ack(await parcels(queue, 2))
    await until(lambda: len(queue.holding) == 0)
    bench.faults.clear()
    clock.advance(VISIBILITY + 1)
    again = await parcels(queue)
    assert len(times(again)) == 1
    await queue.ack(again)
    await gone(bench)


async def test_a_second_message_with_the_same_memories_is_acknowledged_with_the_first(
    bench: Bench, queue: SqsQueue
) -> None:
    """The flusher drops what it has in hand already: nobody acknowledges the second parcel."""
    await bench.send(1, 2)
    [first] = await parcels(queue)
    await bench.send(1, 2)
    [second] = await parcels(queue)
    assert first == second
    await queue.ack([first])
    await gone(bench)


# --- visibility


async def test_what_is_in_hand_stays_hidden_for_as_long_as_it_takes(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(1)
    await bench.send(2)
    await queue.receiver.receive_once()
    found = await queue.receive(1, 1)
    for _ in range(100):
        clock.advance(TURN)
        await queue.extend()
        assert bench.counts() == (0, 2)
    assert len(bench.api.named("ChangeMessageVisibilityBatch")) == 100 // 6
    await queue.ack([*found, *await queue.receive(100, 100)])
    await gone(bench)


async def test_turns_of_extending_follow_one_another(
    bench: Bench, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0

    async def pause(seconds: float) -> None:
        nonlocal turns
        turns += 1
        clock.advance(seconds)
        if turns > 8:
            await asyncio.Event().wait()

    queue = SqsQueue(
        api=bench.api,
        url=bench.url,
        visibility=VISIBILITY,
        clock=clock,
        metrics=FakeMetrics(),
        pause=pause,
    )
    await bench.send(1)
    await queue.receiver.receive_once()
    await queue.receive(100, 100)
    await until(lambda: len(bench.api.named("ChangeMessageVisibilityBatch")) == 1)
    bench.account.stopping.set()
    await queue.close()


async def test_a_failed_extension_is_tried_again_before_the_message_is_seen(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(1)
    await parcels(queue)
    clock.advance(VISIBILITY / 2)
    bench.fail("throttle", "ChangeMessageVisibilityBatch", times=2)
    for _ in range(3):
        await queue.extend()
        clock.advance(TURN)
    clock.advance(VISIBILITY / 2)
    assert bench.counts() == (0, 1)


async def test_a_message_that_others_may_see_is_given_up_but_not_handed_out_twice(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(1)
    found = await parcels(queue)
    bench.api.slow = {"ReceiveMessage"}
    clock.advance(VISIBILITY + 1)
    [elsewhere] = await bench.take(visibility=30)
    await queue.extend()
    assert bench.counts() == (0, 1)
    await queue.ack(found)
    await until(lambda: len(queue.holding) == 0)
    assert bench.api.named("DeleteMessageBatch") == []
    assert elsewhere["Attributes"]["ApproximateReceiveCount"] == "2"


async def test_a_given_up_message_that_comes_again_has_a_receipt_again(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(1)
    await queue.receiver.receive_once()
    found = await queue.receive(100, 100)
    bench.fail("empty", "ReceiveMessage", times=-1)
    clock.advance(VISIBILITY + 1)
    await queue.extend()
    assert queue.holding.ours() == []
    bench.faults.clear()
    await queue.wait(0.01)
    await until(lambda: queue.holding.ours() != [])
    assert await queue.receive(100, 100) == []
    await queue.ack(found)
    await gone(bench)


async def test_a_message_lost_before_anybody_asked_for_it_is_not_handed_out(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(1)
    await queue.receiver.receive_once()
    clock.advance(VISIBILITY + 1)
    await queue.extend()
    bench.api.slow = {"ReceiveMessage"}
    assert await queue.receive(100, 100) == []
    assert len(queue.holding) == 0


async def test_what_was_done_with_before_it_was_lost_is_not_kept(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(1)
    await queue.receiver.receive_once()
    bench.api.slow = {"DeleteMessageBatch", "ReceiveMessage"}
    await queue.ack(await queue.receive(100, 100))
    clock.advance(VISIBILITY + 1)
    await queue.extend()
    assert len(queue.holding) == 0


async def test_nothing_is_hidden_longer_than_sqs_allows(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(1)
    await queue.receiver.receive_once()
    found = await queue.receive(100, 100)
    bench.api.slow = {"ReceiveMessage"}
    hours = 0
    while bench.counts() == (0, 1):
        clock.advance(TURN)
        await queue.extend()
        hours += 1
    assert 11.9 < hours * TURN / 3600 <= 12
    assert queue.holding.ours() == []
    await queue.ack(found)
    assert len(queue.holding) == 0


# --- what nobody can read


async def test_an_unreadable_message_ends_in_the_dead_letters_and_is_told_once(
    bench: Bench, queue: SqsQueue, clock: ManualClock, logs: list[EventDict]
) -> None:
    await bench.put("s3cret nonsense")
    await bench.send(1)
    assert times(await parcels(queue)) == [1]
    turns = 0
    while bench.counts("dead")[0] == 0:
        turns += 1
        clock.advance(11)
        await queue.wait(0.2)
        assert await queue.receive(100, 100) == []
        await queue.tidy()
    assert turns <= 5
    [line] = logs
    assert (line["event"], line["bytes"]) == ("message_unreadable", 15)
    assert line["reason"] == "this is no message of Memtrace"
    assert "s3cret" not in str(line)


async def test_the_telling_of_unreadable_messages_is_bounded(
    bench: Bench, queue: SqsQueue, logs: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "_TOLD", 1)
    for n in range(3):
        await bench.put(f"nonsense {n}")
    await queue.receiver.receive_once()
    assert await queue.receive(100, 100) == []
    assert len(logs) == 3
    assert len(queue._told) == 1


# --- the end


async def test_what_is_in_hand_is_shown_to_others_at_the_end(
    bench: Bench, queue: SqsQueue, clock: ManualClock
) -> None:
    await bench.send(1, 2, 3, at_once=False)
    await queue.receiver.receive_once()
    found = await queue.receive(1, 1)
    assert times(found) == [1]
    bench.account.stopping.set()
    await queue.close()
    assert bench.counts() == (3, 0)
    calls = len(bench.api.calls)
    await queue.close()
    assert await queue.receive(100, 100)
    assert len(bench.api.calls) == calls


async def test_what_is_done_with_is_deleted_at_the_end(bench: Bench, queue: SqsQueue) -> None:
    await bench.send(1, 2, at_once=False)
    await queue.receiver.receive_once()
    found = await queue.receive(1, 1)
    await queue.ack(found)
    bench.account.stopping.set()
    await queue.close()
    assert bench.counts() == (1, 0)


async def test_a_queue_that_nobody_asked_ends_without_a_call(bench: Bench, queue: SqsQueue) -> None:
    await queue.close()
    assert bench.api.calls == []


async def test_the_end_takes_no_longer_than_it_may(bench: Bench, queue: SqsQueue) -> None:
    await bench.send(1)
    await queue.receiver.receive_once()
    await queue.receive(1, 1)
    bench.api.slow = {"ChangeMessageVisibilityBatch", "ReceiveMessage"}
    async with asyncio.timeout(10):
        await queue.close()
    assert bench.counts() == (0, 1)


async def test_a_poll_under_way_at_the_end_is_waited_for_and_given_back(
    bench: Bench, clock: ManualClock, pauses: Pauses
) -> None:
    queue = opened(bench, clock, pauses, limits=QueueLimits())
    await queue.wait(0.01)
    closing = asyncio.create_task(queue.close())
    await asyncio.sleep(0)
    await bench.send(1)
    await closing
    assert bench.counts() == (1, 0)
    assert len(queue.holding) == 1


# --- the book of messages


def test_a_message_in_hand_is_known_by_its_id() -> None:
    holding = Holding()
    held = holding.take("m", "r1", "body", now=0, hidden_until=10)
    assert held is not None
    assert holding.take("m", "r2", "body", now=5, hidden_until=15) is None
    assert (held.receipt, held.received, held.hidden_until) == ("r2", 5, 15)
    assert repr(held)
