"""The stand-in for API Gateway: what it makes of a request, and of what a function returns."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from local.gateway.door import MOST_BODY_BYTES, Gateway
from local.gateway.request import Stage
from local.lambda_runtime.outcome import EventTooLarge, Outcome, Throttled, failure

OK = {"statusCode": 200, "headers": {"Content-Type": "text/plain"}, "body": "ok", "isBase64Encoded": False}


class Function:
    """Keeps the last event and answers with what it was told."""

    def __init__(self) -> None:
        self.result: Any = OK
        self.raises: Exception | None = None
        self.event: Any = None
        self.release: asyncio.Event | None = None

    async def invoke(self, payload: bytes, trace: str = "") -> Outcome:
        self.event = json.loads(payload)
        if self.release is not None:
            await self.release.wait()
        if self.raises is not None:
            raise self.raises
        return self.result if isinstance(self.result, Outcome) else Outcome(json.dumps(self.result).encode())


@pytest.fixture
def function() -> Function:
    return Function()


def client(function: Function, stage: Stage | None = None, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Gateway(function, stage, **options))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


@pytest.fixture
async def rest(function: Function) -> AsyncIterator[httpx.AsyncClient]:
    async with client(function, Stage(version=1, name="prod")) as it:
        yield it


@pytest.fixture
async def http(function: Function) -> AsyncIterator[httpx.AsyncClient]:
    async with client(function, Stage(version=2)) as it:
        yield it


async def test_a_rest_api_tells_a_request_in_the_first_form(
    rest: httpx.AsyncClient, function: Function
) -> None:
    answer = await rest.post("/a%2Fb?x=1&x=2&y=%20", content=b"body", headers=[("X-A", "1"), ("x-a", "2")])
    assert (answer.status_code, answer.text) == (200, "ok")
    event = function.event
    assert (event["httpMethod"], event["path"], event["resource"]) == ("POST", "/a%2Fb", "/{proxy+}")
    assert event["queryStringParameters"] == {"x": "2", "y": " "}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [" "]}
    assert event["multiValueHeaders"]["X-A"] == ["1", "2"]
    assert event["headers"]["X-Forwarded-Proto"] == "https"
    assert (event["body"], event["isBase64Encoded"]) == (base64.b64encode(b"body").decode(), True)
    assert event["requestContext"]["requestId"] == answer.headers["x-amzn-requestid"]
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"


async def test_a_rest_api_without_binary_types_tells_text(function: Function) -> None:
    async with client(function, Stage(version=1, binary=False)) as rest:
        await rest.post("/", content=b"body")
    assert (function.event["body"], function.event["isBase64Encoded"]) == ("body", False)


async def test_a_request_without_body_and_parameters_has_none(
    rest: httpx.AsyncClient, function: Function
) -> None:
    await rest.get("/x")
    for name in ("body", "queryStringParameters", "multiValueQueryStringParameters"):
        assert function.event[name] is None


async def test_an_http_api_tells_a_request_in_the_second_form(
    http: httpx.AsyncClient, function: Function
) -> None:
    headers = [("content-type", "application/json"), ("x-a", "1"), ("x-a", "2")]
    await http.put("/a%20b?x=1&x=2", content=b"{}", headers=headers)
    event = function.event
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/a%20b", "x=1&x=2")
    assert event["headers"]["x-a"] == "1,2"
    assert event["queryStringParameters"] == {"x": "1,2"}
    assert (event["body"], event["isBase64Encoded"]) == ("{}", False)
    assert event["requestContext"]["http"]["method"] == "PUT"


async def test_an_http_api_leaves_out_what_is_not_there(http: httpx.AsyncClient, function: Function) -> None:
    await http.get("/x")
    assert "body" not in function.event
    assert "queryStringParameters" not in function.event


async def test_an_http_api_tells_anything_but_text_as_base64(
    http: httpx.AsyncClient, function: Function
) -> None:
    await http.post("/x", content=b"\xff\x00")
    assert base64.b64decode(function.event["body"]) == b"\xff\x00"


@pytest.mark.parametrize("version", [1, 2])
async def test_a_stage_in_the_url_is_told_where_it_belongs(function: Function, version: Any) -> None:
    async with client(function, Stage(version=version, name="prod", is_in_url=True)) as it:
        await it.get("/prod/health")
        path = function.event["path"] if version == 1 else function.event["rawPath"]
        assert path == ("/health" if version == 1 else "/prod/health")
        assert (await it.get("/other/health")).json() == {"message": "Missing Authentication Token"}
        assert (await it.get("/prod")).status_code == 200


async def test_a_body_beyond_ten_megabytes_is_refused(rest: httpx.AsyncClient, function: Function) -> None:
    answer = await rest.post("/", content=b"x" * (MOST_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()) == (413, {"message": "Request Entity Too Large"})
    assert function.event is None


async def test_an_event_too_large_for_lambda_is_refused(rest: httpx.AsyncClient, function: Function) -> None:
    function.raises = EventTooLarge()
    assert (await rest.post("/")).status_code == 413


@pytest.mark.parametrize("version", [1, 2])
async def test_too_many_at_once_are_an_error_of_the_server(function: Function, version: Any) -> None:
    function.raises = Throttled()
    async with client(function, Stage(version=version)) as it:
        assert (await it.get("/")).status_code == 500


@pytest.mark.parametrize(("version", "status"), [(1, 502), (2, 500)])
async def test_a_function_that_fails_is_told_without_its_words(
    function: Function, version: Any, status: int
) -> None:
    function.result = failure("Runtime.ExitError", "secret words")
    async with client(function, Stage(version=version)) as it:
        answer = await it.get("/")
    assert answer.status_code == status
    assert answer.json()["message"].lower() == "internal server error"


async def test_a_stage_as_in_the_template_speaks_as_the_edge_does(function: Function) -> None:
    function.raises = Throttled()
    async with client(function, Stage(is_worded=True, name="prod", is_in_url=True)) as it:
        throttled, elsewhere = await it.get("/prod/x"), await it.get("/x")
        function.raises = EventTooLarge()
        large = await it.post("/prod/x")
        function.raises, function.result = None, {**OK, "statusCode": 413}
        own = await it.post("/prod/x")
    told = throttled.json()
    assert (throttled.status_code, told["code"], throttled.headers["retry-after"]) == (
        500,
        "unavailable",
        "1",
    )
    assert told["request_id"] == throttled.headers["x-request-id"] == throttled.headers["x-amzn-requestid"]
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "not_found")
    assert (large.status_code, large.json()["code"]) == (413, "request_too_large")
    assert (own.status_code, own.text) == (413, "ok"), "what a function says stays as it is"


@pytest.mark.parametrize(("version", "status"), [(1, 504), (2, 503)])
async def test_a_function_that_is_late_is_not_waited_for(
    function: Function, version: Any, status: int
) -> None:
    function.release = asyncio.Event()
    gateway = Gateway(function, Stage(version=version), seconds=0.01)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://g") as it:
        assert (await it.get("/")).status_code == status
    await gateway.close()


async def test_what_is_late_may_fail_unheard(function: Function) -> None:
    function.release, function.raises = asyncio.Event(), Throttled()
    gateway = Gateway(function, seconds=0.01)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gateway), base_url="http://g") as it:
        assert (await it.get("/")).status_code == 504
    function.release.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await gateway.close()


@pytest.mark.parametrize(
    "result",
    [
        "text",
        {},
        {"statusCode": "x"},
        {"statusCode": True},
        {"statusCode": 7},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "headers": {"a": {}}},
        {"statusCode": 200, "multiValueHeaders": {"a": "b"}},
        {"statusCode": 200, "body": {}},
        {"statusCode": 200, "body": "%", "isBase64Encoded": True},
        Outcome(b"no json"),
    ],
)
async def test_a_malformed_result_is_a_bad_gateway(
    rest: httpx.AsyncClient, function: Function, result: Any
) -> None:
    function.result = result
    answer = await rest.get("/")
    assert (answer.status_code, answer.json()) == (502, {"message": "Internal server error"})


async def test_an_http_api_takes_a_result_without_status_for_the_body(
    http: httpx.AsyncClient, function: Function
) -> None:
    function.result = {"anything": 1}
    answer = await http.get("/")
    assert (answer.status_code, answer.json()) == (200, {"anything": 1})


async def test_headers_of_all_kinds_arrive(rest: httpx.AsyncClient, function: Function) -> None:
    function.result = {
        "statusCode": 201,
        "headers": {"X-A": 1, "X-B": True, "X-C": "c", "Content-Length": "7"},
        "multiValueHeaders": {"x-c": ["1", "2"]},
        "cookies": ["k=v"],
        "body": base64.b64encode(b"\x00\xff").decode(),
        "isBase64Encoded": True,
    }
    answer = await rest.get("/")
    assert (answer.headers["x-a"], answer.headers["x-b"]) == ("1", "true")
    assert answer.headers.get_list("x-c") == ["1", "2"]
    assert answer.headers["set-cookie"] == "k=v"
    assert (answer.content, answer.headers["content-length"]) == (b"\x00\xff", "2")


async def test_a_head_tells_the_length_and_sends_nothing(rest: httpx.AsyncClient) -> None:
    answer = await rest.head("/")
    assert (answer.headers["content-length"], answer.content) == ("2", b"")


async def test_a_client_that_hangs_up_early_is_no_fault(function: Function) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await Gateway(function)(scope, receive, send)
    assert sent[0]["status"] == 200
    await Gateway(function)({"type": "lifespan"}, receive, send)
