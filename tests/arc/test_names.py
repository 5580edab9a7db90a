"""Names to addresses, and questions that are asked once for all who ask them."""

import asyncio
import socket
import threading

import pytest

from core.adapters.arc import names as names_module
from core.adapters.arc.flights import Flights
from core.adapters.arc.names import Names, resolve


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%eth0", "10.0.0.9"])
async def test_an_address_is_its_own_without_asking(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_module, "resolve", pytest.fail)
    names = Names()
    assert await names.addresses(address) == [address]
    names.close()


async def test_a_name_is_looked_up_and_each_address_given_once() -> None:
    names = Names()
    found = await names.addresses("localhost")
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(set(found)) == len(found)
    names.close()


@pytest.mark.parametrize("host", ["no.such.name.invalid", "x" * 300, "a..b"])
def test_what_is_no_name_does_not_resolve(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror("unknown")

    if host.endswith(".invalid"):
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(OSError, match=r"unknown|no name"):
        resolve(host)


async def test_a_name_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = threading.Event()

    def hang_on_one(host: str) -> list[str]:
        if host == "hangs.example":
            ends.wait()
        return ["10.0.0.1"]

    monkeypatch.setattr(names_module, "resolve", hang_on_one)
    names = Names()
    waiting = [asyncio.create_task(names.addresses("hangs.example")) for _ in range(200)]
    assert await names.addresses("other.example") == ["10.0.0.1"]
    ends.set()
    assert await asyncio.gather(*waiting) == [["10.0.0.1"]] * 200
    names.close()


async def test_those_who_ask_together_ask_once() -> None:
    flights: Flights[str, int] = Flights()
    begun: list[int] = []
    opened = asyncio.Event()

    async def run() -> int:
        begun.append(1)
        await opened.wait()
        return len(begun)

    one, two = (asyncio.create_task(flights.join("k", run)) for _ in range(2))
    await asyncio.sleep(0)
    opened.set()
    assert (await one, await two) == (1, 1)
    assert await flights.join("k", run) == 2


async def test_who_gives_up_waiting_ends_nothing_for_the_others() -> None:
    flights: Flights[str, str] = Flights()
    opened = asyncio.Event()

    async def run() -> str:
        await opened.wait()
        return "answer"

    gone, stays = (asyncio.create_task(flights.join("k", run)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    opened.set()
    assert await stays == "answer"


async def test_an_error_is_everybody_s_and_the_next_asks_anew() -> None:
    flights: Flights[str, int] = Flights()

    async def fail() -> int:
        raise OSError("broken")

    async def work() -> int:
        return 7

    results = await asyncio.gather(*(flights.join("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [OSError] * 3
    assert await flights.join("k", work) == 7


async def test_closing_ends_the_waiting() -> None:
    flights: Flights[str, None] = Flights()

    async def hang() -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(flights.join("k", hang))
    await asyncio.sleep(0)
    flights.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
