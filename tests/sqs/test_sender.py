"""The edge's end: how many calls it takes, what is repeated, and that nothing of it ever fails a write."""

import asyncio
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from core.adapters.sqs.sender import SqsSender
from core.model import envelope
from core.model.envelope import MOST_BYTES, MOST_PACKED, unpack
from core.model.errors import ConfigurationError
from core.model.memory import Memory, OrgId
from tests.clock import ManualClock
from tests.sqs.calls import AccountAws, Bench
from tests.unit.fakes import ORG, FakeMetrics, memory


@pytest.fixture
async def bench(clock: ManualClock) -> Bench:
    return await Bench(clock).open()


@pytest.fixture
def metrics() -> FakeMetrics:
    return FakeMetrics()


@pytest.fixture
def sender(bench: Bench, metrics: FakeMetrics) -> SqsSender:
    return SqsSender(api=bench.api, url=bench.url, timeout=10.0, metrics=metrics)


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages as long as their memories."""
    monkeypatch.setattr(envelope, "_LEVEL", 0)


def large(count: int, size: int = 700_000) -> list[Memory]:
    """Each fills a message."""
    return [memory(n, content="x" * size) for n in range(1, count + 1)]


async def arrived(bench: Bench) -> list[int]:
    return sorted(time for message in await bench.take() for time in unpack(message["Body"]).times)


def sends(metrics: FakeMetrics) -> tuple[float, float]:
    counts = metrics.counts
    return tuple(counts.get(("memtrace_queue_sends_total", label), 0) for label in ("sent", "failed"))  # type: ignore[return-value]


# --- what goes out


async def test_a_request_is_one_message_in_the_group_of_its_org(
    bench: Bench, sender: SqsSender, metrics: FakeMetrics
) -> None:
    await sender.send(ORG, [memory(n) for n in range(1, 1_001)])
    assert [name for name, _ in bench.api.calls] == ["SendMessage"]
    [message] = await bench.take()
    assert message["Attributes"]["MessageGroupId"] == ORG
    assert unpack(message["Body"]).times == tuple(range(1, 1_001))
    assert sends(metrics) == (1, 0)


async def test_small_messages_go_in_batches_of_ten(
    bench: Bench, sender: SqsSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelope, "MOST_PACKED", 300)
    await sender.send(ORG, [memory(n) for n in range(1, 26)])
    batches = [len(parameters["Entries"]) for parameters in bench.api.named("SendMessageBatch")]
    assert sorted(batches) == [5, 10, 10]
    assert await arrived(bench) == list(range(1, 26))


@pytest.mark.usefixtures("plain")
async def test_a_batch_is_one_mebibyte_at_most(bench: Bench, sender: SqsSender) -> None:
    await sender.send(ORG, large(3))
    await sender.send(ORG, large(4, 250_000))
    sizes = [sum(len(e["MessageBody"]) for e in p["Entries"]) for p in bench.api.named("SendMessageBatch")]
    assert all(size <= MOST_BYTES for size in sizes)
    assert len(bench.api.named("SendMessage")) + len(sizes) == 5


@pytest.mark.usefixtures("plain")
async def test_few_batches_are_under_way_at_once(bench: Bench, sender: SqsSender) -> None:
    await sender.send(ORG, large(9))
    assert 1 < bench.api.most_at_once <= 4
    assert await arrived(bench) == list(range(1, 10))


# --- what fails


async def test_entries_that_the_service_failed_to_take_go_once_more(
    bench: Bench, sender: SqsSender, metrics: FakeMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelope, "MOST_PACKED", 300)
    bench.fail("partial", "SendMessageBatch")
    await sender.send(ORG, [memory(n) for n in range(1, 5)])
    assert [len(p["Entries"]) for p in bench.api.named("SendMessageBatch")] == [4, 2]
    assert await arrived(bench) == [1, 2, 3, 4]
    assert sends(metrics) == (4, 0)


async def test_what_fails_twice_is_left_to_the_journal_and_told_once(
    bench: Bench,
    sender: SqsSender,
    metrics: FakeMetrics,
    logs: list[EventDict],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(envelope, "MOST_PACKED", 300)
    bench.fail("partial", "SendMessageBatch", times=2)
    await sender.send(ORG, [memory(n) for n in range(1, 5)])
    assert await arrived(bench) == [2, 3, 4]
    assert sends(metrics) == (3, 1)
    assert logs == [
        {
            "event": "queue_send_failed",
            "log_level": "warning",
            "org_id": ORG,
            "memories": 1,
            "reason": "ServiceUnavailable",
        }
    ]


async def test_what_is_our_own_fault_is_not_repeated(
    bench: Bench, sender: SqsSender, metrics: FakeMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelope, "MOST_PACKED", 300)
    bench.fail("partial", "SendMessageBatch", ours=True)
    await sender.send(ORG, [memory(1), memory(2)])
    assert len(bench.api.calls) == 1
    assert sends(metrics) == (1, 1)


@pytest.mark.parametrize("kind", ["throttle", "status"])
async def test_a_call_that_fails_is_told_and_not_raised(
    bench: Bench, sender: SqsSender, metrics: FakeMetrics, logs: list[EventDict], kind: str
) -> None:
    bench.fail(kind)
    await sender.send(ORG, [memory(1), memory(2)])
    assert sends(metrics) == (0, 1)
    assert [(line["event"], line["memories"]) for line in logs] == [("queue_send_failed", 2)]


async def test_a_queue_that_is_gone_fails_nothing(
    bench: Bench, metrics: FakeMetrics, logs: list[EventDict]
) -> None:
    sender = SqsSender(api=bench.api, url=f"{bench.url}x", timeout=10.0, metrics=metrics)
    await sender.send(ORG, [memory(1)])
    assert "NonExistentQueue" in logs[0]["reason"]


async def test_missing_credentials_fail_nothing(
    bench: Bench, sender: SqsSender, logs: list[EventDict], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: AccountAws, *_: object) -> dict[str, object]:
        raise ConfigurationError("there are no credentials")

    monkeypatch.setattr(AccountAws, "call", refuse)
    await sender.send(ORG, [memory(1)])
    assert logs[0]["reason"] == "there are no credentials"


async def test_a_queue_that_does_not_answer_takes_no_longer_than_the_time_for_it(
    bench: Bench, metrics: FakeMetrics, logs: list[EventDict]
) -> None:
    bench.api.slow = {"SendMessage"}
    sender = SqsSender(api=bench.api, url=bench.url, timeout=0.05, metrics=metrics)
    async with asyncio.timeout(30):
        await sender.send(ORG, [memory(1)])
    assert bench.api.timeouts[0] <= 0.05
    assert sends(metrics) == (0, 1)
    assert logs[0]["reason"] == "no answer in time"


@pytest.mark.usefixtures("plain")
async def test_the_time_is_for_all_batches_together(bench: Bench, metrics: FakeMetrics) -> None:
    bench.api.slow = {"SendMessage"}
    sender = SqsSender(api=bench.api, url=bench.url, timeout=0.05, metrics=metrics)
    async with asyncio.timeout(30):
        await sender.send(ORG, large(9))
    assert sends(metrics) == (0, 9)


async def test_entries_that_the_answer_does_not_name_were_not_sent(
    bench: Bench, sender: SqsSender, metrics: FakeMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(self: AccountAws, *_: object) -> dict[str, object]:
        return {"Successful": [{"Id": "0"}, {"Id": "x"}, {"Id": "77"}], "Failed": [{"Id": "nonsense"}]}

    monkeypatch.setattr(AccountAws, "call", answer)
    monkeypatch.setattr(envelope, "MOST_PACKED", 300)
    await sender.send(ORG, [memory(n) for n in range(1, 4)])
    assert sends(metrics) == (2, 1)


async def test_a_cancel_is_no_fault_of_the_queue(bench: Bench, sender: SqsSender) -> None:
    bench.api.slow = {"SendMessage"}
    sending = asyncio.create_task(sender.send(ORG, [memory(1)]))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_a_memory_that_no_message_holds_is_told_and_the_others_go(
    bench: Bench, sender: SqsSender, metrics: FakeMetrics, logs: list[EventDict]
) -> None:
    await sender.send(ORG, [memory(1), memory(2, content="x" * MOST_PACKED)])
    assert await arrived(bench) == [1]
    assert sends(metrics) == (1, 1)
    assert logs[0]["reason"] == "larger than a message may be"


async def test_an_org_whose_name_no_group_may_have_is_left_to_the_journal(
    bench: Bench, sender: SqsSender, metrics: FakeMetrics, logs: list[EventDict]
) -> None:
    await sender.send(OrgId("an org"), [memory(1)])
    assert bench.api.calls == []
    assert sends(metrics) == (0, 1)
    assert "message group" in logs[0]["reason"]


async def test_nothing_is_sent_for_nothing(
    bench: Bench, sender: SqsSender, metrics: FakeMetrics, logs: list[EventDict]
) -> None:
    await sender.send(ORG, [])
    await sender.send(OrgId("an org"), [])
    assert (bench.api.calls, metrics.counts, logs) == ([], {}, [])


async def test_no_line_holds_anything_of_a_memory(
    bench: Bench, sender: SqsSender, logs: list[EventDict]
) -> None:
    bench.fail("status")
    await sender.send(ORG, [memory(1, content="s3cret")])
    assert "s3cret" not in str(logs)
