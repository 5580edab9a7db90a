"""Connecting: which addresses of a name are dialled, and what becomes of those that do not answer."""

import asyncio
from pathlib import Path

import httpcore
import pytest

from core.adapters.arc.addresses import AllowedNetworks
from core.adapters.arc.network import AddressRefused, GuardedNetwork, NameUnknown


class Resolver:
    """Answers names as a test says; without addresses it knows none."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def __call__(self, host: str) -> list[str]:
        if not self.addresses:
            raise OSError("unknown")
        return list(self.addresses)


class Dialled(httpcore.AsyncNetworkBackend):
    """Notes where it was to connect to; some addresses refuse, some never answer."""

    def __init__(self, refusing: tuple[str, ...] = (), silent: tuple[str, ...] = ()) -> None:
        self.refusing = refusing
        self.silent = silent
        self.dialled: list[tuple[str, float | None]] = []

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: object, **__: object
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append((host, timeout))
        if host in self.refusing:
            raise httpcore.ConnectError("refused")
        if host in self.silent:
            raise httpcore.ConnectTimeout("silent")
        return httpcore.AsyncMockStream([])

    @property
    def hosts(self) -> list[str]:
        return [host for host, _ in self.dialled]


async def test_only_allowed_addresses_of_a_name_are_dialled() -> None:
    dialled = Dialled()
    resolver = Resolver("169.254.169.254", "8.8.8.8", "10.0.0.7")
    network = GuardedNetwork(AllowedNetworks(["private"]), resolver, dialled)
    await network.connect_tcp("arc.example", 80, timeout=1)
    assert dialled.hosts == ["10.0.0.7"]


async def test_a_name_that_answers_something_else_later_is_judged_anew() -> None:
    dialled, resolver = Dialled(), Resolver("8.8.8.8")
    network = GuardedNetwork(AllowedNetworks(["public"]), resolver, dialled)
    await network.connect_tcp("arc.example", 80)
    resolver.addresses = ("127.0.0.1",)
    with pytest.raises(AddressRefused):
        await network.connect_tcp("arc.example", 80)
    assert dialled.hosts == ["8.8.8.8"]


async def test_the_next_address_is_tried_when_one_refuses() -> None:
    dialled = Dialled(refusing=("10.0.0.1",))
    resolver = Resolver("10.0.0.1", "10.0.0.2", "10.0.0.3")
    network = GuardedNetwork(AllowedNetworks(["private"]), resolver, dialled)
    await network.connect_tcp("arc.example", 80)
    assert dialled.hosts == ["10.0.0.1", "10.0.0.2"]
    resolver.addresses = ("10.0.0.1",)
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("arc.example", 80)


async def test_an_address_that_does_not_answer_leaves_the_next_its_share_of_the_time() -> None:
    dialled = Dialled(silent=("fd00::1",))
    network = GuardedNetwork(AllowedNetworks(["private"]), Resolver("fd00::1", "10.0.0.2"), dialled)
    await network.connect_tcp("arc.example", 80, timeout=8)
    assert [host for host, _ in dialled.dialled] == ["fd00::1", "10.0.0.2"]
    first, second = (share for _, share in dialled.dialled)
    assert first is not None
    assert second is not None
    assert first <= 4 < second <= 8


async def test_the_last_address_that_does_not_answer_is_a_timeout() -> None:
    dialled = Dialled(refusing=("10.0.0.1",), silent=("10.0.0.2",))
    network = GuardedNetwork(AllowedNetworks(["private"]), Resolver("10.0.0.1", "10.0.0.2"), dialled)
    with pytest.raises(httpcore.ConnectTimeout):
        await network.connect_tcp("arc.example", 80, timeout=1)


async def test_of_many_addresses_only_the_first_are_tried() -> None:
    many = tuple(f"10.0.0.{number}" for number in range(1, 100))
    dialled = Dialled(refusing=many)
    network = GuardedNetwork(AllowedNetworks(["private"]), Resolver(*many), dialled)
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("arc.example", 80, timeout=1)
    assert dialled.hosts == list(many[:8])


async def test_a_name_that_does_not_resolve_is_no_connection() -> None:
    with pytest.raises(NameUnknown, match="does not resolve"):
        await GuardedNetwork(AllowedNetworks(["public"]), Resolver()).connect_tcp("arc.example", 80)


async def test_a_resolver_that_hangs_is_given_up() -> None:
    async def hang(host: str) -> list[str]:
        await asyncio.Event().wait()
        return [host]

    network = GuardedNetwork(AllowedNetworks(["public"]), hang)
    with pytest.raises(httpcore.ConnectTimeout, match="took too long"):
        await network.connect_tcp("arc.example", 80, timeout=0.01)


async def test_no_socket_of_this_machine_is_connected_to(tmp_path: Path) -> None:
    network = GuardedNetwork(AllowedNetworks(["loopback"]), Resolver())
    with pytest.raises(AddressRefused):
        await network.connect_unix_socket(str(tmp_path / "arc.sock"))


async def test_waiting_between_attempts_is_the_event_loop_s() -> None:
    await GuardedNetwork(AllowedNetworks([]), Resolver()).sleep(0)
