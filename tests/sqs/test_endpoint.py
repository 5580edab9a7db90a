"""Our endpoint over HTTP: what is no call, connections that have accidents, its own doors, a process."""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from local.sqs.__main__ import main
from local.sqs.endpoint import SqsEndpoint
from local.sqs.faults import Fault
from tests.sqs.served import Served, client, code_of, serving

SRC = Path(__file__).parent.parent.parent / "src"
SIGNED = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "AmazonSQS.ListQueues",
    "x-amz-date": "20260101T000000Z",
    "authorization": "AWS4-HMAC-SHA256 Credential=test, SignedHeaders=host, Signature=00",
}


@pytest.fixture
async def endpoint() -> AsyncIterator[SqsEndpoint]:
    async with SqsEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def http(endpoint: SqsEndpoint) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=endpoint.url) as http:
        yield http


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(SqsEndpoint()) as served:
        yield served


@pytest.fixture
def sqs(served: Served) -> Iterator[Any]:
    boto = client(served.endpoint.url, read_timeout=1)
    yield boto
    boto.close()


@pytest.fixture
def url(served: Served) -> str:
    return served.run(served.endpoint.create("q"))


@pytest.mark.parametrize(
    ("headers", "body", "status", "name"),
    [
        ({}, b"{}", 200, None),
        ({"authorization": ""}, b"{}", 403, "MissingAuthenticationToken"),
        ({"authorization": "AWS4-HMAC-SHA256 Credential=x"}, b"{}", 403, "MissingAuthenticationToken"),
        ({"x-amz-date": None}, b"{}", 400, "IncompleteSignature"),
        ({"x-amz-target": "DynamoDB_20120810.PutItem"}, b"{}", 404, "UnknownOperationException"),
        ({"content-type": "application/json"}, b"{}", 404, "UnknownOperationException"),
        ({}, b"{", 400, "SerializationException"),
        ({}, b"[" * 100_000, 400, "SerializationException"),
        ({}, b"[]", 400, "SerializationException"),
        ({}, b" " * (5 << 20), 413, "RequestEntityTooLarge"),
    ],
)
async def test_a_call_is_looked_at_before_it_is_carried_out(
    http: httpx.AsyncClient, headers: dict[str, str | None], body: bytes, status: int, name: str | None
) -> None:
    sent = {key: value for key, value in (SIGNED | headers).items() if value is not None}
    answer = await http.post("/", headers=sent, content=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/x-amz-json-1.0"
    if name:
        assert answer.json()["__type"] == f"com.amazonaws.sqs#{name}"
        assert answer.headers["x-amzn-query-error"] == f"{name};Sender"


async def test_only_posts_are_calls(http: httpx.AsyncClient) -> None:
    assert (await http.get("/", headers=SIGNED)).status_code == 404


async def test_faults_are_asked_for_at_a_door(http: httpx.AsyncClient) -> None:
    fault = {"kind": "throttle", "operation": "List", "times": 2}
    added = await http.post("/_double/faults", json=fault)
    assert [f["kind"] for f in added.json()["faults"]] == ["throttle"]
    refused = await http.post("/", headers=SIGNED, content=b"{}")
    assert refused.json()["__type"].endswith("#RequestThrottled")
    assert (await http.get("/_double/faults")).json()["faults"][0]["times"] == 1
    assert (await http.delete("/_double/faults")).json() == {"faults": []}
    assert (await http.post("/", headers=SIGNED, content=b"{}")).status_code == 200


@pytest.mark.parametrize("body", [b"{", b'{"kind": "nonsense"}'])
async def test_a_fault_that_cannot_be_read_is_refused(http: httpx.AsyncClient, body: bytes) -> None:
    assert (await http.post("/_double/faults", content=body)).status_code == 400


async def test_the_queues_are_shown_at_a_door(endpoint: SqsEndpoint, http: httpx.AsyncClient) -> None:
    url = await endpoint.create("q", dead="dead")
    await endpoint.account.call("SendMessage", {"QueueUrl": url, "MessageBody": "abc"})
    assert (await http.get("/_double/queues")).json() == {
        "dead": {"visible": 0, "in_flight": 0, "delayed": 0, "bytes": 0},
        "q": {"visible": 1, "in_flight": 0, "delayed": 0, "bytes": 3},
    }


# --- accidents


def sent(served: Served) -> int:
    return served.endpoint.account.queue("q").visible


def test_a_reset_before_anything_was_done(served: Served, sqs: Any, url: str) -> None:
    served.endpoint.faults.add(Fault("reset", "SendMessage"))
    with pytest.raises(ConnectionClosedError):
        sqs.send_message(QueueUrl=url, MessageBody="a")
    assert sent(served) == 0


def test_a_reset_after_it_was_done(served: Served, sqs: Any, url: str) -> None:
    served.endpoint.faults.add(Fault("reset_after", "SendMessage"))
    with pytest.raises(ConnectionClosedError):
        sqs.send_message(QueueUrl=url, MessageBody="a")
    assert sent(served) == 1


@pytest.mark.parametrize(("kind", "done"), [("slow", 0), ("slow_after", 1)])
def test_an_answer_that_does_not_come(served: Served, sqs: Any, url: str, kind: Any, done: int) -> None:
    served.endpoint.faults.add(Fault(kind, "SendMessage"))
    with pytest.raises(ReadTimeoutError):
        sqs.send_message(QueueUrl=url, MessageBody="a")
    assert sent(served) == done


@pytest.mark.parametrize("kind", ["slow", "slow_after"])
def test_a_late_answer_comes(served: Served, sqs: Any, url: str, kind: Any) -> None:
    served.endpoint.faults.add(Fault(kind, "SendMessage", seconds=0.05))
    assert sqs.send_message(QueueUrl=url, MessageBody="a")["MessageId"]
    assert sent(served) == 1


async def test_garbage_instead_of_an_answer(http: httpx.AsyncClient, endpoint: SqsEndpoint) -> None:
    endpoint.faults.add(Fault("garbage"))
    answer = await http.post("/", headers=SIGNED, content=b"{}")
    assert (answer.status_code, answer.content[:6]) == (200, b"<html>")


def test_a_fault_of_the_service(served: Served, sqs: Any, url: str) -> None:
    served.endpoint.faults.add(Fault("status", "SendMessage", status=503, error="ServiceUnavailable"))
    with pytest.raises(ClientError) as caught:
        sqs.send_message(QueueUrl=url, MessageBody="a")
    assert code_of(caught.value) == "ServiceUnavailable"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503


def test_messages_outlive_an_endpoint_that_is_gone_for_a_while(served: Served, sqs: Any, url: str) -> None:
    sqs.send_message(QueueUrl=url, MessageBody="a")
    served.run(served.endpoint.refuse())
    served.run(served.endpoint.refuse())
    with pytest.raises(EndpointConnectionError):
        sqs.send_message(QueueUrl=url, MessageBody="b")
    served.run(served.endpoint.accept())
    assert [m["Body"] for m in sqs.receive_message(QueueUrl=url)["Messages"]] == ["a"]


# --- a process


async def test_it_runs_as_a_process_until_it_is_told_to_stop() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "local.sqs", "--queue", "q", "--dead-letters", "dead", "--most-receives", "7",
        cwd=SRC, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        base = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
        async with httpx.AsyncClient(base_url=base) as http:
            target = SIGNED | {"x-amz-target": "AmazonSQS.GetQueueAttributes"}
            asked = {"QueueUrl": f"{base}/000000000000/q", "AttributeNames": ["RedrivePolicy"]}
            answer = await http.post("/", headers=target, content=json.dumps(asked))
        policy = json.loads(answer.json()["Attributes"]["RedrivePolicy"])
        assert policy["maxReceiveCount"] == 7
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 20) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=f"cannot serve on 127.0.0.1:{port}"):
            main(["--port", str(port)])
