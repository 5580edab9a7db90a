"""The function in this process: every recorded event, and what an invocation may meet."""

import asyncio
import contextlib
import io
import json
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from core.adapters.clock import WakingClock
from core.bootstrap.edge import Edge, open_edge
from core.model.errors import ConfigurationError
from core.settings_environ import load
from handlers.edge import results
from handlers.edge.function import MOST_BODY_BYTES, Function, NotStarted
from tests.clock import ManualClock
from tests.edge.rig import MASTER_KEY, Context, Deployed, ask, function_of, told

MEMORIES = "/api/v1/memories"
SECRET = "what nobody may read"


def request(deployment: Deployed, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """An event of our own, of the first version."""
    event = deployment.event("v1-list")
    event |= {"httpMethod": method, "path": path, "pathParameters": None, "multiValueHeaders": None}
    event |= {"multiValueQueryStringParameters": None, "queryStringParameters": None}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    event["headers"] = {"x-api-key": deployment.key, **named}
    event["body"] = body if body is None or isinstance(body, str) else json.dumps(body)
    return event


# --- every recorded event


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_is_posted_is_listed(function: Function, deployment: Deployed, version: str) -> None:
    posted = ask(function, deployment.event(f"{version}-post-memory"))
    assert posted.status == 201
    listed = ask(function, deployment.event(f"{version}-list"))
    assert listed.status == 200
    assert [m["id"] for m in listed.json["memories"]] == [posted.json["id"]]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_body_in_base64_is_the_same_memory(function: Function, deployment: Deployed, version: str) -> None:
    first = ask(function, deployment.event(f"{version}-post-memory"))
    again = ask(function, deployment.event(f"{version}-post-memory-base64"))
    assert (again.status, again.json["code"], again.json["id"]) == (409, "duplicate_memory", first.json["id"])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_batch_says_what_became_of_each(function: Function, deployment: Deployed, version: str) -> None:
    answer = ask(function, deployment.event(f"{version}-batch"))
    assert (answer.status, answer.json["count"], answer.json["duplicates"]) == (201, 3, 1)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_context_is_made_of_what_was_written(
    function: Function, deployment: Deployed, version: str
) -> None:
    ask(function, deployment.event(f"{version}-batch"))
    answer = ask(function, deployment.event(f"{version}-context"))
    assert answer.status == 200
    assert answer.json["context"].startswith("## Session Context (sess_events)")
    assert answer.json["memory_count"] == 3


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_missing_body_is_the_callers_mistake(
    function: Function, deployment: Deployed, version: str
) -> None:
    answer = ask(function, deployment.event(f"{version}-missing-body"))
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_page_of_another_origin_may_ask(function: Function, deployment: Deployed, version: str) -> None:
    answer = ask(function, deployment.event(f"{version}-options"))
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.text == ""


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_head_has_no_body(function: Function, deployment: Deployed, version: str) -> None:
    answer = ask(function, deployment.event(f"{version}-head"))
    assert (answer.status, answer.text) == (200, "")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_unknown_route_has_our_shape(function: Function, deployment: Deployed, version: str) -> None:
    answer = ask(function, deployment.event(f"{version}-unknown-route"))
    assert answer.status == 404
    assert answer.json == {
        "error": "no such route",
        "code": "not_found",
        "request_id": "7f3c1a52-0b7e-4c7a-9d0e-5a1b2c3d4e5f",
        "hint": "GET /docs lists them",
    }


@pytest.mark.parametrize("name", ["v1-stage-prefix", "v2-stage-prefix", "v1-base-path"])
def test_a_stage_or_base_path_changes_nothing(function: Function, deployment: Deployed, name: str) -> None:
    assert ask(function, deployment.event(name)).json["org_id"] == "org_default"


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_of_a_parameter_sent_twice_the_first_counts(
    function: Function, deployment: Deployed, version: str
) -> None:
    body = {"memories": [{"agent_id": "a", "content": f"{n}", "tags": ["crawl"]} for n in range(11)]}
    ask(function, request(deployment, "POST", MEMORIES, body))
    assert ask(function, deployment.event(f"{version}-multi-value")).json["count"] == 5


def test_a_wrong_key_is_refused(function: Function, deployment: Deployed) -> None:
    answer = ask(function, request(deployment, "GET", "/api/v1/me", x_api_key="mtk_wrong"))
    assert (answer.status, answer.json["code"]) == (401, "unauthenticated")


def test_a_dedup_key_with_a_slash_is_found(function: Function, deployment: Deployed) -> None:
    body = {"agent_id": "a", "content": "x", "dedup_key": "a/b c"}
    posted = ask(function, request(deployment, "POST", MEMORIES, body))
    found = ask(function, request(deployment, "GET", f"{MEMORIES}/a%2Fb%20c"))
    assert found.json["id"] == posted.json["id"]


def test_probes_and_metrics_tell_of_the_deployment(function: Function, deployment: Deployed) -> None:
    ask(function, deployment.event("v1-post-memory"))
    assert ask(function, request(deployment, "GET", "/livez")).status == 200
    text = ask(function, request(deployment, "GET", "/metrics")).text
    assert "memtrace_buffer_size 1" in text.splitlines()


def test_the_documents_are_there(function: Function, deployment: Deployed) -> None:
    assert "openapi" in ask(function, request(deployment, "GET", "/openapi.json")).json
    assert ask(function, request(deployment, "GET", "/docs")).text.startswith("<!doctype html>")


# --- what is no request


def test_a_warm_up_is_answered(function: Function, deployment: Deployed) -> None:
    assert function(deployment.event("warm-up"), Context()) == {"status": "warm"}
    assert function(deployment.event("schedule"), Context()) == {"status": "warm"}


def test_messages_of_a_queue_are_left_to_it(
    function: Function, deployment: Deployed, log: io.StringIO
) -> None:
    result = function(deployment.event("sqs"), Context())
    assert result == {"batchItemFailures": [{"itemIdentifier": "059f36b4-87a3-44ab-83d2-661975830a7d"}]}
    assert told(log, "event_ignored")[0]["kind"] == "queue"


@pytest.mark.parametrize("event", [None, {}, [], "x", {"Records": []}])
def test_anything_else_is_ignored_and_told(function: Function, event: Any, log: io.StringIO) -> None:
    assert function(event, Context()) == {"status": "ignored"}
    assert told(log, "event_ignored")[0]["kind"] == "unknown"


def test_a_request_that_nobody_could_send_is_refused(function: Function, deployment: Deployed) -> None:
    event = deployment.event("v1-post-memory") | {"body": "%%%", "isBase64Encoded": True}
    answer = ask(function, event)
    assert (answer.status, answer.json["error"]) == (400, "the event's body is not base64")


# --- sizes


def test_what_is_larger_than_lambda_can_carry_is_refused_as_elsewhere(
    function: Function, deployment: Deployed
) -> None:
    answer = ask(function, request(deployment, "POST", MEMORIES, "x" * (MOST_BODY_BYTES + 1)))
    assert (answer.status, answer.json["code"]) == (413, "request_too_large")
    assert answer.json["max_bytes"] == MOST_BODY_BYTES


def test_a_page_beyond_six_megabytes_is_refused_with_the_way_out(
    function: Function, deployment: Deployed
) -> None:
    for batch in range(2):
        contents = [f"{batch}{n}" + "x" * 200_000 for n in range(16)]
        body = {"memories": [{"agent_id": "a", "content": content} for content in contents]}
        assert ask(function, request(deployment, "POST", MEMORIES, body)).json["count"] == 16
    event = request(deployment, "GET", MEMORIES)
    event["queryStringParameters"] = {"since": "1h"}
    refused = ask(function, event)
    assert (refused.status, refused.json["code"], refused.json["field"]) == (400, "invalid_request", "limit")
    assert "smaller `limit`" in refused.json["hint"]
    event["queryStringParameters"] = {"since": "1h", "limit": "16"}
    assert ask(function, event).json["count"] == 16


def test_the_answer_to_the_largest_write_always_fits(function: Function, deployment: Deployed) -> None:
    """Full of what JSON escapes twice, its text would be too large."""
    memories = [{"agent_id": "a", "content": f"{n}" + '"' * 2_070} for n in range(1_000)]
    body = json.dumps({"memories": memories}, separators=(",", ":"))
    assert MOST_BODY_BYTES * 0.99 < len(body) <= MOST_BODY_BYTES
    result = function(request(deployment, "POST", MEMORIES, body), Context())
    assert (result["statusCode"], result["isBase64Encoded"]) == (201, True)
    assert len(json.dumps(result)) < results.MOST_BYTES


def test_a_binary_answer_that_is_too_large_is_refused() -> None:
    large = {"statusCode": 200, "headers": {}, "body": "A" * 7_000_000, "isBase64Encoded": True}
    assert results.fitted(large)["statusCode"] == 400
    small = {"statusCode": 200, "headers": {}, "body": "AAAA", "isBase64Encoded": True}
    assert results.fitted(small) is small


def test_the_most_that_fits_is_left_as_it_is() -> None:
    text = {"statusCode": 200, "headers": {}, "body": "x" * 6_000_000, "isBase64Encoded": False}
    assert results.fitted(text) is text


# --- time


def test_a_request_with_no_time_left_is_answered(function: Function, deployment: Deployed) -> None:
    answer = ask(function, deployment.event("v1-list"), seconds=0.0)
    assert (answer.status, answer.json["code"]) == (504, "deadline_exceeded")


def test_a_revoked_key_is_forgotten_over_a_sleep_in_which_clocks_stood(deployment: Deployed) -> None:
    machine = ManualClock()
    with _with_clock(deployment, WakingClock(machine)) as (function, edge):
        assert ask(function, deployment.event("v1-stage-prefix")).status == 200
        asyncio.run(_revoke(deployment))
        machine.step_wall(3_600.0)
        assert edge.clock is not None
        assert ask(function, deployment.event("v1-stage-prefix")).status == 401


def test_connections_are_opened_anew_after_a_long_sleep_alone(deployment: Deployed) -> None:
    machine = ManualClock()
    hung_up = []

    async def hang_up() -> None:
        hung_up.append(machine.micros())

    with _with_clock(deployment, WakingClock(machine), hang_up=hang_up) as (function, _):
        ask(function, deployment.event("v1-head"))
        machine.step_wall(10.0)
        ask(function, deployment.event("v1-head"))
        assert hung_up == []
        machine.step_wall(31.0)
        ask(function, deployment.event("v1-head"))
        assert len(hung_up) == 1


# --- the start


def test_a_start_that_fails_is_told_answered_and_tried_again(deployment: Deployed, log: io.StringIO) -> None:
    environ = {**deployment.environ, "MEMTRACE_MASTER_KEY": "short"}
    with function_of(environ) as function:
        answer = ask(function, deployment.event("v1-list"))
        assert (answer.status, answer.json["code"]) == (503, "unavailable")
        assert answer.json["error"] == "the service could not start"
        assert answer.headers["retry-after"] == "5"
        with pytest.raises(NotStarted):
            function(deployment.event("warm-up"), Context())
        lines = told(log, "edge_start_failed")
        assert len(lines) == 3
        assert lines[0]["code"] == "master_key_error"
        assert "short" not in json.dumps(lines)
        environ["MEMTRACE_MASTER_KEY"] = MASTER_KEY
        assert ask(function, deployment.event("v1-list")).status == 200


def test_a_defect_at_the_start_is_told_without_values(log: io.StringIO) -> None:
    @contextlib.asynccontextmanager
    async def broken() -> AsyncIterator[Edge]:
        raise RuntimeError(SECRET)
        yield

    function = Function(broken)
    assert not function.start()
    function.close()
    [line] = told(log, "edge_start_failed")
    assert "RuntimeError" in line["fault"]
    assert SECRET not in json.dumps(line)


def test_a_start_is_told(deployment: Deployed, log: io.StringIO) -> None:
    with function_of(deployment.environ):
        [line] = told(log, "edge_started")
    assert line["milliseconds"] > 0


def test_without_authentication_it_does_not_start(deployment: Deployed) -> None:
    async def opened() -> None:
        async with open_edge(load({**deployment.environ, "MEMTRACE_AUTH_ENABLED": "false"})):
            pass

    with pytest.raises(ConfigurationError, match=r"auth\.enabled is false"):
        asyncio.run(opened())


# --- nothing runs on, and everything is told


def test_between_invocations_nothing_of_ours_runs(function: Function, deployment: Deployed) -> None:
    before = set(threading.enumerate())
    for name in ("v1-post-memory", "v1-list", "v1-head", "v1-stage-prefix"):
        ask(function, deployment.event(name))
        assert asyncio.all_tasks(function._loop) == set()
    grown = {thread.name for thread in set(threading.enumerate()) - before}
    assert all(name.startswith("memtrace-") for name in grown)  # they wait; a frozen one waits longer


def test_all_invocations_share_one_loop(deployment: Deployed) -> None:
    loops = []

    async def at_rest() -> None:
        loops.append(asyncio.get_running_loop())

    with _with_clock(deployment, WakingClock(ManualClock()), at_rest=at_rest) as (function, _):
        ask(function, deployment.event("v1-list"))
        asyncio.run(at_rest())  # what leaves no current loop behind
        ask(function, deployment.event("v1-list"))
    assert loops[0] is loops[2]


def test_the_numbers_of_an_invocation_are_told_with_it(
    capsys: pytest.CaptureFixture[str], deployment: Deployed
) -> None:
    with function_of(deployment.environ) as function:
        ask(function, deployment.event("v1-post-memory"))
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    numbers = {name: value for line in lines for name, value in line.items()}
    assert (numbers["memtrace_writes_total"], numbers["memtrace_requests_total"]) == (1, 1)
    assert {line["process"] for line in lines} == {"edge"}


def test_what_goes_wrong_in_between_is_answered_and_told(deployment: Deployed, log: io.StringIO) -> None:
    with _with_clock(deployment, WakingClock(ManualClock())) as (function, _):
        assert function._built is not None
        function._built = replace(function._built, mangum=_broken)  # type: ignore[arg-type]
        answer = ask(function, deployment.event("v1-list"))
    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    [line] = told(log, "request_failed")
    assert line["lambda_request_id"] == "lambda-request-1"
    assert line["client_ip"] == "203.0.113.7"
    assert "mtk_" not in json.dumps(line)


def _broken(*_: Any) -> Any:
    raise RuntimeError(SECRET)


@contextlib.contextmanager
def _with_clock(deployment: Deployed, clock: WakingClock, **changes: Any) -> Iterator[tuple[Function, Edge]]:
    """The function with this clock in all its services."""
    found: list[Edge] = []

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Edge]:
        async with open_edge(load(deployment.environ), clock) as edge:
            found.append(replace(edge, **changes))
            yield found[0]

    function = Function(opened)
    try:
        assert function.start()
        yield function, found[0]
    finally:
        function.close()


async def _revoke(deployment: Deployed) -> None:
    from core.bootstrap.admin import open_admin
    from core.model.memory import OrgId

    async with open_admin(load(deployment.environ)) as admin:
        for key in await admin.tenants.list_keys(OrgId("org_default")):
            await admin.tenants.revoke_key(key.id)
