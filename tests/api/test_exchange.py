"""What holds for every exchange: request ids, methods, paths, room, time, faults, logs, numbers."""

import asyncio
import copy
import math
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.model.errors import DatabaseError, JournalFull, StoreUnreachable
from handlers.http.app import application
from tests.api.raw import Wire, exchanged
from tests.api.rig import Api, assert_error

URL = "/api/v1/memories"


class Stuck:
    """An ingest that waits until it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.released = asyncio.Event()

    async def write(self, *_: Any) -> Any:
        self.entered.set()
        await self.released.wait()
        raise JournalFull()


class Failing:
    """Any service, failing in the same way whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        async def fail(*_: Any, **__: Any) -> Any:
            raise self._error

        return fail


# --- request ids --------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 128])
async def test_a_callers_request_id_is_echoed(api: Api, given: str) -> None:
    for path in ("/health", URL, "/nowhere"):
        answer = await api.send("GET", path, headers={"X-Request-ID": given})
        assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "ä".encode().decode("latin-1"), "a/b"])
async def test_a_malformed_request_id_is_replaced(api: Api, given: str) -> None:
    wire = await exchanged(api.app, "GET", "/livez", headers={"x-request-id": given})
    made = wire.answer.headers["x-request-id"]
    assert made != given
    assert len(made) == 28
    assert made.startswith("req_")


async def test_request_ids_that_are_made_differ(api: Api) -> None:
    made = {(await api.get("/livez")).headers["x-request-id"] for _ in range(20)}
    assert len(made) == 20


async def test_request_ids_differ_where_two_go_on_from_one_snapshot(api: Api) -> None:
    snapshot = application(api.doors, api.settings)
    restored = (copy.copy(snapshot), copy.copy(snapshot))
    made = [(await exchanged(app, "GET", "/livez")).answer.headers["x-request-id"] for app in restored]
    assert len({name[: len("req_") + 12] for name in made}) == 2


# --- paths and methods --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v2/memories", "/api/v1/agents/a/b/c", "/%00", "//"])
async def test_an_unknown_path_is_not_found(api: Api, path: str) -> None:
    assert_error(await api.get(path), 404, "not_found", "no such route")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", URL, "GET, HEAD, OPTIONS, POST"),
        ("POST", "/health", "GET, HEAD, OPTIONS"),
        ("PATCH", "/api/v1/sessions/s", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("GET", "/api/v1/search", "OPTIONS, POST"),
        ("BREW", "/api/v1/agents/a", "DELETE, GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(api: Api, method: str, path: str, allow: str) -> None:
    answer = await api.send(method, path)
    assert_error(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


async def test_a_slash_at_the_end_makes_no_difference(api: Api) -> None:
    assert (await api.get(f"{URL}/")).status == 200
    assert (await api.get("/api/v1/agents/a/stats/")).status == 200


async def test_a_path_without_its_raw_form_is_still_matched(api: Api) -> None:
    wire = await exchanged(api.app, "GET", "/api/v1/agents/a/stats", raw_path=None)
    assert wire.answer.status == 200


@pytest.mark.parametrize("path", [URL, "/health", "/nowhere", "/api/v1/memories/none"])
async def test_head_is_get_without_a_body(api: Api, path: str) -> None:
    got, head = await api.get(path), await api.send("HEAD", path)
    assert (head.status, head.content) == (got.status, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    assert abs(int(head.headers["content-length"]) - len(got.content)) <= 2


async def test_options_names_the_methods(api: Api) -> None:
    answer = await api.as_("").send("OPTIONS", URL)
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert_error(await api.send("OPTIONS", "/nowhere"), 404, "not_found")


# --- room and time ------------------------------------------------------------------------------


async def test_too_many_at_once_are_refused_but_probes_are_answered(api: Api) -> None:
    stuck = Stuck()
    busy = api.with_server(max_concurrent_requests=1).with_doors(ingest=stuck)
    first = asyncio.create_task(busy.post(URL, {"agent_id": "a", "content": "x"}))
    await stuck.entered.wait()
    refused = await busy.get(URL)
    assert_error(refused, 503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    for probe in ("/health", "/livez", "/metrics"):
        assert (await busy.get(probe)).status == 200
    stuck.released.set()
    assert_error(await first, 503, "journal_full")
    assert (await busy.get(URL)).status == 200, "there is room again"


async def test_while_stopping_new_requests_are_refused_but_probes_are_answered(api: Api) -> None:
    api.app.stop()
    refused = await api.get(URL)
    assert_error(refused, 503, "shutting_down")
    assert refused.headers["retry-after"] == "1"
    assert (await api.get("/health")).status == 200
    assert (await api.get("/livez")).status == 200


async def test_a_request_that_takes_too_long_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.http.service._ANSWER_SLACK", 0.0)
    arc = {"query_timeout": 0.1, "connect_timeout": 0.1}
    hasty = api.with_settings(server={"write_timeout": 0.1}, arc=arc).with_doors(ingest=Stuck())
    answer = await hasty.post(URL, {"agent_id": "a", "content": "x"})
    body = assert_error(answer, 504, "deadline_exceeded", "0.1 seconds")
    assert "Idempotency-Key" in body["hint"]


# --- faults and logs ----------------------------------------------------------------------------


async def test_an_unexpected_error_says_nothing_and_is_logged_once_without_content(api: Api) -> None:
    broken = api.with_doors(ingest=Failing(ZeroDivisionError("secret content")))
    with capture_logs() as logs:
        answer = await broken.post(URL, {"agent_id": "a", "content": "secret content"})
    body = assert_error(answer, 500, "internal_error")
    assert "secret" not in answer.content.decode()
    (line,) = [entry for entry in logs if entry["event"] == "request_failed"]
    assert line["request_id"] == body["request_id"]
    assert (line["org_id"], line["route"]) == (api.org.id, f"POST {URL}")
    assert "ZeroDivisionError" in line["fault"]
    assert "memories.py" in line["fault"]
    assert "secret content" not in str(logs)


async def test_the_causes_of_an_unexpected_error_are_logged_too(api: Api) -> None:
    error = RuntimeError("x")
    error.__cause__ = KeyError("y")
    error.__cause__.__context__ = error
    with capture_logs() as logs:
        await api.with_doors(ingest=Failing(error)).post(URL, {"agent_id": "a", "content": "x"})
    assert "KeyError" in logs[0]["fault"]


async def test_what_operators_must_know_is_logged_and_kept_from_callers(api: Api) -> None:
    broken = api.with_doors(health=Failing(DatabaseError("the database /var/x.db is full")))
    with capture_logs() as logs:
        answer = await broken.get("/livez")
    assert_error(answer, 503, "database_error", "The metadata database is not usable.")
    assert answer.headers["retry-after"] == "5"
    assert "/var/x.db" in logs[0]["reason"]


async def test_a_store_that_fails_is_told_and_logged(api: Api) -> None:
    broken = api.with_doors(recall=Failing(StoreUnreachable("no /secret/folder", hint="/secret")))
    with capture_logs() as logs:
        answer = await broken.get(URL)
    assert_error(answer, 502, "store_unreachable")
    assert answer.headers["retry-after"] == "5"
    assert logs[0]["event"] == "request_failed"
    assert "/secret" in logs[0]["reason"]
    assert b"secret" not in answer.content


async def test_what_callers_do_wrong_is_not_logged(api: Api) -> None:
    with capture_logs() as logs:
        await api.post(URL, {})
        await api.get("/nowhere")
        await api.as_("").get(URL)
    assert logs == []


async def test_at_level_debug_every_request_is_told_in_one_line(api: Api) -> None:
    with capture_logs() as logs:
        await api.with_log("debug").get(URL, agent_id="agent_secret")
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("request_served", "debug")
    assert (line["method"], line["route"], line["status"]) == ("GET", f"GET {URL}", 200)
    assert line["org_id"] == api.org.id
    assert "code" not in line
    assert "agent_secret" not in str(line)


async def test_at_level_info_slow_and_failed_requests_are_told(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.http.exchange.SLOW_SECONDS", math.inf)
    with capture_logs() as logs:
        await api.get("/livez")
        await api.get("/ready")  # says 503 as often as it is asked
        api.app.stop()
        await api.get(URL)
        monkeypatch.setattr("handlers.http.exchange.SLOW_SECONDS", 0.0)
        await api.get("/nowhere")
    assert [(entry["event"], entry["status"], entry["code"]) for entry in logs] == [
        ("request_served", 503, "shutting_down"),
        ("request_served", 404, "not_found"),
    ]


async def test_requests_that_are_too_many_are_counted_and_not_told(api: Api) -> None:
    stuck = Stuck()
    busy = api.with_server(max_concurrent_requests=1).with_doors(ingest=stuck)
    first = asyncio.create_task(busy.post(URL, {"agent_id": "a", "content": "x"}))
    await stuck.entered.wait()
    with capture_logs() as logs:
        assert (await busy.get(URL)).status == 503
    assert logs == []
    assert 'memtrace_refused_total{reason="places"} 1.0' in (await busy.get("/metrics")).content.decode()
    stuck.released.set()
    await first


async def test_at_level_error_no_request_is_told(api: Api) -> None:
    with capture_logs() as logs:
        await api.with_log("error").get("/ready")
    assert logs == []


async def test_requests_are_counted_by_status_and_timed_by_kind(api: Api) -> None:
    await api.get(URL)
    await api.get("/nowhere")
    text = (await api.get("/metrics")).content.decode()
    assert 'memtrace_requests_total{status="2xx"} 1.0' in text
    assert 'memtrace_requests_total{status="4xx"} 1.0' in text
    assert 'memtrace_request_seconds_count{kind="read"} 1.0' in text
    assert 'memtrace_request_seconds_count{kind="other"} 1.0' in text


# --- other protocols ----------------------------------------------------------------------------


async def test_a_server_that_insists_on_a_lifespan_gets_one(api: Api) -> None:
    wire = Wire([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    await api.app({"type": "lifespan"}, wire.receive, wire.send)
    assert [m["type"] for m in wire.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_websocket_is_declined(api: Api) -> None:
    wire = Wire([{"type": "websocket.connect"}])
    await api.app({"type": "websocket"}, wire.receive, wire.send)
    assert wire.sent == [{"type": "websocket.close", "code": 1003}]
