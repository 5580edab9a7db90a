"""The edge in the real runtime of Lambda: cold, warm, frozen, late, and wrongly configured."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx

from core.bootstrap.admin import open_admin
from core.model.tenant import DEFAULT_ORG
from core.settings_environ import load
from local.gateway.request import Stage
from local.lambda_runtime.function import LambdaFunction
from tests.e2e.installation import until
from tests.edge.rig import Deployed, code_of, published, running

MEMORIES = "/api/v1/memories"


async def invoked(function: LambdaFunction, event: Any) -> Any:
    """The result, in API Gateway's shape."""
    outcome = await function.invoke(json.dumps(event).encode(), "Root=1-5-a")
    assert not outcome.failed, outcome.payload
    return json.loads(outcome.payload)


def lines(deployment: Deployed, event: str) -> list[Any]:
    """Of the log, which also holds what Lambda's own client prints."""
    text = (deployment.folder / "lambda.log").read_text().splitlines()
    found = [json.loads(line) for line in text if line.startswith('{"time"')]
    return [line for line in found if line["event"] == event]


@asynccontextmanager
async def client(
    function: LambdaFunction, deployment: Deployed, stage: Stage
) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": deployment.key}
    async with (
        published(function, stage) as url,
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as it,
    ):
        yield it


async def test_a_sandbox_serves_cold_then_warm_with_freezes_between(served: Deployed) -> None:
    async with running(code_of(served)) as function:
        for _ in range(3):
            assert (await invoked(function, served.event("warm-up"))) == {"status": "warm"}
        posted = await invoked(function, served.event("v1-post-memory"))
        listed = await invoked(function, served.event("v2-list"))
        assert (posted["statusCode"], listed["statusCode"]) == (201, 200)
        [memory] = json.loads(listed["body"])["memories"]
        assert memory["id"] == json.loads(posted["body"])["id"]
        assert (function.cold_starts, len(lines(served, "edge_started"))) == (1, 1)


async def test_what_one_sandbox_wrote_another_reads(served: Deployed) -> None:
    async with running(code_of(served)) as function:
        assert (await invoked(function, served.event("v1-post-memory")))["statusCode"] == 201
        await function.recycle()
        again = await invoked(function, served.event("v2-post-memory"))
        assert (again["statusCode"], function.cold_starts) == (409, 2)


async def test_sandboxes_at_once_have_one_winner(served: Deployed) -> None:
    async with running(code_of(served), concurrency=3) as function:
        event = served.event("v1-post-memory")
        results = await asyncio.gather(*(invoked(function, event) for _ in range(3)))
        assert sorted(result["statusCode"] for result in results) == [201, 409, 409]


async def test_a_wrong_configuration_is_an_answer_and_a_line_of_log(served: Deployed) -> None:
    environ = {"MEMTRACE_MASTER_KEY": "c2hvcnQ="}
    async with running(code_of(served, environ=environ)) as function:
        for _ in range(2):
            result = await invoked(function, served.event("v1-list"))
            assert result["statusCode"] == 503
            assert json.loads(result["body"])["code"] == "unavailable"
        assert function.cold_starts == 1
    told = lines(served, "edge_start_failed")
    assert [line["code"] for line in told] == ["master_key_error"] * 3
    assert "c2hvcnQ" not in (served.folder / "lambda.log").read_text()


async def test_a_handler_that_is_missing_is_an_error_of_the_start(served: Deployed) -> None:
    async with running(code_of(served, "handlers.lambda_api.missing")) as function:
        outcome = await function.invoke(b"{}")
        assert outcome.failed
        assert json.loads(outcome.payload)["errorType"] == "Runtime.HandlerNotFound"


async def test_a_store_that_hangs_is_answered_before_lambda_kills_the_sandbox(served: Deployed) -> None:
    async with hanging_arc() as url:
        deployment = await asyncio.to_thread(rebound, served, url)
        async with running(code_of(deployment, timeout=1.5)) as function:
            assert (await invoked(function, deployment.event("warm-up")))["status"] == "warm"
            result = await invoked(function, deployment.event("v1-list"))
            assert result["statusCode"] == 504
            assert json.loads(result["body"])["code"] == "deadline_exceeded"
            assert (await invoked(function, deployment.event("v1-head")))["statusCode"] == 200
            assert function.cold_starts == 1


async def test_a_crash_costs_its_own_request_alone(served: Deployed) -> None:
    async with running(code_of(served)) as function, client(function, served, Stage()) as api:
        assert (await api.get("/api/v1/me")).status_code == 200
        [sandbox] = function.sandboxes
        os.kill(sandbox.pid, signal.SIGKILL)

        async def is_dead() -> bool:
            return not sandbox.is_alive

        await until(is_dead, what="the end of the process")
        assert (await api.get("/api/v1/me")).status_code == 200
        assert function.cold_starts == 2


async def test_through_the_gateway_bodies_and_answers_keep_their_bytes(served: Deployed) -> None:
    content = "Umlaute äöü, 漢字, \u2028 and \\ \" ' \x7f – all of it"
    for stage in (Stage(version=1, name="prod"), Stage(version=2, name="prod", is_in_url=True)):
        prefix = "/prod" if stage.is_in_url else ""
        async with running(code_of(served)) as function, client(function, served, stage) as api:
            body = {"agent_id": f"a{stage.version}", "content": content, "dedup_key": f"k/{stage.version} ä"}
            posted = await api.post(prefix + MEMORIES, json=body)
            assert (posted.status_code, posted.json()["content"]) == (201, content)
            found = await api.get(f"{prefix}{MEMORIES}/k%2F{stage.version}%20%C3%A4")
            assert found.json()["id"] == posted.json()["id"]
            own = await api.get(f"{prefix}/api/v1/me", headers={"x-request-id": "mine"})
            assert own.headers["x-request-id"] == "mine"


async def test_lines_of_the_log_name_the_invocation(served: Deployed) -> None:
    code = code_of(served)
    async with running(replace(code, environ={**code.environ, "MEMTRACE_LOG_LEVEL": "debug"})) as function:
        await invoked(function, served.event("v1-list"))
    [line] = lines(served, "request_served")
    assert line["process"] == "edge"
    assert len(line["lambda_request_id"]) == 36
    assert line["trace_id"] == "Root=1-5-a"
    assert line["client_ip"] == "203.0.113.7"
    assert line["request_id"] == "7f3c1a52-0b7e-4c7a-9d0e-5a1b2c3d4e5f"
    assert served.key not in (served.folder / "lambda.log").read_text()


def rebound(deployment: Deployed, url: str) -> Deployed:
    """The same organization with another Arc."""

    async def bind() -> None:
        async with open_admin(load(deployment.environ)) as admin:
            await admin.tenants.bind(DEFAULT_ORG, url=url, database="memory", arc_key="arc-key")

    asyncio.run(bind())
    return deployment


@asynccontextmanager
async def hanging_arc() -> AsyncIterator[str]:
    """Takes connections and says nothing."""
    connections: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: connections.append(writer), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in connections:
            connection.close()
            await connection.wait_closed()
