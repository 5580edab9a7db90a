"""How a process comes by its Arcs: by its settings, when a binding first asks for one, closed at its end."""

from dataclasses import replace
from pathlib import Path

import pytest

from core.adapters.arc.removing import ArcRemover
from core.adapters.arc.store import ArcStore
from core.adapters.events.engine import Engine
from core.adapters.events.parquet import ParquetStore
from core.adapters.routing import RemoverRouter, StoreRouter
from core.bootstrap.arcs import opening
from core.model.errors import ConfigurationError, StoreDenied, StoreRefused
from core.model.memory import MemoryFilter, Micros, Span, Tally
from core.model.tenant import Binding
from core.ports import EventStore, Removal, Removed
from core.settings import FlusherSettings, Settings
from core.settings_arc import ArcSettings
from tests.arc.conftest import KEY
from tests.arc.scripted import columnar, reply, scripted
from tests.clock import ManualClock
from tests.contract.event_stores import ACME, ALWAYS, T0, memory, parcel

FOLDER = Binding("arc_1", ACME, "file:/nowhere", "memory", "events", 0)


def arc_at(url: str) -> Binding:
    return Binding("arc_1", ACME, url, "memory", "events", 0, arc_key=KEY)


class Embedded:
    """Says which of two it is."""

    def __init__(self) -> None:
        self.removed: list[Binding] = []

    async def remove(self, binding: Binding, removal: Removal) -> Removed:
        self.removed.append(binding)
        return Removed(1, True)

    async def running_since(self, binding: Binding) -> Micros | None:
        return None


def parquet(clock: ManualClock) -> ParquetStore:
    return ParquetStore(
        engine=Engine(memory_limit_mb=64, threads=1), clock=clock, query_timeout=1, hides_for=15
    )


async def test_a_url_decides_about_the_store_and_how_long_it_hides(clock: ManualClock) -> None:
    async with opening(Settings(), clock) as (_, arcs):
        embedded = parquet(clock)
        router = StoreRouter(embedded, arcs.store)
        assert router.store_for(FOLDER) is embedded
        assert router.hides_for == embedded.hides_for == 15
        store = router.store_for(arc_at("https://arc.example"))
        assert isinstance(store, ArcStore)
        assert store.hides_for == 95
        assert router.store_for(arc_at("http://other.example")) is store


async def test_an_arc_is_made_when_a_binding_first_asks_for_it(clock: ManualClock) -> None:
    def unwanted() -> EventStore:
        raise AssertionError("nobody asked for an Arc")

    router = StoreRouter(parquet(clock), unwanted)
    await router.prepare(arc_at("https://arc.example"))
    assert isinstance(router.store_for(FOLDER), ParquetStore)


async def test_all_that_a_store_does_goes_to_the_arc_of_the_binding(clock: ManualClock) -> None:
    none = columnar({"a": []})
    verified = reply(200, b'{"valid":true,"permissions":["read","write"]}')
    answers = [reply(204), none, none, none, columnar({"t": [T0]}), verified, columnar({"one": [1]})]
    async with scripted(*answers) as arc, opening(Settings(), clock) as (_, arcs):
        binding, router = arc_at(arc.url), StoreRouter(parquet(clock), arcs.store)
        await router.append(binding, parcel([memory(1)]))
        assert await router.search(binding, MemoryFilter(), ALWAYS, "asc", 5, None) == []
        assert await router.identities(binding, MemoryFilter(), ALWAYS) == []
        assert await router.tally(binding, MemoryFilter(), ALWAYS, 0) == Tally()
        assert await router.earliest(binding) == T0
        await router.check(binding)
        assert len(arc.open) == 1
    assert len(arc.asked) == 7


async def test_connections_end_with_the_process(clock: ManualClock) -> None:
    async with scripted(columnar({"t": [T0]})) as arc:
        async with opening(Settings(), clock) as (_, arcs):
            await arcs.store().earliest(arc_at(arc.url))
            assert len(arc.open) == 1
        async with scripted(reply()):
            pass  # the end of the connection is seen
        assert not arc.open


async def test_settings_reach_the_connections(clock: ManualClock) -> None:
    settings = Settings(
        arc=ArcSettings(allowed_networks=("public",), max_response_bytes=1 << 26, query_timeout=5),
        flusher=FlusherSettings(append_timeout=5),
    )
    async with scripted(reply(200, bytes((1 << 26) + 1))) as arc:
        async with opening(settings, clock) as (_, arcs):
            with pytest.raises(StoreDenied, match="not allowed here"):
                await arcs.store().earliest(arc_at(arc.url))
        allowing = replace(settings, arc=replace(settings.arc, allowed_networks=("127.0.0.0/8",)))
        async with opening(allowing, clock) as (_, arcs):
            with pytest.raises(StoreRefused, match="larger than 67108864 bytes"):
                await arcs.store().earliest(arc_at(arc.url))


async def test_networks_that_are_none_are_said_at_the_start(clock: ManualClock) -> None:
    settings = Settings(arc=ArcSettings(allowed_networks=("intranet",)))
    with pytest.raises(ConfigurationError, match=r"arc\.allowed_networks"):
        async with opening(settings, clock):
            pass


async def test_what_removes_is_decided_likewise(clock: ManualClock, tmp_path: Path) -> None:
    embedded = Embedded()
    async with opening(Settings(), clock) as (_, arcs):
        assert isinstance(arcs.remover(), ArcRemover)
        router, removal = RemoverRouter(embedded, arcs.remover), Removal(Span(0, 1))
        assert await router.remove(FOLDER, removal) == Removed(1, True)
        with pytest.raises(StoreDenied, match="no admin key"):
            await router.remove(arc_at("https://arc.example"), removal)
    assert embedded.removed == [FOLDER]


async def test_an_arc_says_since_when_it_runs_and_nothing_else_does(clock: ManualClock) -> None:
    answers = [reply(200, b'{"uptime_sec": 2.5}'), reply(200, b"{}"), reply(200, b"ok"), reply(404)]
    async with opening(Settings(), clock) as (_, arcs), scripted(*answers) as arc:
        router, binding = RemoverRouter(Embedded(), arcs.remover), arc_at(arc.url)
        assert await router.running_since(FOLDER) is None
        assert await router.running_since(binding) == clock.micros() - 2_500_000
        assert [await router.running_since(binding) for _ in range(3)] == [None, None, None]
