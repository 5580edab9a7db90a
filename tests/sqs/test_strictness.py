"""Where our endpoint is as strict as AWS, and moto is not; by a clock that tests move."""

import asyncio
import base64
import json
from typing import Any

import pytest

from local.sqs import account as accounts
from local.sqs.account import Account
from local.sqs.faults import KINDS, Fault, Faults
from local.sqs.refusals import Refusal
from tests.clock import ManualClock

MIB = 1 << 20


@pytest.fixture
def account(clock: ManualClock) -> Account:
    return Account(clock=clock, faults=Faults())


@pytest.fixture
async def url(account: Account) -> str:
    return await made(account, "q")


async def made(account: Account, name: str, **attributes: str) -> str:
    answer = await account.call("CreateQueue", {"QueueName": name, "Attributes": attributes})
    return str(answer["QueueUrl"])


async def refused(account: Account, operation: str, **given: Any) -> str:
    with pytest.raises(Refusal) as caught:
        await account.call(operation, given)
    return caught.value.name


async def send(account: Account, url: str, body: str = "a", **more: Any) -> str:
    answer = await account.call("SendMessage", {"QueueUrl": url, "MessageBody": body, **more})
    return str(answer["MessageId"])


async def receive(account: Account, url: str, **more: Any) -> list[dict[str, Any]]:
    given = {"QueueUrl": url, "MaxNumberOfMessages": 10, "AttributeNames": ["All"], **more}
    found: list[dict[str, Any]] = (await account.call("ReceiveMessage", given)).get("Messages", [])
    return found


async def numbers(account: Account, url: str) -> tuple[int, int, int]:
    """Visible, in flight, delayed."""
    names = ["", "NotVisible", "Delayed"]
    names = [f"ApproximateNumberOfMessages{name}" for name in names]
    answer = await account.call("GetQueueAttributes", {"QueueUrl": url, "AttributeNames": names})
    a, b, c = (int(answer["Attributes"][name]) for name in names)
    return a, b, c


# --- what may be sent


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({}, "MissingParameter"),
        ({"MessageBody": ""}, "InvalidParameterValue"),
        ({"MessageBody": 7}, "SerializationException"),
        ({"MessageBody": "a\0b"}, "InvalidMessageContents"),
        ({"MessageBody": "a\x1fb"}, "InvalidMessageContents"),
        ({"MessageBody": "a\ufffe"}, "InvalidMessageContents"),
        ({"MessageBody": "a\ud800"}, "InvalidMessageContents"),
        ({"MessageBody": "a", "MessageDeduplicationId": "x"}, "InvalidParameterValue"),
        ({"MessageBody": "a", "MessageGroupId": ""}, "InvalidParameterValue"),
        ({"MessageBody": "a", "MessageGroupId": "a b"}, "InvalidParameterValue"),
        ({"MessageBody": "a", "MessageGroupId": "ä"}, "InvalidParameterValue"),
        ({"MessageBody": "a", "MessageGroupId": "g" * 129}, "InvalidParameterValue"),
        ({"MessageBody": "a", "DelaySeconds": 901}, "InvalidParameterValue"),
        ({"MessageBody": "a", "DelaySeconds": True}, "SerializationException"),
        ({"MessageBody": "a", "MessageAttributes": []}, None),
        ({"MessageBody": "a", "MessageAttributes": [1]}, "SerializationException"),
    ],
)
async def test_messages_are_looked_at_closely(
    account: Account, url: str, given: dict[str, Any], name: str | None
) -> None:
    if name is None:
        await account.call("SendMessage", {"QueueUrl": url, **given})
    else:
        assert await refused(account, "SendMessage", QueueUrl=url, **given) == name


async def test_the_ends_of_what_xml_takes_are_taken(account: Account, url: str) -> None:
    body = "\t\n\r \ud7ff\ue000\ufffd\U00010000\U0010ffff"
    await send(account, url, body, MessageGroupId="!~" * 64, DelaySeconds=0)
    assert [m["Body"] for m in await receive(account, url)] == [body]


STRING = {"DataType": "String", "StringValue": "x"}


@pytest.mark.parametrize(
    "attributes",
    [
        {f"a{n}": STRING for n in range(11)},
        {"": STRING},
        {".a": STRING},
        {"a.": STRING},
        {"a..b": STRING},
        {"AWS.x": STRING},
        {"amazon.x": STRING},
        {"a b": STRING},
        {"a": {"DataType": "Text", "StringValue": "x"}},
        {"a": {"DataType": "String", "StringValue": ""}},
        {"a": {"DataType": "String", "StringValue": "\0"}},
        {"a": {"DataType": "Binary", "StringValue": "x"}},
        {"a": {"StringValue": "x"}},
        {"a": "x"},
    ],
    ids=str,
)
async def test_attributes_are_looked_at_closely(
    account: Account, url: str, attributes: dict[str, Any]
) -> None:
    given = {"QueueUrl": url, "MessageBody": "a", "MessageAttributes": attributes}
    assert await refused(account, "SendMessage", **given) == "InvalidParameterValue"


async def test_a_binary_attribute_is_base64(account: Account, url: str) -> None:
    attributes = {"a": {"DataType": "Binary", "BinaryValue": "?"}}
    given = {"QueueUrl": url, "MessageBody": "a", "MessageAttributes": attributes}
    assert await refused(account, "SendMessage", **given) == "SerializationException"


async def test_attributes_count_in_the_size_of_a_message(account: Account, url: str) -> None:
    attributes = {
        "name": STRING,
        "raw": {"DataType": "Binary", "BinaryValue": base64.b64encode(b"12").decode()},
    }
    taken = MIB - len("name" + "String" + "x") - len("raw" + "Binary" + "12")
    await send(account, url, "b" * taken, MessageAttributes=attributes)
    given = {"QueueUrl": url, "MessageBody": "b" * (taken + 1), "MessageAttributes": attributes}
    assert await refused(account, "SendMessage", **given) == "InvalidParameterValue"


async def test_attributes_count_in_the_size_of_a_batch(account: Account, url: str) -> None:
    entry = {"Id": "0", "MessageBody": "b" * (MIB - 11), "MessageAttributes": {"name": STRING}}
    answer = await account.call("SendMessageBatch", {"QueueUrl": url, "Entries": [entry]})
    assert len(answer["Successful"]) == 1
    more = {"QueueUrl": url, "Entries": [entry, {"Id": "1", "MessageBody": "b"}]}
    assert await refused(account, "SendMessageBatch", **more) == "BatchRequestTooLong"


async def test_one_wrong_entry_fails_alone(account: Account, url: str) -> None:
    entries = [{"Id": "0", "MessageBody": "a"}, {"Id": "1", "MessageBody": ""}]
    answer = await account.call("SendMessageBatch", {"QueueUrl": url, "Entries": entries})
    assert [one["Id"] for one in answer["Successful"]] == ["0"]
    [failed] = answer["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("1", "InvalidParameterValue", True)


async def test_a_queue_may_take_less_than_one_mebibyte(account: Account) -> None:
    url = await made(account, "small", MaximumMessageSize="1024")
    await send(account, url, "b" * 1_024)
    assert await refused(account, "SendMessage", QueueUrl=url, MessageBody="b" * 1_025)


async def test_entries_that_are_no_objects_are_refused(account: Account, url: str) -> None:
    assert await refused(account, "DeleteMessageBatch", QueueUrl=url, Entries=[7]) == "SerializationException"


async def test_what_does_not_fit_into_memory_is_refused(
    account: Account, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "MOST_HELD", 10)
    await send(account, url, "b" * 10)
    assert await refused(account, "SendMessage", QueueUrl=url, MessageBody="b") == "ServiceUnavailable"


# --- receipts


async def test_an_old_receipt_deletes_nothing(account: Account, url: str, clock: ManualClock) -> None:
    await send(account, url)
    [first] = await receive(account, url)
    clock.advance(31)
    [second] = await receive(account, url)
    await account.call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"]})
    assert await numbers(account, url) == (0, 1, 0)
    await account.call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": second["ReceiptHandle"]})
    assert await numbers(account, url) == (0, 0, 0)


async def test_the_newest_receipt_deletes_also_what_is_visible_again(
    account: Account, url: str, clock: ManualClock
) -> None:
    await send(account, url)
    [first] = await receive(account, url)
    clock.advance(31)
    await account.call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"]})
    assert await receive(account, url) == []
    assert await numbers(account, url) == (0, 0, 0)


async def test_visibility_of_what_is_not_in_flight_is_not_changed(
    account: Account, url: str, clock: ManualClock
) -> None:
    await send(account, url)
    [first] = await receive(account, url)
    clock.advance(31)
    change = {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 60}
    assert await refused(account, "ChangeMessageVisibility", **change) == "MessageNotInflight"


async def test_an_old_receipt_changes_no_visibility(account: Account, url: str, clock: ManualClock) -> None:
    await send(account, url)
    [first] = await receive(account, url)
    clock.advance(31)
    [second] = await receive(account, url)
    old = {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 60}
    assert await refused(account, "ChangeMessageVisibility", **old) == "InvalidParameterValue"
    await account.call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": second["ReceiptHandle"]})
    assert await refused(account, "ChangeMessageVisibility", **old) == "InvalidParameterValue"


async def test_visibility_that_is_extended_counts_from_now(
    account: Account, url: str, clock: ManualClock
) -> None:
    await send(account, url)
    [first] = await receive(account, url)
    clock.advance(20)
    change = {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 30}
    await account.call("ChangeMessageVisibility", change)
    clock.advance(29)
    assert await receive(account, url) == []
    clock.advance(1)
    assert len(await receive(account, url)) == 1


async def test_nothing_is_hidden_longer_than_twelve_hours_in_all(
    account: Account, url: str, clock: ManualClock
) -> None:
    await send(account, url)
    [first] = await receive(account, url, VisibilityTimeout=43_000)
    clock.advance(42_000)
    change = {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 1_201}
    assert await refused(account, "ChangeMessageVisibility", **change) == "InvalidParameterValue"
    await account.call("ChangeMessageVisibility", {**change, "VisibilityTimeout": 1_200})


@pytest.mark.parametrize(
    ("operation", "given", "name"),
    [
        ("DeleteMessage", {}, "MissingParameter"),
        ("DeleteMessage", {"ReceiptHandle": ""}, "MissingParameter"),
        ("DeleteMessage", {"ReceiptHandle": 7}, "SerializationException"),
        ("DeleteMessage", {"ReceiptHandle": "?"}, "ReceiptHandleIsInvalid"),
        (
            "DeleteMessage",
            {"ReceiptHandle": base64.b64encode(b"other x 1").decode()},
            "ReceiptHandleIsInvalid",
        ),
        ("DeleteMessage", {"ReceiptHandle": base64.b64encode(b"q x y").decode()}, "ReceiptHandleIsInvalid"),
        ("ChangeMessageVisibility", {"ReceiptHandle": "x"}, "MissingParameter"),
        ("ReceiveMessage", {"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
        ("ReceiveMessage", {"WaitTimeSeconds": 21}, "InvalidParameterValue"),
        ("ReceiveMessage", {"AttributeNames": "All"}, None),
    ],
)
async def test_what_is_wrong_with_a_call_is_named(
    account: Account, url: str, operation: str, given: dict[str, Any], name: str | None
) -> None:
    if name is None:
        await send(account, url)
        name = "SerializationException"
    assert await refused(account, operation, QueueUrl=url, **given) == name


async def test_a_queue_is_meant_by_its_whole_path(account: Account) -> None:
    await made(account, "q")
    for url in ("http://x/000000000000/p", "http://x/123456789012/q", "q", "http://x"):
        assert await refused(account, "PurgeQueue", QueueUrl=url) == "QueueDoesNotExist"
    assert await refused(account, "PurgeQueue") == "MissingParameter"
    assert await account.call("PurgeQueue", {"QueueUrl": "https://elsewhere/000000000000/q"}) == {}


# --- how much, and how long


async def test_more_in_flight_than_allowed_is_refused(clock: ManualClock) -> None:
    account = Account(clock=clock, faults=Faults(), most_in_flight=3)
    url = await made(account, "q")
    for _ in range(5):
        await send(account, url)
    assert len(await receive(account, url)) == 3
    assert await refused(account, "ReceiveMessage", QueueUrl=url) == "OverLimit"
    clock.advance(31)
    assert len(await receive(account, url)) == 3


async def test_what_is_too_old_is_gone(account: Account, clock: ManualClock) -> None:
    url = await made(account, "q", MessageRetentionPeriod="60")
    await send(account, url)
    clock.advance(60)
    assert await receive(account, url) == []
    assert await numbers(account, url) == (0, 0, 0)


async def test_a_queue_can_delay_all_that_is_sent(account: Account, clock: ManualClock) -> None:
    url = await made(account, "q", DelaySeconds="10")
    await send(account, url)
    await send(account, url, "b", DelaySeconds=0)
    assert await numbers(account, url) == (1, 0, 1)
    clock.advance(10)
    assert [m["Body"] for m in await receive(account, url)] == ["b", "a"]


async def test_a_dead_message_says_where_it_died(account: Account, clock: ManualClock) -> None:
    dead = await made(account, "dead")
    policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 1}
    url = await made(account, "q", RedrivePolicy=json.dumps(policy))
    id_ = await send(account, url)
    await receive(account, url)
    clock.advance(31)
    assert await receive(account, url) == []
    [moved] = await receive(account, dead)
    assert moved["MessageId"] == id_
    assert moved["Attributes"]["DeadLetterQueueSourceArn"].endswith(":q")
    assert moved["Attributes"]["ApproximateReceiveCount"] == "2"


async def test_a_dead_message_without_its_queue_is_lost(account: Account, clock: ManualClock) -> None:
    policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:nobody", "maxReceiveCount": 1}
    url = await made(account, "q", RedrivePolicy=json.dumps(policy))
    await send(account, url)
    await receive(account, url, VisibilityTimeout=0)
    assert await receive(account, url) == []
    assert await numbers(account, url) == (0, 0, 0)


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"VisibilityTimeout": "43201"}, "InvalidAttributeValue"),
        ({"VisibilityTimeout": "x"}, "InvalidAttributeValue"),
        ({"VisibilityTimeout": 5}, "SerializationException"),
        ({"SqsManagedSseEnabled": "maybe"}, "InvalidAttributeValue"),
        ({"Nonsense": "1"}, "InvalidAttributeName"),
        ({"FifoQueue": "true"}, "InvalidAttributeName"),
        ({"RedrivePolicy": "{"}, "InvalidAttributeValue"),
        ({"RedrivePolicy": "{}"}, "InvalidAttributeValue"),
        (
            {"RedrivePolicy": '{"maxReceiveCount": 0, "deadLetterTargetArn": "arn:aws:sqs:a:b:c"}'},
            "InvalidAttributeValue",
        ),
        (
            {"RedrivePolicy": '{"maxReceiveCount": 1, "deadLetterTargetArn": "dead"}'},
            "InvalidAttributeValue",
        ),
    ],
)
async def test_attributes_of_queues_are_looked_at(
    account: Account, url: str, attributes: dict[str, Any], name: str
) -> None:
    assert await refused(account, "SetQueueAttributes", QueueUrl=url, Attributes=attributes) == name


async def test_a_redrive_policy_can_be_taken_away(account: Account, url: str) -> None:
    policy = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:000000000000:dead", "maxReceiveCount": 1}
    for value in (json.dumps(policy), ""):
        await account.call(
            "SetQueueAttributes", {"QueueUrl": url, "Attributes": {"RedrivePolicy": value, "Policy": "{}"}}
        )
    await send(account, url)
    assert [len(await receive(account, url, VisibilityTimeout=0)) for _ in range(3)] == [1, 1, 1]


async def test_names_of_queues_are_looked_at(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await refused(account, "CreateQueue", QueueName="a.fifo") == "InvalidParameterValue"
    monkeypatch.setattr(accounts, "MOST_QUEUES", 1)
    await made(account, "a")
    assert await refused(account, "CreateQueue", QueueName="b") == "OverLimit"


async def test_a_purge_takes_what_is_in_flight_and_may_come_again_after_a_minute(
    account: Account, url: str, clock: ManualClock
) -> None:
    for delay in (0, 0, 5):
        await send(account, url, DelaySeconds=delay)
    await receive(account, url, MaxNumberOfMessages=1)
    await account.call("PurgeQueue", {"QueueUrl": url})
    assert await numbers(account, url) == (0, 0, 0)
    clock.advance(60)
    await account.call("PurgeQueue", {"QueueUrl": url})
    assert await receive(account, url) == []


async def test_a_long_poll_ends_when_something_is_shown_again(
    account: Account, url: str, clock: ManualClock
) -> None:
    await send(account, url)
    await receive(account, url)
    polling = asyncio.create_task(receive(account, url, WaitTimeSeconds=20))
    await asyncio.sleep(0)
    clock.advance(31)
    assert len(await polling) == 1


async def test_a_long_poll_ends_with_the_endpoint(account: Account, url: str) -> None:
    polling = asyncio.create_task(receive(account, url, WaitTimeSeconds=20))
    await asyncio.sleep(0)
    account.stopping.set()
    assert await polling == []


async def test_a_deep_queue_is_as_fast_as_a_shallow_one(account: Account, url: str) -> None:
    """Nothing looks at all messages: a million looks would take longer than the test may."""
    for n in range(20_000):
        await send(account, url, f"{n}")
    seen = []
    for _ in range(2_000):
        found = await receive(account, url)
        seen += [m["Body"] for m in found]
        for message in found:
            await account.call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]})
    assert seen == [str(n) for n in range(20_000)]


# --- faults that are no accident of a connection


async def test_a_duplicate_is_given_twice_and_its_first_receipt_is_old(account: Account, url: str) -> None:
    account.faults.add(Fault("duplicate", "ReceiveMessage"))
    await send(account, url)
    [first] = await receive(account, url)
    [second] = await receive(account, url)
    assert first["MessageId"] == second["MessageId"]
    await account.call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"]})
    assert await numbers(account, url) == (0, 1, 0)


async def test_a_receipt_may_be_old_from_the_start(account: Account, url: str, clock: ManualClock) -> None:
    account.faults.add(Fault("stale", "ReceiveMessage"))
    await send(account, url)
    [first] = await receive(account, url)
    await account.call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"]})
    assert await receive(account, url) == []
    clock.advance(31)
    assert len(await receive(account, url)) == 1


async def test_a_receive_may_find_nothing(account: Account, url: str) -> None:
    account.faults.add(Fault("empty", "ReceiveMessage"))
    await send(account, url)
    assert [len(await receive(account, url)) for _ in range(2)] == [0, 1]


async def test_a_message_may_come_late(account: Account, url: str, clock: ManualClock) -> None:
    account.faults.add(Fault("delay", "SendMessage", seconds=5))
    await send(account, url)
    assert await receive(account, url) == []
    clock.advance(5)
    assert len(await receive(account, url)) == 1


async def test_a_deleted_message_may_come_again(account: Account, url: str, clock: ManualClock) -> None:
    account.faults.add(Fault("undead", "DeleteMessage"))
    await send(account, url)
    [first] = await receive(account, url)
    await account.call("DeleteMessage", {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"]})
    clock.advance(31)
    assert len(await receive(account, url)) == 1


@pytest.mark.parametrize("ours", [True, False])
async def test_every_second_entry_may_fail(account: Account, url: str, ours: bool) -> None:
    account.faults.add(Fault("partial", "SendMessageBatch", ours=ours))
    entries = [{"Id": str(n), "MessageBody": "a"} for n in range(5)]
    answer = await account.call("SendMessageBatch", {"QueueUrl": url, "Entries": entries})
    assert [one["Id"] for one in answer["Successful"]] == ["1", "3"]
    assert [(one["Id"], one["SenderFault"]) for one in answer["Failed"]] == [(i, ours) for i in "024"]
    assert await numbers(account, url) == (2, 0, 0)


async def test_a_call_may_be_throttled_or_fail(account: Account, url: str) -> None:
    account.faults.add(Fault("throttle", times=2))
    account.faults.add(Fault("status", status=503, error="ServiceUnavailable"))
    names = [await refused(account, "ListQueues") for _ in range(3)]
    assert names == ["RequestThrottled", "RequestThrottled", "ServiceUnavailable"]
    assert await account.call("ListQueues", {}) == {"QueueUrls": [url]}


async def test_a_fault_waits_for_the_call_it_is_meant_for(account: Account, url: str) -> None:
    account.faults.add(Fault("throttle", "PurgeQueue", times=-1))
    await send(account, url)
    for _ in range(3):
        assert await refused(account, "PurgeQueue", QueueUrl=url) == "RequestThrottled"
    account.faults.clear()
    await account.call("PurgeQueue", {"QueueUrl": url})


async def test_an_unknown_operation_is_refused(account: Account) -> None:
    assert await refused(account, "StartMessageMoveTask") == "UnknownOperationException"
    assert len(KINDS) == len(set(KINDS))
