"""HTTP to an Arc: what goes out, and what becomes of every way in which it may go wrong."""

import asyncio
import dataclasses
import gzip
import os
import socket
import threading

import pytest
import zstandard

from core.adapters.arc import client as client_module
from core.adapters.arc import names, pools
from core.adapters.arc.client import ClientLimits, Request
from core.model.errors import (
    StoreAmbiguous,
    StoreDenied,
    StoreError,
    StoreRefused,
    StoreTimeout,
    StoreUnreachable,
)
from core.model.memory import OrgId
from tests.arc.conftest import KEY, Bench, Open
from tests.arc.scripted import Answer, Script, reply, reset, scripted, silence

GET = Request("GET", "/api/v1/anything", KEY)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_a_request_carries_the_key_and_the_database(bench: Bench) -> None:
    async with scripted(reply(200, b"fine", headers={"retry-after": "7"})) as arc:
        answer = await bench.client.ask(bench.binding(arc.url + "/prefix/"), GET, 30)
    assert (answer.status, answer.body, answer.retry_after) == (200, b"fine", 7)
    (asked,) = arc.asked
    assert asked.path == "/prefix/api/v1/anything"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["x-arc-database"] == "memory"


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("http://arc.example", "arc.example", "/x"),
        ("http://arc.example:8000/", "arc.example:8000", "/x"),
        ("https://[::1]:8443/pre fix/ü", "[::1]:8443", "/pre%20fix/%C3%BC/x"),
        ("http://[fd00::1]/%2F/a", "[fd00::1]", "/%2F/a/x"),
        ("https://bücher.example", "xn--bcher-kva.example", "/x"),
        ("http://my_arc", "my_arc", "/x"),
    ],
)
def test_a_binding_s_url_becomes_a_target_and_a_host(url: str, host: str, target: str) -> None:
    where, named = client_module._target(url, "/x")
    assert (named, where.target.decode()) == (host, target)
    assert where.host.decode() == host.removesuffix(":8000").removesuffix(":8443").strip("[]")


def test_a_host_that_is_no_name_is_unreachable() -> None:
    with pytest.raises(StoreUnreachable, match="no name"):
        client_module._target(f"http://{'x' * 80}.example", "/x")


async def test_no_key_makes_no_header(bench: Bench) -> None:
    async with scripted(reply()) as arc:
        await bench.client.ask(bench.binding(arc.url), dataclasses.replace(GET, key=""), 30)
    assert "authorization" not in arc.asked[0].headers


@pytest.mark.parametrize("key", ["line\r\nx-evil: 1", "schlüssel", "nul\0", "tab\t"])
async def test_a_key_that_no_header_can_carry_is_not_sent_or_shown(bench: Bench, key: str) -> None:
    async with scripted(reply()) as arc:
        with pytest.raises(StoreDenied, match="no header") as caught:
            await bench.client.ask(bench.binding(arc.url), dataclasses.replace(GET, key=key), 30)
    assert key not in f"{caught.value!r} {caught.value.hint}"
    assert arc.connections == 0


@pytest.mark.parametrize("database", ["line\r\nx-evil: 1", "größe"])
async def test_a_database_that_no_header_can_carry_is_not_asked(bench: Bench, database: str) -> None:
    async with scripted(reply()) as arc:
        binding = dataclasses.replace(bench.binding(arc.url), database=database)
        with pytest.raises(StoreUnreachable, match="no header"):
            await bench.client.ask(binding, GET, 30)
    assert arc.connections == 0


async def test_a_connection_is_used_again(bench: Bench) -> None:
    async with scripted(reply(200, b"fine")) as arc:
        for _ in range(3):
            await bench.client.ask(bench.binding(arc.url), GET, 30)
    assert arc.connections == 1


async def test_a_redirect_is_an_answer_and_is_not_followed(bench: Bench) -> None:
    async with scripted(reply(302, headers={"location": "http://169.254.169.254/"})) as arc:
        assert (await bench.client.ask(bench.binding(arc.url), GET, 1)).status == 302
    assert len(arc.asked) == 1


@pytest.mark.parametrize("packed", [gzip.compress(b"text" * 100, mtime=0), zstandard.compress(b"text" * 100)])
async def test_a_compressed_answer_is_unpacked(bench: Bench, packed: bytes) -> None:
    encoding = "gzip" if packed[:2] == b"\x1f\x8b" else "zstd"
    async with scripted(reply(200, packed, headers={"content-encoding": encoding})) as arc:
        assert (await bench.client.ask(bench.binding(arc.url), GET, 1)).body == b"text" * 100


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate"])
async def test_an_answer_packed_in_another_way_says_nothing(bench: Bench, encoding: str) -> None:
    async with scripted(reply(200, b"packed", headers={"content-encoding": encoding})) as arc:
        await broken(bench, arc, StoreAmbiguous)


async def test_a_large_packed_answer_is_unpacked_too(bench: Bench) -> None:
    noise = os.urandom(400_000)
    async with scripted(reply(200, gzip.compress(noise), headers={"content-encoding": "gzip"})) as arc:
        assert (await bench.client.ask(bench.binding(arc.url), GET, 5)).body == noise


async def broken(bench: Bench, arc: Script, error: type[StoreError], timeout: float = 1.0) -> StoreError:
    with pytest.raises(error) as caught:
        await bench.client.ask(bench.binding(arc.url), GET, timeout)
    assert KEY not in f"{caught.value!r} {caught.value.hint} {caught.value.__cause__!r}"
    return caught.value


async def test_a_refused_connection_is_unreachable(bench: Bench) -> None:
    await broken(bench, Script(port=free_port()), StoreUnreachable)


async def test_a_connection_that_breaks_off_says_nothing(bench: Bench) -> None:
    async with scripted(reset) as arc:
        await broken(bench, arc, StoreAmbiguous)
    assert len(arc.asked) == 1


async def test_a_harmless_question_is_asked_once_more_where_the_connection_broke_off(bench: Bench) -> None:
    harmless = dataclasses.replace(GET, is_harmless=True)
    async with scripted(reset, reply(200, b"fine")) as arc:
        assert (await bench.client.ask(bench.binding(arc.url), harmless, 1)).body == b"fine"
    async with scripted(reset) as arc:
        with pytest.raises(StoreAmbiguous, match="broke off"):
            await bench.client.ask(bench.binding(arc.url), harmless, 30)
        assert len(arc.asked) == 2


async def test_a_connection_that_is_reset_when_it_is_used_again_costs_a_question_nothing(
    bench: Bench,
) -> None:
    harmless = dataclasses.replace(GET, is_harmless=True)
    async with scripted(reply(200, b"one"), reset, reply(200, b"two")) as arc:
        answers = [await bench.client.ask(bench.binding(arc.url), harmless, 1) for _ in range(2)]
    assert [answer.body for answer in answers] == [b"one", b"two"]
    assert arc.connections == 2


async def test_what_writes_is_never_sent_twice_by_itself(bench: Bench) -> None:
    async with scripted(reply(200, b"one"), reset, reply(200, b"two")) as arc:
        await bench.client.ask(bench.binding(arc.url), GET, 30)
        await broken(bench, arc, StoreAmbiguous)
    assert len(arc.asked) == 2


async def test_who_closes_the_door_at_once_says_nothing(bench: Bench) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    harmless = dataclasses.replace(GET, is_harmless=True)
    with pytest.raises(StoreAmbiguous, match="broke off"):
        await bench.client.ask(bench.binding(url), harmless, 5)
    server.close()


async def test_an_answer_that_drips_is_given_up_in_time(bench: Bench) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.001)

    async with scripted(drip) as arc:
        await broken(bench, arc, StoreTimeout, 0.1)


async def test_an_answer_that_has_to_be_given_up_leaves_no_connection_behind(bench: Bench) -> None:
    async with scripted(silence, reply(200, b"fine")) as arc:
        await broken(bench, arc, StoreTimeout, 0.05)
        await until_closed(arc)
        assert not arc.open
        assert (await bench.client.ask(bench.binding(arc.url), GET, 1)).body == b"fine"


async def test_many_that_gave_up_leave_room_for_the_next(bench: Bench) -> None:
    hanging: list[Answer] = [silence] * 40
    async with scripted(*hanging, reply(200, b"fine")) as arc:
        asking = [asyncio.create_task(bench.client.ask(bench.binding(arc.url), GET, 30)) for _ in range(40)]
        while len(arc.asked) < 16:  # noqa: ASYNC110 - the script sets no event
            await asyncio.sleep(0.001)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        arc.answers[:] = [reply(200, b"fine")]
        assert (await bench.client.ask(bench.binding(arc.url), GET, 1)).body == b"fine"


async def test_half_an_answer_says_nothing(bench: Bench) -> None:
    async def half(writer: asyncio.StreamWriter) -> None:
        writer.write(reply(200, b"half", length=100))
        await writer.drain()
        writer.close()

    async with scripted(half) as arc:
        await broken(bench, arc, StoreAmbiguous)


async def test_garbage_says_nothing(bench: Bench) -> None:
    async with scripted(b"\x00\x01garbage\r\n\r\n") as arc:
        await broken(bench, arc, StoreAmbiguous)


async def test_a_damaged_gzip_says_nothing(bench: Bench) -> None:
    async with scripted(reply(200, b"\x1f\x8bnot", headers={"content-encoding": "gzip"})) as arc:
        await broken(bench, arc, StoreAmbiguous)


async def test_an_arc_that_hangs_is_given_up(bench: Bench) -> None:
    async with scripted(silence) as arc:
        await broken(bench, arc, StoreTimeout, 0.05)


async def test_a_connection_that_the_arc_closed_meanwhile_is_not_taken_for_the_arc_s_answer(
    bench: Bench,
) -> None:
    async def answer_and_close(writer: asyncio.StreamWriter) -> None:
        writer.write(reply(200, b"last"))
        await writer.drain()
        writer.close()

    async with scripted(answer_and_close) as arc:
        for _ in range(3):
            assert (await bench.client.ask(bench.binding(arc.url), GET, 1)).body == b"last"
            await asyncio.sleep(0)
            await until_closed(arc)


async def until_closed(arc: Script) -> None:
    """Lets the event loop see the end of the connection."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_answer_beyond_the_bound_is_broken_off(open_bench: Open) -> None:
    bench = open_bench(ClientLimits(response_bytes=1_000))
    async with scripted(reply(200, bytes(2_000_000))) as arc:
        error = await broken(bench, arc, StoreRefused)
    assert "arc.max_response_bytes" in (error.hint or "")


async def test_a_small_answer_that_unpacks_to_a_large_one_is_broken_off(open_bench: Open) -> None:
    bench = open_bench(ClientLimits(response_bytes=1_000_000))
    packed = gzip.compress(bytes(50_000_000))
    async with scripted(reply(200, packed, headers={"content-encoding": "gzip"})) as arc:
        await broken(bench, arc, StoreRefused)


async def test_one_org_s_hanging_arc_holds_up_nobody_else(bench: Bench) -> None:
    async with scripted(silence) as dead, scripted(reply(200, b"fine")) as arc:
        hanging = [
            asyncio.create_task(bench.client.ask(bench.binding(dead.url, OrgId("org_dead")), GET, 30))
            for _ in range(50)
        ]
        await until_closed(dead)
        assert (await bench.client.ask(bench.binding(arc.url), GET, 1)).body == b"fine"
        for task in hanging:
            task.cancel()
        await asyncio.wait(hanging)


async def test_pools_are_bounded_and_those_in_use_stay(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_MOST_POOLS", 2)
    async with scripted(reply(200, b"fine")) as arc:
        for number in range(5):
            await bench.client.ask(bench.binding(arc.url, OrgId(f"org_{number}")), GET, 30)
        assert len(bench.client._pools) == 2
        await bench.client.ask(bench.binding(arc.url, OrgId("org_0")), GET, 30)
    await bench.client.close()
    assert not bench.client._pools


async def test_pools_that_were_left_are_closed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(reply(200, b"fine")) as arc:
        await bench.client.ask(bench.binding(arc.url, OrgId("org_1")), GET, 30)
        await bench.client.ask(bench.binding(arc.url, OrgId("org_2")), GET, 30)
        assert len(arc.open) == 2
        later = asyncio.get_running_loop().time() + 51
        monkeypatch.setattr(pools, "_now", lambda: later)
        await bench.client.ask(bench.binding(arc.url, OrgId("org_3")), GET, 30)
        await until_closed(arc)
        assert len(arc.open) == len(bench.client._pools) == 1


async def test_a_pool_in_use_is_not_closed_for_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "_MOST_POOLS", 1)
    async with scripted(silence) as slow, scripted(reply(200, b"fine")) as arc:
        hanging = asyncio.create_task(bench.client.ask(bench.binding(slow.url, OrgId("org_1")), GET, 30))
        await until_closed(slow)
        for number in range(2, 5):
            await bench.client.ask(bench.binding(arc.url, OrgId(f"org_{number}")), GET, 30)
        assert len(bench.client._pools) == 2
        assert len(slow.open) == 1
        hanging.cancel()
        await asyncio.wait([hanging])


async def test_a_name_that_does_not_resolve_is_unreachable(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(host: str) -> list[str]:
        raise OSError("unknown")

    monkeypatch.setattr(names, "resolve", unknown)
    with pytest.raises(StoreUnreachable, match="does not resolve"):
        await bench.client.ask(bench.binding("http://no.such.example"), GET, 30)


async def test_a_name_that_takes_too_long_is_a_timeout(
    open_bench: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = threading.Event()
    monkeypatch.setattr(names, "resolve", lambda host: [str(ends.wait())])
    bench = open_bench(ClientLimits(connect_timeout=0.01))
    with pytest.raises(StoreTimeout, match="no connection"):
        await bench.client.ask(bench.binding("http://slow.example"), GET, 5)
    ends.set()


async def test_a_scheme_that_is_not_allowed_is_refused(open_bench: Open) -> None:
    bench = open_bench(ClientLimits(schemes=("https",)))
    error = await broken(bench, Script(port=1), StoreDenied)
    assert "arc.allowed_schemes" in (error.hint or "")


async def test_an_address_that_is_not_allowed_is_never_connected_to(open_bench: Open) -> None:
    bench = open_bench(ClientLimits(networks=("public",)))
    async with scripted(reply()) as arc:
        error = await broken(bench, arc, StoreDenied)
    assert arc.connections == 0
    assert "arc.allowed_networks" in (error.hint or "")
    assert "127.0.0.1" not in error.message


async def test_a_key_that_did_not_open_is_not_sent(bench: Bench) -> None:
    async with scripted(reply()) as arc:
        binding = dataclasses.replace(bench.binding(arc.url), key_opens=False)
        with pytest.raises(StoreDenied, match="does not open"):
            await bench.client.ask(binding, GET, 30)
    assert arc.connections == 0


async def test_an_https_binding_to_what_speaks_no_tls_is_unreachable(bench: Bench) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(StoreUnreachable, match="certificate is not accepted"):
        await bench.client.ask(bench.binding(f"https://127.0.0.1:{port}"), GET, 5)
    server.close()
