"""DynamoDB as moto imitates it, in this process, asked as LightAws asks over the wire."""

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.test import Client

from core.adapters.aws.api import Service
from core.adapters.aws.protocol import answer_of, encoded, error_of, request_headers
from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.table import create
from local.cloud import lean

_AUTHORIZATION = "AWS4-HMAC-SHA256 Credential=AKID/20260101/eu-central-1/dynamodb/aws4_request"


class LocalDynamodb:
    """An `AwsApi` without a network. Others have their turn before and after every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        lean.install()
        self._client = Client(create_backend_app("dynamodb"))

    async def call(
        self, service: Service, operation: str, parameters: Mapping[str, Any], timeout: float
    ) -> dict[str, Any]:
        await asyncio.sleep(0)
        self.calls.append((operation, parameters))
        refuse_what_aws_refuses(parameters)
        headers = request_headers(service, operation) | {"Authorization": _AUTHORIZATION}
        answer = self._client.post("/", data=encoded(parameters), headers=headers)
        await asyncio.sleep(0)
        if answer.status_code >= 300:
            raise error_of(answer.status_code, answer.data, named="", date="", now=datetime.now(UTC))
        return answer_of(answer.data)

    async def close(self) -> None:
        pass

    def count(self, operation: str) -> int:
        return sum(one == operation for one, _ in self.calls)


async def fresh_table(api: LocalDynamodb) -> Dynamo:
    """An empty table of its own, also beside other stand-ins of this process: they share all tables."""
    name = f"memtrace-{uuid4().hex}"
    await create(api, name, timeout=60)
    return Dynamo(api, table=name, timeout=60)


def refuse_what_aws_refuses(parameters: Any) -> None:
    """Where moto is laxer: names and values that no expression uses, and two writes of one item."""
    if isinstance(parameters, list):
        for one in parameters:
            refuse_what_aws_refuses(one)
    if not isinstance(parameters, Mapping):
        return
    said = " ".join(text for name, text in parameters.items() if name.endswith("Expression"))
    words = set(re.findall(r"[#:]\w+", said))
    given = {
        *parameters.get("ExpressionAttributeNames", ()),
        *parameters.get("ExpressionAttributeValues", ()),
    }
    assert words == given, f"unused or undefined: {words ^ given}"
    if steps := parameters.get("TransactItems"):
        keys = [_place(write) for step in steps for write in step.values()]
        assert len(set(keys)) == len(keys) <= 100
        refuse_what_aws_refuses([write for step in steps for write in step.values()])
    for tables in (parameters.get("RequestItems") or {}).values():
        assert len(tables.get("Keys", ()) if isinstance(tables, Mapping) else tables) <= 100
        refuse_what_aws_refuses(tables)


def _place(write: Mapping[str, Any]) -> tuple[str, str]:
    item = write.get("Key") or write["Item"]
    return item["pk"]["S"], item["sk"]["S"]
