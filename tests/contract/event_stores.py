"""Every event store there is, each behind what its contract suite needs to drive it."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from core.adapters.arc.client import ArcClient, ClientLimits, Request
from core.adapters.arc.doors import ArcDoors
from core.adapters.arc.replies import Reply
from core.adapters.arc.store import ArcStore
from core.adapters.events.engine import Engine
from core.adapters.events.parquet import ParquetStore
from core.model.memory import Memory, MemoryFilter, Micros, Order, OrgId, Position, Span, encode
from core.model.tenant import Binding
from core.ports import EventStore, Parcel
from local.arc.double import ArcDouble
from local.arc.settings import ArcSettings
from tests.clock import ManualClock

ACME: Final = OrgId("org_acme")
OTHER: Final = OrgId("org_other")
HOUR: Final[Micros] = 3_600_000_000
T0: Final[Micros] = 1_780_000_000_000_000 // HOUR * HOUR
"""The beginning of an hour."""
ALWAYS: Final = Span(10**13, 2 * T0)


def memory(time: Micros, key: str = "", *, org: OrgId = ACME, **fields: object) -> Memory:
    """A valid memory at T0 + time; its key is made from its time unless given."""
    values: dict[str, object] = {
        "time": T0 + time,
        "org_id": org,
        "agent_id": "crawler",
        "session_id": "sess_1",
        "memory_type": "episodic",
        "event_type": "general",
        "content": f"memory {time}",
        "metadata_json": "",
        "tags_csv": "",
        "dedup_key": key or f"key-{time}",
        "importance": 0.0,
        "parent_id": "",
        **fields,
    }
    return Memory(**values)  # type: ignore[arg-type]


def parcel(memories: Sequence[Memory]) -> Parcel:
    ordered = sorted(memories, key=lambda m: m.identity)
    org = OrgId(ordered[0].org_id) if ordered else ACME
    return Parcel(org, tuple(m.time for m in ordered), b"\n".join(map(encode, ordered)))


def collapsed(memories: Sequence[Memory]) -> list[Memory]:
    """Repeats are neighbours: each memory once, in the order given."""
    return list(dict.fromkeys(memories))


@dataclass
class Shelf:
    """One store with bindings of two orgs to one measurement."""

    store: EventStore
    bind: Callable[[OrgId], Binding]
    settle: Callable[[], Awaitable[None]]
    """Returns when what was appended is shown to every reader."""

    async def put(self, *memories: Memory) -> None:
        for org in sorted({m.org_id for m in memories}):
            mine = [m for m in memories if m.org_id == org]
            await self.store.append(self.bind(OrgId(org)), parcel(mine))
        await self.settle()

    async def search(
        self,
        filter: MemoryFilter | None = None,
        span: Span = ALWAYS,
        *,
        order: Order = "asc",
        limit: int = 1000,
        after: Position | None = None,
        org: OrgId = ACME,
    ) -> list[Memory]:
        return await self.store.search(self.bind(org), filter or MemoryFilter(), span, order, limit, after)


@contextlib.asynccontextmanager
async def embedded(folder: Path) -> AsyncIterator[Shelf]:
    clock = ManualClock()
    engine = Engine(memory_limit_mb=128, threads=2)
    store = ParquetStore(engine=engine, clock=clock, query_timeout=30)

    def bind(org: OrgId) -> Binding:
        return Binding(f"arc_{org}", org, f"file:{folder}/store", "memories", "events", 0)

    async def settle() -> None:
        clock.advance(3)

    await store.prepare(bind(ACME))
    try:
        yield Shelf(store, bind, settle)
    finally:
        engine.close()


class JsonOnly(ArcClient):
    """Finds no other door for questions than the one that answers in JSON, as with an older Arc."""

    async def ask(self, binding: Binding, request: Request, timeout: float) -> Reply:
        if request.path == "/api/v1/query/msgpack":
            return Reply(404, b"Cannot POST /api/v1/query/msgpack")
        return await super().ask(binding, request, timeout)


@contextlib.asynccontextmanager
async def double(folder: Path, make: type[ArcClient] = ArcClient) -> AsyncIterator[Shelf]:
    """The double of Arc, strict, over HTTP; time passes for it only while a test waits for rows to show."""
    clock, client = ManualClock(), make(ClientLimits())
    doors = ArcDoors(client=client, clock=clock, compression="none")
    store = ArcStore(doors=doors, clock=clock, query_timeout=30, append_timeout=30)

    async with ArcDouble(ArcSettings(folder), clock=clock) as arc:
        token = arc.token()

        def bind(org: OrgId) -> Binding:
            return Binding(f"arc_{org}", org, arc.url, "memories", "events", 0, arc_key=token)

        async def settle() -> None:
            await arc.flush()
            clock.advance(store.hides_for)

        try:
            yield Shelf(store, bind, settle)
        finally:
            await client.close()


@contextlib.asynccontextmanager
async def live(folder: Path, make: type[ArcClient] = ArcClient) -> AsyncIterator[Shelf]:
    """A real Arc, named by MEMTRACE_TEST_ARC_URL and _TOKEN; a database of its own for each test."""
    clock, client = ManualClock(), make(ClientLimits())
    doors = ArcDoors(client=client, clock=clock, compression="none")
    store = ArcStore(doors=doors, clock=clock, query_timeout=30, append_timeout=30)
    database = f"t{secrets.token_hex(8)}"

    def bind(org: OrgId) -> Binding:
        url, token = os.environ["MEMTRACE_TEST_ARC_URL"], os.environ["MEMTRACE_TEST_ARC_TOKEN"]
        return Binding(f"arc_{org}", org, url, database, "events", 0, arc_key=token)

    async def settle() -> None:
        await flush(client, bind(ACME))
        clock.advance(store.hides_for)

    try:
        yield Shelf(store, bind, settle)
    finally:
        await client.close()


async def flush(client: ArcClient, binding: Binding) -> None:
    """Makes an Arc show all it has taken; needs an admin's token."""
    request = Request("POST", "/api/v1/write/line-protocol/flush", binding.arc_key)
    assert (await client.ask(binding, request, 30)).is_success


Open = Callable[[Path], AbstractAsyncContextManager[Shelf]]
LIVE: Final[dict[str, Open]] = {"live": live, "live by JSON": partial(live, make=JsonOnly)}
ARCS: Final[dict[str, Open]] = {
    "double": double,
    "double by JSON": partial(double, make=JsonOnly),
    **(LIVE if "MEMTRACE_TEST_ARC_URL" in os.environ else {}),
}
STORES: Final[dict[str, Open]] = {"embedded": embedded, **ARCS}
