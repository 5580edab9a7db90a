"""A journal, a flusher and a reader over one Arc, and what everybody must be able to read of it.

Over the double, time passes for all of them alike and only when a test says so. A live Arc, named
by MEMTRACE_TEST_ARC_URL and _TOKEN, keeps its own time and is told to write out instead.
"""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal

import httpx
import msgspec

from core.adapters.arc.client import ArcClient, ClientLimits
from core.adapters.arc.doors import ArcDoors
from core.adapters.arc.store import ArcStore
from core.asking import StoreReader
from core.model.errors import StoreError
from core.model.memory import MemoryFilter, MemoryQuery, Micros, Order
from core.model.tenant import Binding, SealedBinding
from core.ports import EventStore
from core.recall import Recall
from core.telemetry import NoMetrics
from flusher.batcher import BatchLimits
from flusher.ports import FlusherLimits, FlusherPorts
from flusher.service import Flusher
from local.arc.double import ArcDouble
from local.arc.settings import ADMIN_TOKEN, ArcSettings
from tests.clock import ManualClock
from tests.contract.journals import ACME
from tests.flushing.rig import Rig, opened, rig
from tests.unit.fakes import principal

START: Final = 1_780_000_000_000_000 // 3_600_000_000 * 3_600_000_000
"""The beginning of an hour, in microseconds."""
EVENTS: Final = "events"
LIMITS: Final = FlusherLimits(batch=BatchLimits(count=50, age=0.5), settle_rows=1_000)


@dataclass
class Site:
    """`written` maps the content of each memory that was acknowledged to its id."""

    url: str
    token: str
    database: str
    clock: ManualClock
    mill: Rig
    recall: Recall
    double: ArcDouble | None
    written: dict[str, str] = field(default_factory=dict)
    is_down: bool = False

    @property
    def arc(self) -> ArcDouble:
        assert self.double is not None
        return self.double

    @property
    def binding(self) -> Binding:
        return Binding("arc_h", ACME, self.url, self.database, EVENTS, 1, arc_key=self.token)

    async def write(self, *contents: str) -> None:
        """Acknowledged, and delivered by the next turn or the one after."""
        receipts = await self.mill.write(*contents)
        self.written.update((r.memory.content, r.id) for r in receipts if r.memory is not None)

    async def passes(self, seconds: float, step: float = 1.0) -> None:
        """Time passes, and in each step of it Arc and the flusher do what is due."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            if self.double is not None and not self.is_down:
                await self.double.process.buffers.flush_due()
            await self.mill.turn()

    async def crashes(self, *, for_seconds: float = 0.0) -> None:
        """Arc ends as on SIGKILL, and is started again after a while."""
        await self.arc.crash()
        self.is_down = True
        await self.passes(for_seconds)
        await self.arc.start()
        self.is_down = False

    async def loses_once_more(self) -> None:
        """Returns when a file of rows was lost that Arc could not write; the next ones it can."""
        stats = self.arc.process.buffers.stats
        lost = stats.errors
        while stats.errors == lost:
            await self.passes(5, 5)
        self.arc.faults.flushes = 0

    async def shows(self) -> None:
        """Whatever Arc holds in memory is written out."""
        await self.post("/api/v1/write/line-protocol/flush", {})

    async def ask(self, sql: str) -> list[list[object]]:
        """What somebody else reads in this Arc."""
        answer = await self.post("/api/v1/query", {"sql": sql})
        rows: list[list[object]] = answer.json()["data"]
        return rows

    async def post(self, path: str, body: dict[str, object]) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.token}", "x-arc-database": self.database}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30) as http:
            answer = await http.post(path, json=body)
            assert answer.status_code == 200, answer.text
            return answer

    async def stored(self) -> tuple[int, int]:
        """(rows, memories) that Arc shows."""
        (row,) = await self.ask(f"SELECT count(*), count(DISTINCT (time, dedup_key)) FROM {EVENTS}")
        return int(str(row[0])), int(str(row[1]))

    async def compare(self) -> None:
        """Every kind of read shows what was acknowledged: all of it, and each memory once."""
        who = principal(self.binding, ACME)
        for order in ("asc", "desc"):
            assert await self.listed(order) == self.expected(order)
        agent = MemoryFilter(agent_ids=("crawler",))
        counts = await self.recall.tally(who, agent, self.clock.micros() - 3_600_000_000)
        assert counts.total == len(self.written)
        for content, id in self.written.items():
            assert (await self.recall.get(who, id)).content == content
        last = next(reversed(self.written))
        found = await self.recall.search(who, MemoryQuery(filter=MemoryFilter(content_contains=last)))
        assert [m.content for m in found.memories] == [last]

    async def newest(self, count: int) -> list[str]:
        """The contents of the newest."""
        page = await self.recall.search(principal(self.binding, ACME), MemoryQuery(limit=count), "list")
        return [m.content for m in page.memories]

    async def listed(self, order: Order = "asc", page: int = 7, until: Micros | None = None) -> list[str]:
        """All contents, page by page."""
        query, contents = MemoryQuery(limit=page, order=order, until=until), list[str]()
        while True:
            found = await self.recall.search(principal(self.binding, ACME), query, "list")
            contents += [m.content for m in found.memories]
            if not found.has_more:
                return contents
            query = msgspec.structs.replace(query, after=found.next)

    def expected(self, order: Literal["asc", "desc"]) -> list[str]:
        return list(self.written) if order == "asc" else list(self.written)[::-1]

    async def reads(self) -> bool:
        """Whether a list is answered at all."""
        try:
            await self.listed()
        except StoreError:
            return False
        return True


Open = Callable[..., AbstractAsyncContextManager[Site]]


@contextlib.asynccontextmanager
async def over_double(
    folder: Path, clock: ManualClock, limits: FlusherLimits = LIMITS, *, wal: bool = False, age: float = 5.0
) -> AsyncIterator[Site]:
    """A double with faults to order; its buffer is as old as Arc's own default."""
    settings = ArcSettings(folder / "arc", buffer_age=age, wal=wal)
    async with (
        ArcDouble(settings, clock=clock) as arc,
        _site(folder, clock, limits, arc.url, ADMIN_TOKEN, "memory", arc) as site,
    ):
        yield site


@contextlib.asynccontextmanager
async def over_live(folder: Path, clock: ManualClock, limits: FlusherLimits = LIMITS) -> AsyncIterator[Site]:
    url, token = os.environ["MEMTRACE_TEST_ARC_URL"], os.environ["MEMTRACE_TEST_ARC_TOKEN"]
    async with _site(folder, clock, limits, url, token, f"t{secrets.token_hex(8)}", None) as site:
        yield site


ARCS: Final[dict[str, Open]] = {
    "double": over_double,
    **({"live": over_live} if "MEMTRACE_TEST_ARC_URL" in os.environ else {}),
}


@contextlib.asynccontextmanager
async def _site(
    folder: Path,
    clock: ManualClock,
    limits: FlusherLimits,
    url: str,
    token: str,
    database: str,
    double: ArcDouble | None,
) -> AsyncIterator[Site]:
    client = ArcClient(ClientLimits())
    doors = ArcDoors(client=client, clock=clock, compression="none")
    store = ArcStore(doors=doors, clock=clock, query_timeout=30, append_timeout=30)
    reader = StoreReader(store=store, clock=clock, metrics=NoMetrics(), query_timeout=30)
    async with rig(folder, clock, limits) as mill:
        await mill.flusher.close()
        mill.flusher = Flusher(_over(mill, store, token), limits)
        sealed = SealedBinding("arc_h", ACME, url, database, EVENTS, 1, b"", b"")
        await mill.bindings.put_binding(sealed)
        await mill.flusher.open()
        recall = Recall(
            journal=mill.shop.journal, store=reader, clock=clock, metrics=NoMetrics(), window_hours=24
        )
        try:
            yield Site(url, token, database, clock, mill, recall, double)
        finally:
            await mill.flusher.close()
            await client.close()


def _over(mill: Rig, store: ArcStore, token: str) -> FlusherPorts:
    def unsealed(sealed: SealedBinding) -> Binding:
        return replace(opened(sealed), arc_key=token)

    def store_for(binding: Binding) -> EventStore:
        return mill.store if binding.is_embedded else store

    mill.ports = replace(mill.ports, unseal=unsealed, store_for=store_for)
    return mill.ports


def numbered(name: str, count: int) -> Sequence[str]:
    return [f"{name} {number}" for number in range(count)]
