"""The dead-letter queue: looked at without taking anything, sent again before it is deleted, given up."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.adapters.sqs.dead import SqsDeadMessages
from core.adapters.sqs.queue import SqsQueue
from core.model.errors import QueueError
from handlers.cli.main import run
from local.sqs.endpoint import SqsEndpoint
from local.sqs.faults import Fault
from tests.clock import ManualClock
from tests.sqs.calls import Bench
from tests.sqs.served import Served, serving
from tests.unit.fakes import ORG, FakeMetrics
from tests.unit.test_cli_commands import untouched_logging

__all__ = ["untouched_logging"]


class Impatient(ManualClock):
    """A second passes whenever somebody looks, so that no poll is long."""

    def monotonic(self) -> float:
        self.advance(1)
        return super().monotonic()


@pytest.fixture
async def bench() -> Bench:
    return await Bench(Impatient()).open()


@pytest.fixture
def dead(bench: Bench) -> SqsDeadMessages:
    return SqsDeadMessages(api=bench.api, url=bench.dead_url, queue_url=bench.url)


async def bury(bench: Bench, *bodies: str) -> None:
    for body in bodies:
        await bench.put(body, bench.dead_url, MessageGroupId=ORG)


# --- looking


async def test_messages_are_listed_with_what_is_wrong_and_without_what_they_hold(
    bench: Bench, dead: SqsDeadMessages
) -> None:
    await bury(bench, "s3cret", "9.z.AAAA")
    listed = {one.reason: one for one in await dead.list_messages(10)}
    assert set(listed) == {"this is no message of Memtrace", "the message has version 9, and this is 1"}
    first = listed["this is no message of Memtrace"]
    assert (first.bytes, first.receives) == (6, 1)
    assert 0 <= bench.clock.micros() - first.sent_at < 60_000_000
    assert "s3cret" not in repr(first)


async def test_a_message_that_can_be_read_now_says_so(bench: Bench, dead: SqsDeadMessages) -> None:
    await bench.send(1, 2)
    [message] = await bench.take()
    await bury(bench, message["Body"])
    [listed] = await dead.list_messages(10)
    assert listed.reason == "it can be read here, and holds 2 memories"


async def test_what_was_listed_is_seen_by_others_again(bench: Bench, dead: SqsDeadMessages) -> None:
    await bury(bench, *(f"nonsense {n}" for n in range(25)))
    assert len(await dead.list_messages(100)) == 25
    assert bench.counts("dead") == (25, 0)


async def test_no_more_are_listed_than_asked_for(bench: Bench, dead: SqsDeadMessages) -> None:
    await bury(bench, *(f"nonsense {n}" for n in range(25)))
    assert len(await dead.list_messages(12)) == 12


async def test_a_message_that_comes_twice_is_listed_once(bench: Bench, dead: SqsDeadMessages) -> None:
    await bury(bench, "nonsense")
    bench.fail("duplicate", "ReceiveMessage")
    assert len(await dead.list_messages(10)) == 1


async def test_one_answer_without_messages_does_not_mean_that_there_are_none(
    bench: Bench, dead: SqsDeadMessages
) -> None:
    await bury(bench, "nonsense")
    bench.fail("empty", "ReceiveMessage")
    assert len(await dead.list_messages(10)) == 1


async def test_a_queue_that_cannot_be_asked_is_an_error_with_a_way_out(
    bench: Bench, dead: SqsDeadMessages
) -> None:
    bench.fail("throttle", "ReceiveMessage")
    with pytest.raises(QueueError, match="ReceiveMessage failed: RequestThrottled") as caught:
        await dead.list_messages(10)
    assert caught.value.hint
    assert "queue.dead_letter_url" in caught.value.hint


# --- sending again


async def test_replayed_messages_are_in_the_queue_as_they_were(bench: Bench, dead: SqsDeadMessages) -> None:
    attribute = {"DataType": "String", "StringValue": "x"}
    await bench.put("nonsense", bench.dead_url, MessageGroupId=ORG, MessageAttributes={"kind": attribute})
    await bench.put("without a group", bench.dead_url)
    assert await dead.replay_messages(100) == 2
    assert bench.counts("dead") == (0, 0)
    found = {message["Body"]: message for message in await bench.take()}
    assert found["nonsense"]["Attributes"]["MessageGroupId"] == ORG
    assert "MessageGroupId" not in found["without a group"]["Attributes"]


async def test_many_are_replayed_up_to_a_limit(bench: Bench, dead: SqsDeadMessages) -> None:
    await bury(bench, *(f"nonsense {n}" for n in range(25)))
    assert await dead.replay_messages(21) == 21
    assert (bench.counts(), bench.counts("dead")) == ((21, 0), (4, 0))


async def test_what_was_not_sent_is_not_deleted(bench: Bench, dead: SqsDeadMessages) -> None:
    await bury(bench, "a", "b", "c")
    bench.fail("throttle", "SendMessage")
    with pytest.raises(QueueError, match="SendMessage failed"):
        await dead.replay_messages(100)
    assert (bench.counts(), bench.counts("dead")) == ((2, 0), (1, 0))
    assert await dead.replay_messages(100) == 1
    assert (bench.counts(), bench.counts("dead")) == ((3, 0), (0, 0))


async def test_what_was_sent_and_not_deleted_is_sent_again(bench: Bench, dead: SqsDeadMessages) -> None:
    await bury(bench, "a")
    bench.fail("throttle", "DeleteMessageBatch")
    with pytest.raises(QueueError, match="DeleteMessageBatch failed"):
        await dead.replay_messages(100)
    bench.clock.advance(61)
    assert await dead.replay_messages(100) == 1
    assert (bench.counts(), bench.counts("dead")) == ((2, 0), (0, 0))


async def test_a_replayed_message_that_can_be_read_is_delivered(bench: Bench, dead: SqsDeadMessages) -> None:
    await bench.send(1, 2)
    [message] = await bench.take(visibility=600)
    await bury(bench, message["Body"])
    await dead.replay_messages(100)
    queue = SqsQueue(api=bench.api, url=bench.url, visibility=120, clock=bench.clock, metrics=FakeMetrics())
    await queue.receiver.receive_once()
    [parcel] = await queue.receive(10, 1000)
    assert parcel.times == (1, 2)
    bench.account.stopping.set()
    await queue.close()


# --- giving up


async def test_purging_gives_up_all_and_says_how_many(bench: Bench, dead: SqsDeadMessages) -> None:
    await bury(bench, "a", "b", "c")
    assert await dead.purge_messages() == 3
    assert bench.counts("dead") == (0, 0)
    await bury(bench, "d")
    assert await dead.purge_messages() == 1
    assert bench.counts("dead") == (1, 0)


async def test_a_purge_that_fails_is_an_error(bench: Bench, dead: SqsDeadMessages) -> None:
    bench.fail("throttle", "PurgeQueue")
    with pytest.raises(QueueError, match="PurgeQueue failed"):
        await dead.purge_messages()


# --- the commands


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(SqsEndpoint()) as served:
        yield served


Memtrace = Callable[..., tuple[int, str, str]]


@pytest.fixture
def memtrace(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Memtrace:
    """Runs a command with a queue: its exit code, and what it printed and warned of."""
    url = served.run(served.endpoint.create("q", dead="dead"))
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "HOME": str(tmp_path),
        "MEMTRACE_MASTER_KEY": base64.b64encode(b"k" * 32).decode(),
        "MEMTRACE_AUTH_DB_PATH": str(tmp_path / "memtrace.db"),
        "MEMTRACE_QUEUE_URL": url,
        "MEMTRACE_QUEUE_DEAD_LETTER_URL": url.removesuffix("/q") + "/dead",
        "AWS_ENDPOINT_URL_SQS": served.endpoint.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def put(served: Served, body: str) -> None:
    account = served.endpoint.account
    served.run(account.call("SendMessage", {"QueueUrl": account.url_of("dead"), "MessageBody": body}))


def test_dead_letters_are_listed_apart_from_messages(served: Served, memtrace: Memtrace) -> None:
    put(served, "s3cret")
    code, out, _ = memtrace("dead", "list")
    assert code == 0
    letters, _, messages = out.partition("\n\n")
    assert letters == "no dead letters"
    assert "messages that nobody could read" in messages
    assert "this is no message of Memtrace" in messages
    assert "6 bytes" in messages
    assert "s3cret" not in out


def test_scripts_get_one_kind_at_a_time(served: Served, memtrace: Memtrace) -> None:
    put(served, "s3cret")
    assert json.loads(memtrace("dead", "list", "--json")[1]) == []
    [message] = json.loads(memtrace("dead", "list", "--messages", "--json")[1])
    assert (message["bytes"], message["receives"]) == (6, 1)
    assert set(message) == {"id", "bytes", "size", "sent_at", "receives", "reason"}


def test_messages_are_sent_again_and_given_up(served: Served, memtrace: Memtrace) -> None:
    put(served, "a")
    assert memtrace("dead", "retry", "--messages")[1] == "1 messages were sent to the queue again\n"
    assert served.endpoint.account.queue("q").visible == 1
    put(served, "b")
    assert json.loads(memtrace("dead", "purge", "--messages", "--yes", "--json")[1]) == {"purged": 1}
    assert served.endpoint.account.queue("dead").visible == 0


def test_a_purge_is_asked_about(served: Served, memtrace: Memtrace) -> None:
    put(served, "a")
    code, _, err = memtrace("dead", "purge", "--messages")
    assert code == 1
    assert "not confirmed" in err
    assert served.endpoint.account.queue("dead").visible == 1


@pytest.mark.parametrize("more", [("--org", "org_a"), ("--all",), ("mem_1",)])
def test_messages_are_not_chosen_among(memtrace: Memtrace, more: Any) -> None:
    code, _, err = memtrace("dead", "retry", "--messages", *more)
    assert code == 1
    assert "stands alone" in err


def test_without_a_queue_for_them_there_are_no_messages(
    memtrace: Memtrace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MEMTRACE_QUEUE_DEAD_LETTER_URL")
    assert memtrace("dead", "list")[1] == "no dead letters\n"
    code, _, err = memtrace("dead", "list", "--messages")
    assert code == 1
    assert "queue.dead_letter_url" in err


def test_a_queue_that_fails_hides_no_dead_letters(served: Served, memtrace: Memtrace) -> None:
    served.endpoint.faults.add(Fault("status", "ReceiveMessage", times=-1, status=403, error="AccessDenied"))
    code, out, err = memtrace("dead", "list")
    assert (code, out) == (0, "no dead letters\n")
    assert "cannot be listed: ReceiveMessage failed: AccessDenied" in err
