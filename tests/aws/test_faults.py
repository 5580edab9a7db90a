"""Both transports against a server that fails on purpose."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from core.adapters.aws import repeating
from core.adapters.aws.api import AwsApi, AwsError
from core.adapters.aws.boto import BotoAws
from core.adapters.aws.light import LightAws
from core.adapters.clock import SystemClock
from tests.arc.scripted import Answer, Script, reply, reset, scripted, silence
from tests.aws.conftest import Transport
from tests.aws.moto_server import environment

JSON = {"content-type": "application/x-amz-json-1.0"}
OK = reply(200, b'{"Item":{"raw":{"B":"AP8="}}}', headers=JSON)
ANSWER = {"Item": {"raw": {"B": b"\x00\xff"}}}


def refused(code: str, status: int = 400, text: str = "no", **more: Any) -> bytes:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": text, **more}
    return reply(status, json.dumps(body).encode(), headers=JSON)


async def get(aws: AwsApi, timeout: float = 30) -> dict[str, Any]:
    return await aws.call("dynamodb", "GetItem", {"TableName": "tables", "Key": {"pk": {"S": "a"}}}, timeout)


async def warm(transport: Transport, script: Script) -> AwsApi:
    """One that was called before: to make a client takes boto3 its time."""
    aws = transport(environment(script.url))
    if isinstance(aws, BotoAws):
        aws._client("dynamodb", 2)
    assert await get(aws, 2) == ANSWER
    script.asked.clear()
    return aws


async def failure(awaited: Awaitable[object]) -> AwsError:
    with pytest.raises(AwsError) as caught:
        await awaited
    return caught.value


async def cut(writer: asyncio.StreamWriter) -> None:
    writer.write(reply(200, b'{"Item":{"raw"', length=1000))
    writer.close()


PASSING: dict[str, Answer] = {
    "throttled": refused("ProvisionedThroughputExceededException"),
    "throttled with a status": refused("Unknown", 429),
    "its own fault": refused("InternalServerError", 500),
    "a page of a proxy": reply(503, b"<html>busy</html>", headers={"content-type": "text/html"}),
    "nothing in it": reply(500),
    "broken off": reset,
    "cut": cut,
    "no JSON": reply(200, b"surprise"),
    "half a JSON": reply(200, b'{"Item":'),
    "no object": reply(200, b"[]"),
    "no HTTP": b"220 smtp.example ESMTP\r\n\r\n",
}


@pytest.mark.parametrize("fault", PASSING)
async def test_what_passes_is_repeated(transport: Transport, fault: str) -> None:
    async with scripted(PASSING[fault], OK) as script:
        assert await get(transport(environment(script.url))) == ANSWER
        assert len(script.asked) == 2


@pytest.mark.parametrize(
    "code",
    ["ConditionalCheckFailedException", "ValidationException", "AccessDeniedException", "NoSuchThing"],
)
async def test_what_lasts_is_not_repeated(transport: Transport, code: str) -> None:
    async with scripted(refused(code, text="a reason")) as script:
        error = await failure(get(transport(environment(script.url))))
        assert (error.code, error.text, error.status, error.body) == (code, "a reason", 400, {})
        assert len(script.asked) == 1


async def test_throttling_without_end_is_told_within_the_time(transport: Transport) -> None:
    async with scripted(OK, refused("ThrottlingException", text="slow down")) as script:
        aws = await warm(transport, script)
        started = asyncio.get_running_loop().time()
        error = await failure(get(aws, 0.5))
        assert asyncio.get_running_loop().time() - started < 1
        assert (error.code, error.text) == ("ThrottlingException", "slow down")
        assert len(script.asked) > 1


async def test_a_service_that_never_answers_ends_with_the_time(transport: Transport) -> None:
    async with scripted(OK, silence) as script:
        aws = await warm(transport, script)
        started = asyncio.get_running_loop().time()
        error = await failure(get(aws, 0.3))
        assert asyncio.get_running_loop().time() - started < 1
        assert (error.code, error.status) == ("", 0)
        assert "no answer within" in str(error)


async def test_one_silent_connection_leaves_time_for_another(transport: Transport) -> None:
    async with scripted(OK, silence, OK) as script:
        aws = await warm(transport, script)
        assert await get(aws, 3) == ANSWER
        assert script.connections == 2


async def test_calls_with_different_times_go_side_by_side() -> None:
    async with scripted(OK) as script:
        aws = BotoAws(environ=environment(script.url))
        assert [await get(aws, 1), await get(aws, 20), await get(aws, 2000)] == [ANSWER] * 3
        await aws.close()


async def test_what_was_throttled_and_then_not_answered_was_throttled(transport: Transport) -> None:
    async with scripted(OK, refused("ThrottlingException"), silence) as script:
        assert (await failure(get(await warm(transport, script), 0.5))).code == "ThrottlingException"


async def test_nobody_there_is_no_answer(transport: Transport) -> None:
    async with scripted(OK) as script:
        address = script.url
    error = await failure(get(transport(environment(address)), 0.3))
    assert (error.code, error.status) == ("", 0)


async def test_connections_are_kept(transport: Transport) -> None:
    async with scripted(OK) as script:
        aws = transport(environment(script.url))
        for _ in range(5):
            await get(aws)
        assert (len(script.asked), script.connections) == (5, 1)


def _fails(_: object) -> float:
    raise AssertionError("it paused")


async def test_a_connection_that_died_meanwhile_is_replaced_at_once(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeating, "_pause", _fails)
    async with scripted(OK, reset, OK) as script:
        aws = transport(environment(script.url))
        await get(aws)
        assert await get(aws) == ANSWER
        assert script.connections == 2


async def test_several_dead_connections_cost_one_repeat_each_call(transport: Transport) -> None:
    everybody = asyncio.Barrier(3)

    async def together(writer: asyncio.StreamWriter) -> None:
        await everybody.wait()
        writer.write(OK)

    async with scripted(together, together, together, reset, OK) as script:
        aws = transport(environment(script.url))
        await asyncio.gather(*(get(aws) for _ in range(3)))
        assert script.connections == 3
        assert await get(aws) == ANSWER
        assert len(script.asked) == 5


async def test_a_wrong_clock_is_named(transport: Transport) -> None:
    there = datetime.now(UTC) - timedelta(hours=1)
    skewed = json.dumps({"__type": "x#InvalidSignatureException", "message": "Signature not yet current"})
    date = {**JSON, "date": format_datetime(there, usegmt=True)}
    async with scripted(reply(400, skewed.encode(), headers=date)) as script:
        error = await failure(get(transport(environment(script.url))))
    assert error.code == "InvalidSignatureException"
    assert error.text.startswith("this machine's clock is about 36")
    assert "seconds ahead of that of AWS" in error.text


async def test_a_refused_signature_at_the_right_time_says_nothing_of_clocks(transport: Transport) -> None:
    date = {**JSON, "date": format_datetime(datetime.now(UTC), usegmt=True)}
    body = json.dumps({"__type": "x#InvalidSignatureException", "message": "wrong"}).encode()
    async with scripted(reply(400, body, headers=date)) as script:
        assert (await failure(get(transport(environment(script.url))))).text == "wrong"


async def test_no_secret_of_ours_is_in_an_error(transport: Transport) -> None:
    quoted = (
        "The request signature we calculated does not match.\n\nThe Canonical String for this request"
        " should have been 'POST\n/\n\nx-amz-security-token:the-session-token\n'"
    )
    async with scripted(refused("InvalidSignatureException", text=quoted)) as script:
        environ = environment(script.url, {"AWS_SESSION_TOKEN": "the-session-token"})
        error = await failure(get(transport(environ)))
        assert script.asked[0].headers["x-amz-security-token"] == "the-session-token"
    told = f"{error!r} {error} {error.text} {error.body}"
    assert "the-session-token" not in told
    assert environ["AWS_SECRET_ACCESS_KEY"] not in told
    assert error.text == "The request signature we calculated does not match."


async def test_an_error_named_by_its_header_alone_is_known(transport: Transport) -> None:
    named = {**JSON, "x-amzn-errortype": "ResourceNotFoundException:http://internal.amazon.com/"}
    async with scripted(reply(400, b"", headers=named)) as script:
        aws = transport(environment(script.url))
        error = await failure(get(aws))
        # botocore does not read this header.
        assert error.code == ("ResourceNotFoundException" if isinstance(aws, LightAws) else "400")
        assert error.text == "without a sentence"


async def test_a_call_without_a_region_says_so(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    environ = environment("http://127.0.0.1:1", {"AWS_REGION": ""})
    assert (await failure(get(transport(environ)))).code == "NoRegion"


async def test_a_call_without_credentials_says_so(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(variable, "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    environ = environment("http://127.0.0.1:1", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    assert (await failure(get(transport(environ)))).code == "NoCredentials"


async def test_an_answer_without_end_is_not_taken() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"400\r\n" + b"x" * 1024 + b"\r\n")
            await writer.drain()

    async with scripted(endless) as script:
        aws = LightAws(environ=environment(script.url), clock=SystemClock(), largest_answer=100_000)
        assert (await failure(get(aws))).code == "AnswerTooLarge"
        await aws.close()
        assert len(script.asked) == 1


async def test_an_answer_with_a_wrong_sum_is_asked_for_again() -> None:
    damaged = reply(200, b"{}", headers={**JSON, "x-amz-crc32": "1"})
    whole = reply(200, b"{}", headers={**JSON, "x-amz-crc32": "2745614147"})
    async with scripted(damaged, whole) as script:
        aws = LightAws(environ=environment(script.url), clock=SystemClock())
        assert await get(aws) == {}
        await aws.close()
        assert len(script.asked) == 2


async def test_a_cancelled_call_ends_its_connection() -> None:
    async with scripted(silence) as script:
        aws = LightAws(environ=environment(script.url), clock=SystemClock())
        call = asyncio.create_task(get(aws))
        await _until(lambda: len(script.asked) == 1)
        call.cancel()
        await asyncio.wait([call])
        assert call.cancelled()
        await _until(lambda: not script.open)
        await aws.close()


async def test_a_full_pool_of_threads_is_no_answer() -> None:
    async with scripted(OK, silence) as script:
        aws = await warm(lambda environ: BotoAws(environ=environ, threads=1), script)
        errors = await asyncio.gather(*(failure(get(aws, 0.3)) for _ in range(3)))
        assert [error.code for error in errors] == ["", "", ""]
        assert len(script.asked) == 1
    await aws.close()


async def test_wrong_parameters_are_not_quoted() -> None:
    async with scripted(OK) as script:
        aws = BotoAws(environ=environment(script.url))
        error = await failure(aws.call("dynamodb", "GetItem", {"Secret": "mtk_secret"}, 30))
        await aws.close()
        assert script.asked == []
    assert (error.code, error.text) == ("NotSent", "the call could not be made (ParamValidationError)")


async def test_closing_ends_the_connections_and_may_be_repeated(transport: Transport) -> None:
    async with scripted(OK) as script:
        aws = transport(environment(script.url))
        await get(aws)
        await aws.close()
        await aws.close()
        await _until(lambda: not script.open)


async def test_after_closing_the_light_one_opens_new_connections() -> None:
    async with scripted(OK) as script:
        aws = LightAws(environ=environment(script.url), clock=SystemClock())
        for _ in range(2):
            assert await get(aws) == ANSWER
            await aws.close()
        assert script.connections == 2


async def _until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110 - another task's work
            await asyncio.sleep(0)
