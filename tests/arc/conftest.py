"""A store that talks to scripted servers."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from core.adapters.arc.client import ArcClient, ClientLimits
from core.adapters.arc.doors import ArcDoors
from core.adapters.arc.payload import Compression
from core.adapters.arc.store import ArcStore
from core.model.memory import OrgId
from core.model.tenant import Binding
from tests.clock import ManualClock
from tests.contract.event_stores import ACME

KEY = "arc-key-0123456789"
ADMIN_KEY = "admin-key-0123456789"


@dataclass
class Bench:
    client: ArcClient
    doors: ArcDoors
    store: ArcStore
    clock: ManualClock

    def binding(self, url: str, org: OrgId = ACME) -> Binding:
        return Binding(
            "arc_1", org, url, "memory", "events", 0, arc_key=KEY, admin_key="admin-key-0123456789"
        )


Open = Callable[..., Bench]


@pytest.fixture
async def open_bench(clock: ManualClock) -> AsyncIterator[Open]:
    """Makes a store with these limits; a second for each thing that takes time."""
    clients: list[ArcClient] = []

    def make(
        limits: ClientLimits | None = None, compression: Compression = "none", timeout: float = 1.0
    ) -> Bench:
        client = ArcClient(limits or ClientLimits(connect_timeout=10.0))
        clients.append(client)
        doors = ArcDoors(client=client, clock=clock, compression=compression)
        store = ArcStore(doors=doors, clock=clock, query_timeout=timeout, append_timeout=timeout)
        return Bench(client, doors, store, clock)

    yield make
    for client in clients:
        await client.close()


@pytest.fixture
def bench(open_bench: Open) -> Bench:
    return open_bench()
