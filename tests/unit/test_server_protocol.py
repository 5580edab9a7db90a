"""The deadline and the bound on request heads, over real sockets."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any

import pytest
import uvicorn

from handlers import uvicorn_protocol
from handlers.arrival import ARRIVED, QUEUED, SPARE, TAKEN
from handlers.uvicorn_protocol import MAX_HEAD_BYTES, protocol_class

_HEAD_SECONDS = 0.15
_LARGE = 32 << 20
"""Bytes: more than the system takes off a sender while nobody reads."""
_CONNECTIONS = 3
_refused: list[int] = []
_served: list[Any] = []
_taken: list[str] = []
_GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once on /, after half a second on /slow, without reading the body on /early."""
    _served.append(scope)
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    elif scope["path"] != "/early":
        while (await receive()).get("more_body"):
            pass
    body = b"ok" if scope["path"] != "/large" else bytes(_LARGE)
    length = b"%d" % len(body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})
    scope[TAKEN](lambda: _taken.append(scope["path"]))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        _app,
        http=protocol_class(_HEAD_SECONDS, _CONNECTIONS, lambda: _refused.append(1)),
        ws="none",
        lifespan="off",
        log_config=None,
        timeout_keep_alive=30,
    )
    server = _Server(config)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve(sockets=[listener]))
        yield listener.getsockname()[1]
        server.should_exit = True


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> bytes:
        """One answer of the app, up to its body."""
        async with asyncio.timeout(30):
            return await self.reader.readuntil(b"ok")

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        async with asyncio.timeout(30):
            return await self.reader.read()


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


def problem(answer: bytes) -> tuple[int, dict[str, str]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


async def test_a_silent_connection_is_closed(port: int) -> None:
    async with connected(port) as client:
        assert await client.rest() == b""


async def test_a_head_that_dribbles_in_is_answered_408_however_lively(port: int) -> None:
    async with connected(port) as client:
        await client.send(b"GET / HTTP/1.1\r\n")

        async def dribble() -> None:
            with contextlib.suppress(ConnectionError):
                while True:
                    await client.send(b"x: y\r\n")
                    await asyncio.sleep(0.02)

        dribbling = asyncio.create_task(dribble())
        # Not to the end: what is sent after the answer may reset the connection.
        async with asyncio.timeout(30):
            status, body = problem(await client.reader.readuntil(b"}"))
        dribbling.cancel()
        await asyncio.wait([dribbling])
    assert status == 408
    assert body["code"] == "request_timeout"
    assert body["request_id"].startswith("req_")


async def test_empty_lines_between_requests_do_not_buy_time(port: int) -> None:
    async with connected(port) as client:
        await client.send(_GET)
        await client.answer()
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                await client.send(b"\r\n")
                await asyncio.sleep(0.02)
                if client.reader.at_eof():
                    break
        assert asyncio.get_running_loop().time() - began < 1.5


async def test_a_second_head_on_the_same_connection_has_the_same_deadline(port: int) -> None:
    async with connected(port) as client:
        await client.send(_GET)
        await client.answer()
        await client.send(b"GET / HT")
        assert problem(await client.rest())[0] == 408


async def test_an_idle_connection_may_stay_longer_than_a_head_may_take(port: int) -> None:
    async with connected(port) as client:
        await client.send(_GET)
        await client.answer()
        await asyncio.sleep(3 * _HEAD_SECONDS)
        await client.send(_GET)
        assert b"200" in await client.answer()


async def test_a_request_that_takes_long_to_answer_is_not_cut_short(port: int) -> None:
    async with connected(port) as client:
        await client.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\nGET / HT")
        assert b"200" in await client.answer()


async def test_one_who_does_not_take_its_answer_is_cut_off(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn_protocol, "STALL_SECONDS", 0.1)
    async with connected(port) as client:
        await client.send(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        await client.reader.readexactly(1)
        await asyncio.sleep(0.5)
        assert len(await client.rest()) < _LARGE


async def test_one_who_takes_a_large_answer_slowly_gets_all_of_it(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn_protocol, "STALL_SECONDS", 0.1)
    async with connected(port) as client:
        await client.send(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        taken = 0
        while piece := await client.reader.read(1 << 20):
            taken += len(piece)
            await asyncio.sleep(0.01)
        assert taken > _LARGE


async def test_an_answer_is_taken_when_its_last_bytes_are_on_their_way(port: int) -> None:
    _taken.clear()
    async with connected(port) as client:
        await client.send(_GET)
        await client.answer()
        assert _taken == ["/"]
        await client.send(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await client.reader.readexactly(1)
        assert _taken == ["/"]
        assert len(await client.rest()) > _LARGE - 1
        assert _taken == ["/", "/large"]


async def test_an_answer_that_nobody_takes_is_held_until_the_client_is_gone(port: int) -> None:
    _taken.clear()
    async with connected(port) as client:
        await client.send(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        await client.reader.readexactly(1)
        assert _taken == []
    async with asyncio.timeout(30):
        while _taken != ["/large"]:  # noqa: ASYNC110 - the server notices by itself
            await asyncio.sleep(0.01)


async def test_a_slow_body_is_not_the_heads_business(port: int) -> None:
    async with connected(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n")
        for _ in range(4):
            await asyncio.sleep(_HEAD_SECONDS / 2)
            await client.send(b"x")
        assert b"200" in await client.answer()


async def test_a_body_nobody_wants_any_more_cannot_hold_the_connection(port: int) -> None:
    async with connected(port) as client:
        await client.send(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
        await client.answer()
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):
            while not client.reader.at_eof():
                await client.send(b"x")
                await asyncio.sleep(0.02)
        assert asyncio.get_running_loop().time() - began < 1.5


async def test_pipelined_requests_are_all_answered(port: int) -> None:
    async with connected(port) as client:
        await client.send(_GET * 3)
        for _ in range(3):
            assert b"200" in await client.answer()


async def test_a_head_without_end_is_refused(port: int) -> None:
    async with connected(port) as client:
        with contextlib.suppress(ConnectionError):
            await client.send(b"GET / HTTP/1.1\r\nhost: x\r\nx: ")
            await asyncio.sleep(0.02)
            for _ in range(8):
                await client.send(b"y" * (MAX_HEAD_BYTES // 4))
                await asyncio.sleep(0.005)
            status, body = problem(await client.rest())
            assert (status, body["code"]) == (431, "request_too_large")


@pytest.mark.parametrize(
    "start", [b"GET /?%s HTTP/1.1\r\nhost: x\r\n\r\n", b"GET / HTTP/1.1\r\ny: %s\r\n\r\n"]
)
async def test_a_head_too_large_is_refused_also_when_it_comes_at_once(port: int, start: bytes) -> None:
    async with connected(port) as client:
        await client.send(start % (b"y" * (MAX_HEAD_BYTES + 1)))
        status, body = problem(await client.rest())
    assert (status, body["code"]) == (431, "request_too_large")


async def test_a_large_body_that_comes_with_its_head_is_no_large_head(port: int) -> None:
    async with connected(port) as client:
        size = 2 * MAX_HEAD_BYTES
        await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + b"z" * size)
        assert b"200" in await client.answer()


async def test_a_body_that_breaks_its_own_encoding_is_refused(port: int) -> None:
    async with connected(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nzz\r\n")
        await asyncio.sleep(0.02)
        await client.send(b"no length\r\n")
        status, body = problem(await client.rest())
    assert (status, body["code"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET  HTTP/9\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n"],
)
async def test_what_is_not_http_is_refused_in_the_shape_of_every_error(port: int, garbage: bytes) -> None:
    async with connected(port) as client:
        await client.send(garbage)
        status, body = problem(await client.rest())
    assert status == 400
    assert set(body) == {"error", "code", "request_id"}


async def test_garbage_behind_a_request_does_not_spoil_its_answer(port: int) -> None:
    async with connected(port) as client:
        await client.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.sleep(0.02)
        await client.send(b"\x00\x01\x02\r\n\r\n")
        assert b"400" not in await client.rest()


async def test_a_connection_too_many_is_marked_for_probes_only(port: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        await crowded(port, stack, _CONNECTIONS)
        assert not any(SPARE in scope for scope in _served)
        async with connected(port) as late:
            await late.send(_GET)
            await late.answer()
        assert SPARE in _served[-1]


async def test_a_connection_beyond_the_spare_ones_is_refused_and_the_others_live_on(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.uvicorn_protocol.SPARE_CONNECTIONS", 1)
    _refused.clear()
    async with contextlib.AsyncExitStack() as stack:
        clients = await crowded(port, stack, _CONNECTIONS + 1)
        async with connected(port) as late:
            status, body = problem(await late.rest())
            assert (status, body["code"]) == (503, "overloaded")
        assert _refused == [1]
        await clients[0].send(_GET)
        assert b"200" in await clients[0].answer()


async def crowded(port: int, stack: contextlib.AsyncExitStack, count: int) -> list["Client"]:
    """So many connections, each served once."""
    clients = [await stack.enter_async_context(connected(port)) for _ in range(count)]
    for client in clients:
        await client.send(_GET)
        await client.answer()
    return clients


async def test_the_application_is_told_when_a_head_had_arrived(port: int) -> None:
    before = monotonic()
    async with connected(port) as client:
        await client.send(_GET)
        await client.answer()
    assert before <= _served[-1][ARRIVED] <= monotonic()
    assert QUEUED not in _served[-1]


async def test_the_application_is_told_of_a_request_behind_another_one(port: int) -> None:
    async with connected(port) as client:
        await client.send(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n" + _GET)
        await client.answer()
        await client.answer()
    assert QUEUED in _served[-1]
