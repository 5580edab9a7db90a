"""Reading bodies: how large, how long, and when not at all."""

import asyncio

import pytest

from tests.api.raw import GONE, Wire, chunk, exchanged, scope
from tests.api.rig import Api, assert_error

URL = "/api/v1/memories"
ONE = b'{"agent_id":"a","content":"x"}'


async def test_a_body_that_announces_too_much_is_refused_unread(api: Api) -> None:
    small = api.with_server(max_body_bytes=1024)
    headers = {"x-api-key": "full", "content-length": "1025"}
    wire = await exchanged(small.app, "POST", URL, [chunk(b"x" * 1025)], headers)
    body = assert_error(wire.answer, 413, "request_too_large", "1024 bytes")
    assert body["max_bytes"] == 1024
    assert wire.unread == 1


@pytest.mark.parametrize("chunks", [[b"x" * 1025], [b"x" * 600, b"x" * 600, b"x"]])
async def test_a_body_of_unknown_length_is_refused_once_it_is_too_large(
    api: Api, chunks: list[bytes]
) -> None:
    small = api.with_server(max_body_bytes=1024)
    messages = [chunk(part, more=True) for part in chunks[:-1]] + [chunk(chunks[-1])]
    wire = await exchanged(small.app, "POST", URL, messages)
    assert_error(wire.answer, 413, "request_too_large")
    assert wire.unread == (1 if len(chunks) > 1 else 0)


async def test_a_body_of_exactly_the_limit_is_read(api: Api) -> None:
    small = api.with_server(max_body_bytes=1024)
    wire = await exchanged(small.app, "POST", URL, [chunk(ONE.ljust(1024))])
    assert wire.answer.status == 201


async def test_a_body_in_pieces_is_one_body(api: Api) -> None:
    messages = [chunk(ONE[:9], more=True), chunk(more=True), chunk(ONE[9:])]
    assert (await exchanged(api.app, "POST", URL, messages)).answer.status == 201


@pytest.mark.parametrize("length", ["-1", "ten", "+5", "9" * 5_000])
async def test_a_length_that_is_none_is_an_error(api: Api, length: str) -> None:
    headers = {"x-api-key": "full", "content-length": length}
    wire = await exchanged(api.app, "POST", URL, [chunk(ONE)], headers)
    assert wire.answer.status in (400, 413)


async def test_a_slow_body_is_given_up(api: Api) -> None:
    hasty = api.with_server(read_timeout=0.1, header_timeout=0.1)
    for messages in ([], [chunk(ONE[:5], more=True)]):
        wire = await exchanged(hasty.app, "POST", URL, messages)
        assert_error(wire.answer, 408, "request_timeout", "within 0.1 seconds")
        assert wire.answer.headers["connection"] == "close"


async def test_nobody_is_answered_who_has_gone(api: Api) -> None:
    for messages in ([GONE], [chunk(ONE[:5], more=True), GONE]):
        assert (await exchanged(api.app, "POST", URL, messages)).sent == []


async def test_no_body_is_read_where_none_is_wanted(api: Api) -> None:
    wire = await exchanged(api.app, "GET", URL, [chunk(b"ignored")])
    assert (wire.answer.status, wire.unread) == (200, 1)


async def test_a_strangers_body_is_not_read(api: Api) -> None:
    wire = await exchanged(api.app, "POST", URL, [chunk(ONE)], {"x-api-key": "nobody"})
    assert_error(wire.answer, 401, "unauthenticated", "invalid API key")
    assert wire.unread == 1


async def test_a_cancelled_request_stays_cancelled(api: Api) -> None:
    wire = Wire([])
    task = asyncio.create_task(api.app(scope("POST", URL, {"x-api-key": "full"}), wire.receive, wire.send))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert wire.sent == []
