"""The artifact with the template's own variables, on table, queues and secret made as the template says."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import pytest

from core.model.envelope import unpack
from tests.aws.moto_server import served_moto
from tests.packaging.lambdas import Sealed, invoked
from tests.template.stack import Stack, variables

_STACK: Final = Stack.of(LogLevel="debug")
_ADMIN: Final = "handlers.lambda_admin.handler"
_EDGE: Final = "handlers.lambda_api.handler"


@dataclass(frozen=True)
class Made:
    """What a deployment would find."""

    reach: dict[str, str]
    """The variables that lead to this AWS."""
    ids: dict[str, str]
    """Logical id → what `Ref` is then."""

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=self.reach["AWS_REGION"],
            endpoint_url=self.reach["AWS_ENDPOINT_URL"],
            aws_access_key_id=self.reach["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.reach["AWS_SECRET_ACCESS_KEY"],
        )

    def environ(self, function: str) -> dict[str, str]:
        """A function's variables, as CloudFormation would fill them in."""
        given = variables(_STACK.one(function))
        filled = {name: self.ids[v["Ref"]] if isinstance(v, dict) else str(v) for name, v in given.items()}
        return {**self.reach, **filled}


def made(reach: dict[str, str]) -> Made:
    here = Made(reach, {})
    table, queue, secret = _STACK.one("Table"), _STACK.one("Queue"), _STACK.one("MasterKey")
    here.client("dynamodb").create_table(
        TableName="memtrace-table",
        **{name: table[name] for name in ("BillingMode", "AttributeDefinitions", "KeySchema")},
    )
    sqs = here.client("sqs")
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    attributes = {"VisibilityTimeout": str(queue["VisibilityTimeout"])}
    url = sqs.create_queue(QueueName="queue", Attributes=attributes)["QueueUrl"]
    rules = {k: v for k, v in secret["GenerateSecretString"].items() if k.startswith(("Exclude", "Password"))}
    secrets = here.client("secretsmanager")
    drawn = secrets.get_random_password(**rules)["RandomPassword"]
    kept = json.dumps({secret["GenerateSecretString"]["GenerateStringKey"]: drawn})
    arn = secrets.create_secret(Name="key", SecretString=kept)["ARN"]
    return Made(reach, {"Table": "memtrace-table", "Queue": url, "DeadLetterQueue": dead, "MasterKey": arn})


@pytest.fixture
def aws() -> Iterator[Made]:
    with served_moto() as reach:
        yield made(reach)


def _answer(payload: bytes) -> Any:
    answer = json.loads(payload)
    assert answer["exit_code"] == 0, answer
    return json.loads(answer["output"])


async def test_a_deployment_goes_from_nothing_to_a_first_memory_in_the_queue(
    sealed: Sealed, aws: Made, tmp_path: Path
) -> None:
    admin = sealed.code(_ADMIN, tmp_path, aws.environ("AdminFunction"))

    async def told(*arguments: str) -> Any:
        event = {"arguments": [*arguments, "--json"], "input": "arc-key\n", "confirmed": True}
        (outcome,) = await invoked(admin, event)
        return _answer(outcome.payload)

    org = (await told("org", "create", "acme"))["id"]
    await told("org", "add-arc", org, "--url", "https://arc.invalid", "--database", "acme", "--api-key", "-")
    key = (await told("key", "create", "--org", org, "--name", "first"))["key"]

    event = {
        "resource": "/{proxy+}",
        "path": "/api/v1/memories",
        "httpMethod": "POST",
        "headers": {"x-api-key": key, "content-type": "application/json"},
        "multiValueHeaders": {"x-api-key": [key], "content-type": ["application/json"]},
        "pathParameters": {"proxy": "api/v1/memories"},
        "requestContext": {"requestId": "r1", "stage": "live", "identity": {"sourceIp": "192.0.2.7"}},
        "body": json.dumps({"agent_id": "crawler", "content": "the first memory"}),
        "isBase64Encoded": False,
    }
    edge = sealed.code(_EDGE, tmp_path, aws.environ("EdgeFunction"))
    (outcome,) = await invoked(edge, event)
    answer = json.loads(outcome.payload)
    assert answer["statusCode"] == 201, (answer, edge.log.read_text())

    received = await asyncio.to_thread(
        aws.client("sqs").receive_message, QueueUrl=aws.ids["Queue"], MaxNumberOfMessages=10
    )
    (message,) = received["Messages"]
    parcel = unpack(message["Body"])
    assert b"the first memory" in parcel.lines
    log = edge.log.read_text()
    assert "memtrace_writes_total" in log
    assert key not in log
    assert "the first memory" not in log
