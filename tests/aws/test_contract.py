"""What both transports promise, over moto: equal calls, equal answers, equal errors."""

import uuid
from typing import Any

import pytest

from core.adapters.aws.api import AwsApi, AwsError, Service

BYTES = bytes(range(256))
ITEM: dict[str, Any] = {
    "pk": {"S": "a"},
    "sk": {"S": "b"},
    "raw": {"B": BYTES},
    "empty": {"B": b""},
    "raws": {"BS": [b"one", b"two\xff"]},
    "number": {"N": "12345678901234567890123456789012345678"},
    "fraction": {"N": "1.5"},
    "numbers": {"NS": ["1"]},
    "texts": {"SS": ["x"]},
    "no": {"NULL": True},
    "yes": {"BOOL": True},
    "text": {"S": 'äöü \U0001f600 "quoted" \\ \u2028'},
    "list": {"L": [{"B": b"in a list"}, {"N": "7"}, {"L": []}]},
    # Attributes named as types are, which must not be taken for them.
    "B": {"S": "bm90IGJ5dGVz"},
    "BS": {"L": [{"S": "YQ=="}]},
    "map": {"M": {"B": {"S": "YWJj"}, "BS": {"SS": ["YWJj"]}, "deep": {"B": b"\x00"}}},
}


async def call(aws: AwsApi, service: Service, operation: str, **parameters: Any) -> dict[str, Any]:
    return await aws.call(service, operation, parameters, 10)


@pytest.fixture
async def table(aws: AwsApi) -> str:
    name = f"memtrace-{uuid.uuid4().hex}"
    await call(
        aws,
        "dynamodb",
        "CreateTable",
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
    )
    return name


@pytest.fixture
async def queue(aws: AwsApi) -> str:
    made = await call(aws, "sqs", "CreateQueue", QueueName=f"q-{uuid.uuid4().hex}")
    return str(made["QueueUrl"])


async def test_an_item_comes_back_as_it_was_put(aws: AwsApi, table: str) -> None:
    await call(aws, "dynamodb", "PutItem", TableName=table, Item=ITEM)
    key = {"pk": ITEM["pk"], "sk": ITEM["sk"]}
    got = await call(aws, "dynamodb", "GetItem", TableName=table, Key=key, ConsistentRead=True)
    got["Item"]["raws"]["BS"].sort()
    assert got == {"Item": ITEM}


async def test_an_item_that_is_not_there_is_no_member(aws: AwsApi, table: str) -> None:
    key = {"pk": {"S": "nobody"}, "sk": {"S": "b"}}
    assert await call(aws, "dynamodb", "GetItem", TableName=table, Key=key) == {}


async def test_a_query_answers_items_and_where_it_stopped(aws: AwsApi, table: str) -> None:
    for sk in ("1", "2", "3"):
        item = {"pk": {"S": "p"}, "sk": {"S": sk}, "raw": {"B": sk.encode()}}
        await call(aws, "dynamodb", "PutItem", TableName=table, Item=item)
    got = await call(
        aws,
        "dynamodb",
        "Query",
        TableName=table,
        KeyConditionExpression="pk = :p",
        ExpressionAttributeValues={":p": {"S": "p"}},
        Limit=2,
    )
    assert [item["raw"]["B"] for item in got["Items"]] == [b"1", b"2"]
    assert (got["Count"], got["LastEvaluatedKey"]) == (2, {"pk": {"S": "p"}, "sk": {"S": "2"}})


async def test_a_failed_condition_hands_back_the_item(aws: AwsApi, table: str) -> None:
    await call(aws, "dynamodb", "PutItem", TableName=table, Item={**ITEM, "raws": {"BS": [b"one"]}})
    with pytest.raises(AwsError) as refused:
        await call(
            aws,
            "dynamodb",
            "PutItem",
            TableName=table,
            Item={"pk": ITEM["pk"], "sk": ITEM["sk"]},
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert (refused.value.code, refused.value.status) == ("ConditionalCheckFailedException", 400)
    assert refused.value.text == "The conditional request failed"
    assert refused.value.body == {"Item": {**ITEM, "raws": {"BS": [b"one"]}}}


async def test_a_cancelled_transaction_says_why_and_hands_back_the_winner(aws: AwsApi, table: str) -> None:
    held = {"pk": {"S": "k"}, "sk": {"S": "1"}, "raw": {"B": b"\xfe\xff"}}
    await call(aws, "dynamodb", "PutItem", TableName=table, Item=held)
    puts = [
        {
            "Put": {
                "TableName": table,
                "Item": {"pk": {"S": "k"}, "sk": {"S": sk}},
                "ConditionExpression": "attribute_not_exists(pk)",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }
        for sk in ("0", "1")
    ]
    with pytest.raises(AwsError) as refused:
        await call(aws, "dynamodb", "TransactWriteItems", TransactItems=puts)
    assert refused.value.code == "TransactionCanceledException"
    assert refused.value.body is not None
    reasons = refused.value.body["CancellationReasons"]
    assert [one["Code"] for one in reasons] == ["None", "ConditionalCheckFailed"]
    assert reasons[1]["Item"] == held


async def test_a_table_that_is_not_there_is_named(aws: AwsApi) -> None:
    with pytest.raises(AwsError) as refused:
        await call(aws, "dynamodb", "GetItem", TableName="none", Key={"pk": {"S": "a"}})
    assert (refused.value.code, refused.value.status) == ("ResourceNotFoundException", 400)
    assert str(refused.value).startswith("ResourceNotFoundException: ")


async def test_times_are_numbers(aws: AwsApi, table: str) -> None:
    told = await call(aws, "dynamodb", "DescribeTable", TableName=table)
    assert isinstance(told["Table"]["CreationDateTime"], float | int)


async def test_a_message_comes_back_as_it_was_sent(aws: AwsApi, queue: str) -> None:
    attributes = {
        "v": {"DataType": "String", "StringValue": "1"},
        "packed": {"DataType": "Binary", "BinaryValue": BYTES},
    }
    await call(aws, "sqs", "SendMessage", QueueUrl=queue, MessageBody="body ä", MessageAttributes=attributes)
    got = await call(
        aws,
        "sqs",
        "ReceiveMessage",
        QueueUrl=queue,
        MaxNumberOfMessages=10,
        MessageAttributeNames=["All"],
        MessageSystemAttributeNames=["ApproximateReceiveCount"],
    )
    (message,) = got["Messages"]
    assert message["Body"] == "body ä"
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["ApproximateReceiveCount"] == "1"


async def test_an_empty_queue_answers_without_messages(aws: AwsApi, queue: str) -> None:
    assert "Messages" not in await call(aws, "sqs", "ReceiveMessage", QueueUrl=queue)


async def test_an_operation_without_an_answer_is_an_empty_one(aws: AwsApi, queue: str) -> None:
    assert await call(aws, "sqs", "PurgeQueue", QueueUrl=queue) == {}


async def test_a_queue_that_is_not_there_has_its_new_name(aws: AwsApi, queue: str) -> None:
    with pytest.raises(AwsError) as refused:
        await call(aws, "sqs", "SendMessage", QueueUrl=f"{queue}-none", MessageBody="a")
    assert (refused.value.code, refused.value.status) == ("QueueDoesNotExist", 400)


async def test_a_secret_of_text_or_bytes_comes_back(aws: AwsApi) -> None:
    name = uuid.uuid4().hex
    made = await call(aws, "secretsmanager", "CreateSecret", Name=name, SecretString="a secret")
    got = await call(aws, "secretsmanager", "GetSecretValue", SecretId=made["ARN"])
    assert (got["SecretString"], got["VersionStages"]) == ("a secret", ["AWSCURRENT"])
    await call(aws, "secretsmanager", "PutSecretValue", SecretId=name, SecretBinary=BYTES)
    got = await call(aws, "secretsmanager", "GetSecretValue", SecretId=name)
    assert got["SecretBinary"] == BYTES
