"""What our endpoint and moto have in common, asked by boto3 as it is."""

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.sqs.endpoint import SqsEndpoint
from tests.sqs.served import client, code_of, serving

MIB = 1 << 20
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def our_url() -> Iterator[str]:
    endpoint = SqsEndpoint()
    with serving(endpoint):
        yield endpoint.url


@pytest.fixture(params=["ours", "moto"])
def sqs(request: pytest.FixtureRequest) -> Iterator[Any]:
    boto = client(request.getfixturevalue(f"{request.param}_url".replace("ours", "our")))
    yield boto
    boto.close()


@pytest.fixture
def url(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName=f"queue-{next(NUMBERS)}")["QueueUrl"])


def received(sqs: Any, url: str, **more: Any) -> list[dict[str, Any]]:
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, **more)
    found: list[dict[str, Any]] = answer.get("Messages", [])
    return found


def refused(call: Any, **parameters: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return code_of(caught.value)


# --- queues


def test_a_queue_is_found_by_its_name_and_made_once(sqs: Any) -> None:
    name = f"named-{next(NUMBERS)}"
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "40"})["QueueUrl"]
    assert sqs.get_queue_url(QueueName=name)["QueueUrl"] == url
    assert sqs.list_queues(QueueNamePrefix=name)["QueueUrls"] == [url]
    assert sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "40"})["QueueUrl"] == url
    assert (
        refused(sqs.create_queue, QueueName=name, Attributes={"VisibilityTimeout": "41"})
        == "QueueAlreadyExists"
    )


def test_attributes_are_set_and_shown(sqs: Any, url: str) -> None:
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77"})
    sqs.send_message(QueueUrl=url, MessageBody="a")
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert shown["VisibilityTimeout"] == "77"
    assert shown["MaximumMessageSize"] == str(MIB)
    assert shown["ApproximateNumberOfMessages"] == "1"
    assert shown["ApproximateNumberOfMessagesNotVisible"] == "0"
    some = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    assert some["QueueArn"].startswith("arn:aws:sqs:us-east-1:")
    assert refused(sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["No"]) == "InvalidAttributeName"


def test_a_queue_that_is_not_there_is_named_so(sqs: Any, url: str) -> None:
    assert refused(sqs.send_message, QueueUrl=f"{url}x", MessageBody="a") == "NonExistentQueue"
    assert refused(sqs.get_queue_url, QueueName="nobody") == "NonExistentQueue"


def test_a_purged_queue_is_empty_and_not_purged_again_at_once(sqs: Any, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="a")
    sqs.purge_queue(QueueUrl=url)
    assert received(sqs, url) == []
    assert refused(sqs.purge_queue, QueueUrl=url) == "PurgeQueueInProgress"


# --- there and back


def test_a_message_comes_with_all_that_was_sent(sqs: Any, url: str) -> None:
    text = "zwei\nZeilen\t\U0001f600"
    sent = sqs.send_message(
        QueueUrl=url,
        MessageBody=text,
        MessageGroupId="org_a",
        MessageAttributes={
            "kind": {"DataType": "String", "StringValue": "x"},
            "raw": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
            "size": {"DataType": "Number", "StringValue": "7"},
        },
    )
    [message] = received(sqs, url, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"])
    assert (message["MessageId"], message["Body"]) == (sent["MessageId"], text)
    assert message["MD5OfBody"] == sent["MD5OfMessageBody"]
    assert message["MD5OfMessageAttributes"] == sent["MD5OfMessageAttributes"]
    assert message["MessageAttributes"]["raw"]["BinaryValue"] == b"\x00\xff"
    assert message["MessageAttributes"]["kind"]["StringValue"] == "x"
    assert message["Attributes"]["MessageGroupId"] == "org_a"
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"
    assert int(message["Attributes"]["SentTimestamp"]) > 1_600_000_000_000


def test_attributes_that_nobody_asks_for_do_not_come(sqs: Any, url: str) -> None:
    attribute = {"DataType": "String", "StringValue": "x"}
    sqs.send_message(
        QueueUrl=url, MessageBody="a", MessageAttributes={"kind": attribute, "kind.b": attribute}
    )
    [message] = received(sqs, url, VisibilityTimeout=0)
    assert not {"Attributes", "MessageAttributes"} & set(message)
    [message] = received(sqs, url, MessageSystemAttributeNames=["SentTimestamp"])
    assert list(message["Attributes"]) == ["SentTimestamp"]


def test_a_batch_goes_in_comes_out_and_is_deleted(sqs: Any, url: str) -> None:
    entries = [{"Id": f"e{n}", "MessageBody": f"body {n}", "MessageGroupId": f"org_{n}"} for n in range(10)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=entries)["Successful"]) == 10
    found = received(sqs, url, AttributeNames=["MessageGroupId"])
    assert sorted(m["Body"] for m in found) == [f"body {n}" for n in range(10)]
    assert {m["Attributes"]["MessageGroupId"] for m in found} == {f"org_{n}" for n in range(10)}
    handles = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(found)]
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    assert len(answer["Successful"]) == 10
    shown = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert shown["ApproximateNumberOfMessagesNotVisible"] == "0"


def test_a_long_poll_ends_with_the_first_message(sqs: Any, url: str) -> None:
    later = threading.Timer(0.1, sqs.send_message, kwargs={"QueueUrl": url, "MessageBody": "a"})
    later.start()
    assert [m["Body"] for m in received(sqs, url, WaitTimeSeconds=10)] == ["a"]
    later.join()


def test_a_delayed_message_comes_later(sqs: Any, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="a", DelaySeconds=1)
    assert received(sqs, url) == []
    assert [m["Body"] for m in received(sqs, url, WaitTimeSeconds=5)] == ["a"]


# --- visibility


def test_a_received_message_is_hidden_and_comes_again_with_another_receipt(sqs: Any, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="a")
    [first] = received(sqs, url, VisibilityTimeout=1)
    assert received(sqs, url) == []
    [again] = received(sqs, url, WaitTimeSeconds=5, AttributeNames=["All"])
    assert again["MessageId"] == first["MessageId"]
    assert again["ReceiptHandle"] != first["ReceiptHandle"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_message_that_is_let_go_comes_at_once(sqs: Any, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="a")
    [first] = received(sqs, url)
    entry = {"Id": "0", "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 0}
    assert sqs.change_message_visibility_batch(QueueUrl=url, Entries=[entry])["Successful"] == [{"Id": "0"}]
    assert len(received(sqs, url)) == 1


def test_visibility_longer_than_twelve_hours_is_refused(sqs: Any, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="a")
    [first] = received(sqs, url)
    change = {"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 43_201}
    assert refused(sqs.change_message_visibility, **change) == "InvalidParameterValue"


def test_a_text_that_is_no_receipt_is_refused(sqs: Any, url: str) -> None:
    assert refused(sqs.delete_message, QueueUrl=url, ReceiptHandle="nonsense") == "ReceiptHandleIsInvalid"
    entry = {"Id": "0", "ReceiptHandle": "nonsense"}
    [failed] = sqs.delete_message_batch(QueueUrl=url, Entries=[entry])["Failed"]
    assert (failed["Id"], failed["Code"], failed["SenderFault"]) == ("0", "ReceiptHandleIsInvalid", True)
    entry |= {"VisibilityTimeout": 5}  # type: ignore[dict-item]
    [failed] = sqs.change_message_visibility_batch(QueueUrl=url, Entries=[entry])["Failed"]
    assert failed["Code"] == "ReceiptHandleIsInvalid"


def test_what_was_deleted_may_be_deleted_again(sqs: Any, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="a")
    [first] = received(sqs, url, VisibilityTimeout=0)
    for _ in range(2):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=first["ReceiptHandle"])
    assert received(sqs, url) == []


def test_a_message_received_too_often_goes_to_the_dead_letters(sqs: Any) -> None:
    dead = sqs.create_queue(QueueName=f"dead-{next(NUMBERS)}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})
    url = sqs.create_queue(QueueName=f"live-{next(NUMBERS)}", Attributes={"RedrivePolicy": policy})[
        "QueueUrl"
    ]
    sqs.send_message(QueueUrl=url, MessageBody="a", MessageGroupId="org_a")
    assert [len(received(sqs, url, VisibilityTimeout=0)) for _ in range(3)] == [1, 1, 0]
    [moved] = received(sqs, dead, AttributeNames=["All"])
    assert (moved["Body"], moved["Attributes"]["MessageGroupId"]) == ("a", "org_a")


# --- sizes and batches


def test_a_message_of_one_mebibyte_is_taken_and_one_byte_more_is_not(sqs: Any, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="x" * MIB)
    code = refused(sqs.send_message, QueueUrl=url, MessageBody="x" * (MIB + 1))
    assert code == "InvalidParameterValue"


def test_the_messages_of_a_batch_are_one_mebibyte_together(sqs: Any, url: str) -> None:
    half = [{"Id": str(n), "MessageBody": "x" * (MIB // 2)} for n in range(2)]
    assert len(sqs.send_message_batch(QueueUrl=url, Entries=half)["Successful"]) == 2
    more = [*half, {"Id": "more", "MessageBody": "x"}]
    assert refused(sqs.send_message_batch, QueueUrl=url, Entries=more) == "BatchRequestTooLong"


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "EmptyBatchRequest"),
        ([str(n) for n in range(11)], "TooManyEntriesInBatchRequest"),
        (["a", "a"], "BatchEntryIdsNotDistinct"),
        (["a b"], "InvalidBatchEntryId"),
        (["a" * 81], "InvalidBatchEntryId"),
    ],
)
def test_what_is_no_batch_is_refused(sqs: Any, url: str, ids: list[str], code: str) -> None:
    entries = [{"Id": one, "MessageBody": "x"} for one in ids]
    assert refused(sqs.send_message_batch, QueueUrl=url, Entries=entries) == code
