"""HTTP to an Arc: what goes out, and what becomes of every way in which it may go wrong."""

import asyncio
import dataclasses
import gzip
import socket
from pathlib import Path

import httpcore
import pytest
import zstandard

from core.adapters.arc import client as client_module
from core.adapters.arc.addresses import AllowedNetworks
from core.adapters.arc.client import ClientLimits, Request
from core.adapters.arc.network import AddressRefused, GuardedNetwork
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
from tests.arc.scripted import Script, reply, reset, scripted, silence

GET = Request("GET", "/api/v1/anything", KEY)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_a_request_carries_the_key_and_the_database(bench: Bench) -> None:
    async with scripted(reply(200, b"fine", headers={"retry-after": "7"})) as arc:
        answer = await bench.client.ask(bench.binding(arc.url + "/prefix/"), GET, 1)
    assert (answer.status, answer.body, answer.retry_after) == (200, b"fine", 7)
    (asked,) = arc.asked
    assert asked.path == "/prefix/api/v1/anything"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["x-arc-database"] == "memory"


async def test_a_connection_is_used_again(bench: Bench) -> None:
    async with scripted(reply(200, b"fine")) as arc:
        for _ in range(3):
            await bench.client.ask(bench.binding(arc.url), GET, 1)
    assert arc.connections == 1


async def test_a_redirect_is_an_answer_and_is_not_followed(bench: Bench) -> None:
    async with scripted(reply(302, headers={"location": "http://169.254.169.254/"})) as arc:
        assert (await bench.client.ask(bench.binding(arc.url), GET, 1)).status == 302
    assert len(arc.asked) == 1


@pytest.mark.parametrize("packed", [gzip.compress(b"text" * 100), zstandard.compress(b"text" * 100)])
async def test_a_compressed_answer_is_unpacked(bench: Bench, packed: bytes) -> None:
    encoding = "gzip" if packed[:2] == b"\x1f\x8b" else "zstd"
    async with scripted(reply(200, packed, headers={"content-encoding": encoding})) as arc:
        assert (await bench.client.ask(bench.binding(arc.url), GET, 1)).body == b"text" * 100


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
    monkeypatch.setattr(client_module, "_MOST_POOLS", 2)
    async with scripted(reply(200, b"fine")) as arc:
        for number in range(5):
            await bench.client.ask(bench.binding(arc.url, OrgId(f"org_{number}")), GET, 1)
        assert len(bench.client._pools) == 2
        await bench.client.ask(bench.binding(arc.url, OrgId("org_0")), GET, 1)
    await bench.client.close()
    assert not bench.client._pools


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
            await bench.client.ask(binding, GET, 1)
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


# --- connecting


class Resolver:
    """Answers names as a test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        self.addresses = addresses
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self.look_up, raising=False)

    async def look_up(self, host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if not self.addresses:
            raise socket.gaierror("unknown")
        return [(0, 0, 0, "", (address, port)) for address in self.addresses]


class Dialled(httpcore.AsyncNetworkBackend):
    """Notes where it was to connect to; some addresses refuse."""

    def __init__(self, *refusing: str) -> None:
        self.refusing = refusing
        self.dialled: list[str] = []

    async def connect_tcp(
        self, host: str, port: int, *_: object, **__: object
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append(host)
        if host in self.refusing:
            raise httpcore.ConnectError("refused")
        return httpcore.AsyncMockStream([])


async def test_only_allowed_addresses_of_a_name_are_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    dialled = Dialled()
    network = GuardedNetwork(AllowedNetworks(["private"]), dialled)
    Resolver(monkeypatch, "169.254.169.254", "8.8.8.8", "10.0.0.7")
    await network.connect_tcp("arc.example", 80, timeout=1)
    assert dialled.dialled == ["10.0.0.7"]


async def test_a_name_that_answers_something_else_later_is_judged_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dialled = Dialled()
    network = GuardedNetwork(AllowedNetworks(["public"]), dialled)
    resolver = Resolver(monkeypatch, "8.8.8.8")
    await network.connect_tcp("arc.example", 80)
    resolver.addresses = ("127.0.0.1",)
    with pytest.raises(AddressRefused):
        await network.connect_tcp("arc.example", 80)
    assert dialled.dialled == ["8.8.8.8"]


async def test_the_next_address_is_tried_when_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    dialled = Dialled("10.0.0.1")
    network = GuardedNetwork(AllowedNetworks(["private"]), dialled)
    resolver = Resolver(monkeypatch, "10.0.0.1", "10.0.0.1", "10.0.0.2")
    await network.connect_tcp("arc.example", 80)
    assert dialled.dialled == ["10.0.0.1", "10.0.0.2"]
    resolver.addresses = ("10.0.0.1",)
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("arc.example", 80)


async def test_a_name_that_does_not_resolve_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    Resolver(monkeypatch)
    with pytest.raises(httpcore.ConnectError, match="does not resolve"):
        await GuardedNetwork(AllowedNetworks(["public"])).connect_tcp("arc.example", 80)


async def test_a_resolver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hang, raising=False)
    with pytest.raises(httpcore.ConnectTimeout):
        await GuardedNetwork(AllowedNetworks(["public"])).connect_tcp("arc.example", 80, timeout=0.01)


async def test_no_socket_of_this_machine_is_connected_to(tmp_path: Path) -> None:
    network = GuardedNetwork(AllowedNetworks(["loopback"]))
    with pytest.raises(AddressRefused):
        await network.connect_unix_socket(str(tmp_path / "arc.sock"))
