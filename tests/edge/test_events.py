"""Events taken apart: the recorded ones, and those that nobody should have sent."""

import asyncio
import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mangum import Mangum

from handlers.edge.events import HttpEvent, Malformed, http_event, kind_of, message_ids
from tests.edge.rig import EVENTS, Context

REQUESTS = sorted(p.stem for p in EVENTS.glob("v*.json"))
MEMORIES = "/api/v1/memories"


@pytest.fixture(autouse=True)
def loop() -> Iterator[None]:
    """Mangum makes one, where there is none, and leaves it open."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield
    asyncio.set_event_loop(None)
    made.close()


def recorded(name: str) -> Any:
    return json.loads((EVENTS / f"{name}.json").read_text())


def first(**changes: Any) -> Any:
    return {**recorded("v1-list"), **changes}


def second(**changes: Any) -> Any:
    return {**recorded("v2-list"), **changes}


@pytest.mark.parametrize("name", REQUESTS)
def test_every_recorded_request_is_one(name: str) -> None:
    assert kind_of(recorded(name)) == "http"
    event = http_event(recorded(name))
    assert event.path.startswith(("/api/v1/", "/health", "/mcp"))
    assert event.client_ip == "203.0.113.7"
    assert event.request_id == "7f3c1a52-0b7e-4c7a-9d0e-5a1b2c3d4e5f"
    assert event.headers["x-api-key"] == "mtk_replace_me"
    assert event.version == int(name[1])


@pytest.mark.parametrize(
    ("name", "kind"), [("warm-up", "warm-up"), ("schedule", "warm-up"), ("sqs", "queue")]
)
def test_what_is_no_request_is_told_apart(name: str, kind: str) -> None:
    assert kind_of(recorded(name)) == kind


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "text",
        7,
        {},
        {"Records": "none"},
        {"Records": [{"eventSource": "aws:s3", "messageId": "1"}, 7]},
        {"requestContext": {"elb": {"targetGroupArn": "x"}}, "httpMethod": "GET"},
        {"requestContext": {"connectionId": "websocket"}},
        {"warmup": False},
    ],
)
def test_anything_else_is_unknown(event: Any) -> None:
    assert kind_of(event) == "unknown"


def test_the_scheduler_is_a_warm_up_too() -> None:
    assert kind_of({"source": "aws.scheduler"}) == "warm-up"


def test_the_messages_of_a_queue_are_named() -> None:
    assert message_ids(recorded("sqs")) == ["059f36b4-87a3-44ab-83d2-661975830a7d"]


@pytest.mark.parametrize("name", ["v1-stage-prefix", "v2-stage-prefix", "v1-base-path"])
def test_neither_stage_nor_base_path_is_part_of_the_path(name: str) -> None:
    assert http_event(recorded(name)).path == "/api/v1/me"


def test_the_stage_of_an_http_api_in_the_first_format_is_no_part_either() -> None:
    event = first(path="/prod/health", resource="/health", pathParameters=None)
    event["requestContext"] = {**event["requestContext"], "path": "/prod/health"}
    assert http_event(event).path == "/health"
    event["resource"] = "$default"
    assert http_event(event).path == "/health"


def test_a_path_that_looks_like_the_stage_stays_as_it_is() -> None:
    event = second(rawPath="/production/health")
    event["requestContext"] = {
        **event["requestContext"],
        "stage": "prod",
        "http": {**event["requestContext"]["http"], "path": "/production/health"},
    }
    assert http_event(event).path == "/production/health"


def test_the_stage_alone_is_the_root() -> None:
    event = recorded("v2-stage-prefix") | {"rawPath": "/prod"}
    event["requestContext"]["http"]["path"] = "/prod"
    assert http_event(event).path == "/"


def test_a_route_of_an_http_api_says_where_the_path_begins() -> None:
    event = second(rawPath="/base/api/v1/me", routeKey="ANY /{proxy+}", pathParameters={"proxy": "api/v1/me"})
    assert http_event(event).path == "/api/v1/me"


def test_a_route_with_parameters_that_are_not_told_says_nothing() -> None:
    assert http_event(first(pathParameters=None)).path == MEMORIES
    assert http_event(first(pathParameters={"other": "x"})).path == MEMORIES


def test_an_event_as_sam_generates_it_is_understood() -> None:
    event = first(path="/api/v1/me", pathParameters={"proxy": "/api/v1/me"})
    event["requestContext"] = {**event["requestContext"], "path": "/prod/api/v1/me"}
    assert http_event(event).path == "/api/v1/me"


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ("/api/v1/memories/a%2Fb", "/api/v1/memories/a%2Fb"),
        ("/api/v1/memories/100%", "/api/v1/memories/100%25"),
        ("/api/v1/memories/ä b", "/api/v1/memories/%C3%A4%20b"),
        ("", "/"),
        (None, "/"),
    ],
)
def test_the_path_stays_encoded(sent: str | None, path: str) -> None:
    assert http_event(first(path=sent, pathParameters=None)).path == path
    event = second(rawPath=sent)
    event["requestContext"]["http"]["path"] = sent
    assert http_event(event).path == path


def test_of_a_header_sent_twice_the_last_counts() -> None:
    assert http_event(recorded("v1-multi-value")).headers["x-trace"] == "b"
    assert http_event(recorded("v2-multi-value")).headers["x-trace"] == "a,b"


def test_parameters_sent_twice_both_stay() -> None:
    query = http_event(recorded("v1-multi-value")).query
    assert isinstance(query, dict)
    assert query["limit"] == ["5", "10"]


def test_single_parameters_and_headers_do_where_there_are_no_others() -> None:
    event = first(multiValueHeaders=None, multiValueQueryStringParameters=None)
    event["queryStringParameters"] = {"limit": "3", "flag": None}
    asked = http_event(event)
    assert asked.query == {"limit": ["3"], "flag": [""]}
    assert asked.headers["x-api-key"] == "mtk_replace_me"


def test_without_headers_and_parameters_there_are_none() -> None:
    event = first(multiValueHeaders=None, headers=None, multiValueQueryStringParameters=None)
    event["queryStringParameters"] = None
    asked = http_event(event)
    assert (asked.headers, asked.query) == ({}, {})


def test_a_parameter_without_values_is_empty() -> None:
    assert http_event(first(multiValueQueryStringParameters={"a": None, "b": [None]})).query == {
        "a": [""],
        "b": [""],
    }


@pytest.mark.parametrize(
    "name", ["v1-post-memory", "v1-post-memory-base64", "v2-post-memory", "v2-post-memory-base64"]
)
def test_the_body_is_the_same_however_it_travels(name: str) -> None:
    asked = http_event(recorded(name))
    assert json.loads(asked.body)["content"] == "Crawled https://example.com — found 3 products"
    assert asked.headers["content-length"] == str(len(asked.body))


def test_a_request_written_by_hand_is_one_too() -> None:
    event = {"httpMethod": "get", "path": "/health"}
    assert kind_of(event) == "http"
    asked = http_event(event)
    assert (asked.method, asked.path, asked.client_ip, asked.request_id) == ("GET", "/health", "", "")


def test_a_request_without_a_context_is_one_too() -> None:
    event = first(requestContext=None)
    assert kind_of(event) == "http"
    assert http_event(event).path == MEMORIES


def test_the_name_that_an_http_api_gives_a_request_is_one_of_ours() -> None:
    """As AWS shows it, with the padding of base64."""
    event = second()
    event["requestContext"] = {**event["requestContext"], "requestId": "JKJaXmPLvHcESHA="}
    assert http_event(event).request_id == "JKJaXmPLvHcESHA"


def test_a_missing_body_is_empty() -> None:
    asked = http_event(recorded("v1-missing-body"))
    assert asked.body == b""
    assert "content-length" not in asked.headers


def test_what_is_announced_and_does_not_come_is_told_as_it_came() -> None:
    asked = http_event(second(headers={"Content-Length": "7"}))
    assert asked.headers["content-length"] == "0"


def test_headers_of_the_gateways_own_connection_are_not_told() -> None:
    asked = http_event(second(headers={"Host": "a:b:c", "X-Forwarded-Port": "none", "X": "1", "Y": None}))
    assert asked.headers == {"x": "1"}


@pytest.mark.parametrize(
    "changes",
    [
        {"body": {"not": "text"}},
        {"body": "%%%", "isBase64Encoded": True},
        {"body": "ä", "isBase64Encoded": True},
        {"httpMethod": 7},
        {"requestContext": {"identity": 7}},
    ],
)
def test_what_lacks_what_every_request_has_is_malformed(changes: Any) -> None:
    with pytest.raises(Malformed):
        http_event(first(**changes))


LETTERS = st.text("ab1%/{}+$ä\x7f", max_size=8)
SCRAPS = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 300) | LETTERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LETTERS, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    """path rawPath headers multiValueHeaders body isBase64Encoded rawQueryString queryStringParameters
    multiValueQueryStringParameters pathParameters resource routeKey requestContext requestContext.stage
    requestContext.http requestContext.identity requestContext.path requestContext.requestId cookies
    httpMethod version""".split()
)


@given(st.sampled_from(["v1-list", "v2-list"]), st.dictionaries(FIELDS, SCRAPS, max_size=4))
def test_no_event_breaks_more_than_itself(name: str, changes: dict[str, Any]) -> None:
    """What is taken for a request is one for Mangum, or is refused as malformed."""
    event = copy.deepcopy(recorded(name))
    for field, value in changes.items():
        where, _, inner = field.partition(".")
        if not inner:
            event[where] = value
        elif isinstance(event.get(where), dict):
            event[where][inner] = value
    if kind_of(event) != "http":
        return
    try:
        asked = http_event(event)
    except Malformed:
        return
    result = Mangum(_echo, lifespan="off").infer(asked.for_mangum(), Context())  # type: ignore[arg-type]
    assert result.scope["type"] == "http"
    assert result.body == asked.body


async def _echo(*_: Any) -> None: ...


def test_the_first_format_reaches_mangum_as_it_was_sent() -> None:
    scope = _scope(http_event(recorded("v1-multi-value")))
    assert scope["query_string"] == b"tags=crawl&limit=5&limit=10&since=1h"
    assert scope["client"] == ("203.0.113.7", 0)


def test_the_second_format_reaches_mangum_as_it_was_sent() -> None:
    scope = _scope(http_event(second(rawQueryString="a=%20ä&b=[1]")))
    assert scope["query_string"] == b"a=%20%C3%A4&b=[1]"


def test_a_large_binary_body_is_taken_byte_for_byte() -> None:
    body = bytes(range(256)) * 4_096
    event = first(body=base64.b64encode(body).decode(), isBase64Encoded=True)
    assert http_event(event).body == body


def _scope(asked: HttpEvent) -> Any:
    return Mangum(_echo, lifespan="off").infer(asked.for_mangum(), Context()).scope  # type: ignore[arg-type]
