"""How much of a read is the store's own time: the same reads in this process, on the same files, no HTTP."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Final

from bench.drafts import COMMON, RARE, READ_SESSIONS, reader_agent, reader_session
from bench.seeding import bound
from bench.workloads import WorkloadName
from core.adapters.clock import SystemClock
from core.adapters.events.engine import Engine
from core.adapters.events.parquet import ParquetStore
from core.asking import StoreReader
from core.model.memory import MemoryFilter, MemoryQuery, Micros, Order, OrgId, Span
from core.model.tenant import Principal
from core.ports import IdempotencyKey, Receipt, Tail, TailRows
from core.recall import Recall
from core.settings import StoreSettings
from core.storyteller import Storyteller
from core.telemetry import MetricName, NoMetrics

_DAY: Final[Micros] = 86_400_000_000
_TIMEOUT: Final = 60.0
_WARM_UP: Final = 5


class StoreTime(NoMetrics):
    """Adds up what the read road reports of its calls to the store."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def observe(self, name: MetricName, value: float, label: str = "") -> None:
        if name == "memtrace_arc_latency_seconds":
            self.seconds += value


class NothingUnsettled:
    """A `Journal` of which everything has settled."""

    async def append(
        self, org_id: OrgId, drafts: object, idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        raise NotImplementedError("this journal is only read")

    async def tail(self, org_id: OrgId, filter: MemoryFilter, span: Span, order: Order, limit: int) -> Tail:
        return Tail([], _now())

    async def tail_rows(self, org_id: OrgId, filter: MemoryFilter) -> TailRows:
        return TailRows([], _now())

    async def claimed_at(self, org_id: OrgId, dedup_key: str) -> Micros | None:
        return None


def own_times(data: Path, workloads: tuple[WorkloadName, ...], repeats: int) -> dict[str, float]:
    """Median milliseconds that the store itself takes for each workload's read."""
    return asyncio.run(_own_times(data, workloads, repeats))


async def _own_times(data: Path, workloads: tuple[WorkloadName, ...], repeats: int) -> dict[str, float]:
    settings = StoreSettings()
    spent, clock = StoreTime(), SystemClock()
    with closing(Engine(memory_limit_mb=settings.memory_limit_mb, threads=settings.threads)) as engine:
        store = ParquetStore(engine=engine, clock=clock, query_timeout=_TIMEOUT)
        reader = StoreReader(store=store, clock=clock, metrics=spent, query_timeout=_TIMEOUT)
        recall = Recall(journal=NothingUnsettled(), store=reader, clock=clock, metrics=spent, window_hours=24)
        binding = bound(data)
        principal = Principal(binding.org_id, "", "", frozenset(), None, binding)
        return {name: await _median(_read(name, recall, principal), spent, repeats) for name in workloads}


async def _median(read: Callable[[int], Awaitable[object]], spent: StoreTime, repeats: int) -> float:
    times = []
    for turn in range(_WARM_UP + repeats):
        spent.seconds = 0.0
        await read(turn)
        times.append(spent.seconds * 1000)
    return median(times[_WARM_UP:])


def _read(workload: WorkloadName, recall: Recall, principal: Principal) -> Callable[[int], Awaitable[object]]:
    """What the server does for a request of this workload, with a turn's session or agent."""

    def search(filter: MemoryFilter, limit: int, since: Micros | None = None) -> Awaitable[object]:
        return recall.search(principal, MemoryQuery(filter=filter, limit=limit, since=since))

    def session(turn: int) -> str:
        return reader_session(turn % READ_SESSIONS)

    match workload:
        case "list":
            return lambda turn: search(MemoryFilter(), 100)
        case "session":
            return lambda turn: search(MemoryFilter(session_id=session(turn)), 100, _now() - _DAY)
        case "context":
            teller = Storyteller(recall=recall)
            return lambda turn: teller.context(principal, session(turn), since=_now() - _DAY)
        case "stats":
            return lambda turn: recall.tally(
                principal, MemoryFilter(agent_ids=(reader_agent(turn),)), _now() - _DAY
            )
        case _:
            word = COMMON if workload == "search_common" else RARE
            return lambda turn: search(MemoryFilter(content_contains=word), 50)


def _now() -> Micros:
    return time.time_ns() // 1000
