"""Never drop, refuse: full journals, slow and oversized requests."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator

import httpx

from tests.faults.faulty import QUICK, FaultyInstallation, Journal
from tests.faults.witness import Witness, draft

_NO_FLUSHER = {"MEMTRACE_FLUSHER_EMBEDDED": "false"}
_MIB = 1024 * 1024


async def test_a_full_journal_refuses_and_takes_again_when_it_was_flushed(
    faulty: FaultyInstallation,
) -> None:
    await faulty.dev(**faulty.faults, **_NO_FLUSHER, MEMTRACE_JOURNAL_MAX_MEMORIES_PER_ORG="200")
    journal, witness = Journal(faulty), Witness()
    async with faulty.client() as client:
        for _ in range(10):
            await witness.write(client, 20)
        for body in (draft("one too many"), {"memories": [draft("one too many"), draft("and another")]}):
            await _is_refused(client, body)
        assert journal.count() == 200
        await witness.compare_rows(client)
        await faulty.spawn("flusher", env={**faulty.env, **faulty.faults, **QUICK})
        await journal.settled()
        await witness.write(client, 50)
        await witness.compare(client)


async def test_a_journal_is_full_by_bytes_too(faulty: FaultyInstallation) -> None:
    limits = {
        "MEMTRACE_JOURNAL_MAX_BYTES_PER_ORG": str(_MIB),
        "MEMTRACE_SERVER_MAX_BODY_BYTES": str(_MIB),
    }
    await faulty.dev(**faulty.faults, **_NO_FLUSHER, **limits)
    async with faulty.client() as client:
        taken = 0
        while (reply := await client.post("/memories", json=_large(taken))).status_code == 201:
            taken += 1
            assert taken < 10
        assert (reply.status_code, reply.json()["code"]) == (503, "journal_full")
        assert int(reply.headers["retry-after"]) > 0
        assert (await client.get("/memories")).json()["count"] == taken


def _large(number: int) -> dict[str, str]:
    return {"agent_id": "a", "content": f"{number} " + "x" * 200_000}


async def _is_refused(client: httpx.AsyncClient, body: object) -> None:
    reply = await client.post("/memories", json=body)
    assert (reply.status_code, reply.json()["code"]) == (503, "journal_full")
    assert int(reply.headers["retry-after"]) > 0


_IMPATIENT = {"MEMTRACE_SERVER_HEADER_TIMEOUT": "0.5", "MEMTRACE_SERVER_READ_TIMEOUT": "1"}
_CROWD = 50


async def test_slow_heads_and_bodies_are_given_up_and_disturb_nobody(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults, **_IMPATIENT)
    key = faulty.env["MEMTRACE_API_KEY"].encode()
    head = b"POST /api/v1/memories HTTP/1.1\r\nhost: x\r\nx-api-key: " + key + b"\r\n"
    complete = head + b"content-type: application/json\r\ncontent-length: 1000\r\n\r\n"
    slow = [(b"GET /", b"x"), (head, b"x"), (head, b"x-a: b\r\n"), (complete, b" "), (complete, b"")]
    async with faulty.client() as client, asyncio.TaskGroup() as group:
        crowd = [group.create_task(_dribbled(faulty, *slow[number % len(slow)])) for number in range(_CROWD)]
        for number in range(20):
            async with asyncio.timeout(5):
                reply = await client.post("/memories", json=draft(f"meanwhile {number}"))
                assert reply.status_code == 201
        answers = [await one for one in crowd]
    assert {answer[:12] for answer in answers} <= {b"HTTP/1.1 408", b""}
    assert {_code(answer) for answer in answers if answer} == {"request_timeout"}
    assert sum(answer[:12] == b"HTTP/1.1 408" for answer in answers) >= _CROWD * 4 // 5


async def _dribbled(faulty: FaultyInstallation, start: bytes, more: bytes) -> bytes:
    """What the server says to a client that sends a little now and then, until it hangs up."""
    url, answer = httpx.URL(faulty.env["MEMTRACE_URL"]), b""
    async with asyncio.timeout(30):
        with socket.socket() as sock:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (url.host, url.port))
            sock.send(start)
            while (part := await _heard(sock)) != b"":
                answer += part or b""
                if part is None:
                    _sent(sock, more)
    return answer


async def _heard(sock: socket.socket) -> bytes | None:
    """What comes within a moment; None: nothing, empty: the end. What came before a reset is heard first."""
    try:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sock, 65_536), 0.05)
    except TimeoutError:
        return None
    except ConnectionError:
        return b""


def _sent(sock: socket.socket, more: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.send(more)


def _received(answer: "asyncio.Task[bytes]") -> bytes:
    try:
        return answer.result()
    except ConnectionError:
        return b""


def _code(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["code"])


@contextlib.asynccontextmanager
async def _connected(
    faulty: FaultyInstallation,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    url = httpx.URL(faulty.env["MEMTRACE_URL"])
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_bodies_over_the_limit_are_refused_announced_or_not(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults)
    async with faulty.client() as client:
        for path in ("/memories", "/search", "/sessions", "/agents"):
            announced = await client.post(path, content=b" " * (4 * _MIB + 1))
            unannounced = await client.post(path, content=_chunks(5 * _MIB))
            for reply in (announced, unannounced):
                assert (reply.status_code, reply.json()["code"]) == (413, "request_too_large")
        full = {"memories": [{"agent_id": "a", "content": f"{n}" + "x" * 261_000} for n in range(16)]}
        body = json.dumps(full).encode()
        body += b" " * (4 * _MIB - len(body))
        assert (await client.post("/memories", content=body)).status_code == 201
        assert (await client.get("/memories", params={"limit": "1"})).json()["has_more"]


async def _chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(0, size, 65_536):
        yield b" " * 65_536


async def test_an_announced_flood_is_refused_before_it_comes_and_cut_off(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults, **_IMPATIENT)
    key = faulty.env["MEMTRACE_API_KEY"].encode()
    head = b"POST /api/v1/memories HTTP/1.1\r\nhost: x\r\nx-api-key: %s\r\ncontent-length: %d\r\n\r\n"
    async with asyncio.timeout(30), _connected(faulty) as (reader, writer):
        writer.write(head % (key, 10**15))
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        rest = asyncio.create_task(reader.read())
        while not rest.done():
            with contextlib.suppress(ConnectionError):
                writer.write(b" " * 65_536)
                await writer.drain()
            await asyncio.wait([rest], timeout=0.01)
        _received(rest)
