"""The stand-in for Lambda, with the real runtime client in it."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.arc.serving import Listener
from local.lambda_runtime.function import LambdaFunction
from local.lambda_runtime.outcome import (
    MOST_EVENT_BYTES,
    MOST_RESULT_BYTES,
    EventTooLarge,
    Outcome,
    Throttled,
)
from local.lambda_runtime.runtime_api import RuntimeApi
from local.lambda_runtime.sandbox import Code
from tests.e2e.installation import ROOT, environment, until


@contextlib.asynccontextmanager
async def function(
    folder: Path, name: str = "lambda_functions.handler", **options: Any
) -> AsyncIterator[LambdaFunction]:
    concurrency, patience = options.pop("concurrency", 10), options.pop("patience", 0.0)
    environ = environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}")
    code = Code(handler=f"tests.local.{name}", environ=environ, log=folder / "log", **options)
    made = LambdaFunction(code, concurrency=concurrency, patience=patience)
    try:
        yield made
    finally:
        await made.close()
        await asyncio.sleep(0)  # lets the loop see the ends of the processes


async def call(function: LambdaFunction, event: Any, trace: str = "") -> Any:
    outcome = await function.invoke(json.dumps(event).encode(), trace)
    assert not outcome.failed, outcome.payload
    return json.loads(outcome.payload)


def error(outcome: Outcome) -> Any:
    assert outcome.failed
    return json.loads(outcome.payload)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


async def is_stopped(pid: int) -> bool:
    return state(pid) == "T"


async def test_a_warm_sandbox_is_used_again(tmp_path: Path) -> None:
    async with function(tmp_path) as it:
        first, second = await call(it, {"n": 1}), await call(it, {"n": 2}, "Root=1-2-3")
    assert first["pid"] == second["pid"]
    assert (first["calls"], second["calls"], it.cold_starts) == (1, 2, 1)
    assert first["request_id"] != second["request_id"]
    assert 20_000 < first["remaining"] <= 28_100
    assert second["trace"] == "Root=1-2-3"
    assert second["event"] == {"n": 2}


async def test_between_invocations_a_sandbox_is_frozen(tmp_path: Path) -> None:
    async with function(tmp_path) as it:
        pid = (await call(it, {}))["pid"]
        await until(lambda: is_stopped(pid), what="the freeze")
        assert [sandbox.is_frozen for sandbox in it.sandboxes] == [True]
        assert (await call(it, {}))["pid"] == pid


async def test_a_sandbox_may_be_left_running(tmp_path: Path) -> None:
    async with function(tmp_path, freezes=False) as it:
        pid = (await call(it, {}))["pid"]
        assert not await is_stopped(pid)
        assert [sandbox.is_frozen for sandbox in it.sandboxes] == [False]


async def test_invocations_at_once_have_sandboxes_of_their_own(tmp_path: Path) -> None:
    async with function(tmp_path, concurrency=2) as it:
        results = await asyncio.gather(call(it, {}), call(it, {}), call(it, {}), return_exceptions=True)
        served = [result["pid"] for result in results if isinstance(result, dict)]
        assert len(set(served)) == 2
        assert [type(r) for r in results if not isinstance(r, dict)] == [Throttled]
        assert (await call(it, {}))["pid"] in served


async def test_who_has_patience_waits_for_a_sandbox(tmp_path: Path) -> None:
    async with function(tmp_path, concurrency=1, patience=20.0) as it:
        results = await asyncio.gather(*(call(it, {}) for _ in range(3)))
        assert len({result["pid"] for result in results}) == 1


async def test_after_recycling_the_next_start_is_cold(tmp_path: Path) -> None:
    async with function(tmp_path) as it:
        before = (await call(it, {}))["pid"]
        await it.recycle()
        assert (await call(it, {}))["pid"] != before


async def test_an_error_of_the_handler_is_told_and_the_sandbox_goes_on(tmp_path: Path) -> None:
    async with function(tmp_path) as it:
        pid = (await call(it, {}))["pid"]
        told = error(await it.invoke(b'{"raise": "words"}'))
        assert (told["errorType"], told["errorMessage"]) == ("ValueError", "words")
        assert (await call(it, {}))["pid"] == pid


@pytest.mark.parametrize(("event", "words"), [({"exit": 7}, "exit status 7"), ({"kill": True}, "signal: 9")])
async def test_a_crash_fails_its_invocation_alone(tmp_path: Path, event: Any, words: str) -> None:
    async with function(tmp_path) as it:
        told = error(await it.invoke(json.dumps(event).encode()))
        assert told["errorType"] == "Runtime.ExitError"
        assert told["errorMessage"].endswith(words)
        assert it.sandboxes == []
        assert (await call(it, {}))["calls"] == 1


async def test_what_takes_too_long_is_killed(tmp_path: Path) -> None:
    async with function(tmp_path, timeout=0.4) as it:
        told = error(await it.invoke(b'{"hang": true}'))
        assert told["errorType"] == "Sandbox.Timedout"
        assert told["errorMessage"].endswith("Task timed out after 0.40 seconds")
        assert it.sandboxes == []


async def test_a_sandbox_that_died_in_its_sleep_is_not_used(tmp_path: Path) -> None:
    async with function(tmp_path) as it:
        pid = (await call(it, {}))["pid"]
        os.kill(pid, 9)

        async def is_dead() -> bool:
            return not it.sandboxes[0].is_alive

        await until(is_dead, what="the end of the process")
        assert (await call(it, {}))["pid"] != pid


async def test_a_caller_that_goes_away_leaves_no_sandbox_in_between(tmp_path: Path) -> None:
    async with function(tmp_path) as it:
        await call(it, {})
        waiting = asyncio.create_task(it.invoke(b'{"hang": true}'))

        async def is_at_work() -> bool:
            return not any(sandbox.is_frozen for sandbox in it.sandboxes)

        await until(is_at_work, what="the event in the sandbox")
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        assert it.sandboxes == []


async def test_closing_ends_what_is_at_work(tmp_path: Path) -> None:
    async with function(tmp_path) as it:
        await call(it, {})
        waiting = asyncio.create_task(it.invoke(b'{"hang": true}'))

        async def is_at_work() -> bool:
            return not any(sandbox.is_frozen for sandbox in it.sandboxes)

        await until(is_at_work, what="the event in the sandbox")
        await it.close()
        assert error(await waiting)["errorType"] == "Runtime.ExitError"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("failing_import.handler", "RuntimeError"),
        ("lambda_functions.missing", "Runtime.HandlerNotFound"),
        ("hanging_import.handler", "Sandbox.Timedout"),
        ("exiting_import.handler", "Runtime.ExitError"),
    ],
)
async def test_a_start_that_fails_fails_the_invocation(tmp_path: Path, name: str, kind: str) -> None:
    limit = 0.5 if "hanging" in name else 10.0
    async with function(tmp_path, name, init_timeout=limit) as it:
        assert error(await it.invoke(b"{}"))["errorType"] == kind
        assert it.sandboxes == []
        assert error(await it.invoke(b"{}"))["errorType"] == kind
        assert it.cold_starts == 2


async def test_a_result_that_is_too_large_is_an_error(tmp_path: Path) -> None:
    async with function(tmp_path) as it:
        told = error(await it.invoke(json.dumps({"large": MOST_RESULT_BYTES}).encode()))
        assert told["errorType"] == "Function.ResponseSizeTooLarge"


async def test_an_event_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with function(tmp_path) as it:
        with pytest.raises(EventTooLarge):
            await it.invoke(b"x" * (MOST_EVENT_BYTES + 1))
        assert it.cold_starts == 0


async def test_what_is_printed_is_kept(tmp_path: Path) -> None:
    async with function(tmp_path, "lambda_functions.printing") as it:
        await call(it, {})
    assert "printed by the handler" in (tmp_path / "log").read_text()


async def test_the_runtime_api_knows_its_doors_alone() -> None:
    api = RuntimeApi()
    listener = Listener(api)
    port = await listener.start("127.0.0.1", 0)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            root = "/2018-06-01/runtime"
            assert (await client.get("/")).status_code == 404
            assert (await client.get(f"{root}/init/error")).status_code == 404
            assert (await client.post(f"{root}/invocation/unknown/response")).status_code == 400
            for _ in range(2):
                assert (await client.post(f"{root}/init/error", content=b"{}")).status_code == 202
            assert api.init_error.result().payload == b"{}"
    finally:
        await listener.abort()
