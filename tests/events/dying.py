"""A process of its own that appends or merges and ends itself, as kill -9 would, at a named point.

python -m tests.events.dying ROOT POINT append|merge
"""

import asyncio
import os
import sys
from pathlib import Path

from core.adapters.events.engine import Engine
from core.adapters.events.merge import Merger
from core.adapters.events.parquet import ParquetStore
from core.model.tenant import Binding
from tests.clock import ManualClock
from tests.contract.event_stores import ACME, memory, parcel

DIED = 42


async def main(root: Path, point: str, what: str) -> None:
    def probe(passed: str) -> None:
        if passed == point:
            os._exit(DIED)

    async def mine() -> None:
        """Nobody else is there."""

    clock = ManualClock()
    engine = Engine(memory_limit_mb=128, threads=1)
    store = ParquetStore(engine=engine, clock=clock, query_timeout=30, probe=probe)
    binding = Binding("arc_1", ACME, f"file:{root}", "db", "events", 0)
    if what == "append":
        await store.append(binding, parcel([memory(i) for i in range(1000, 1005)]))
    merger = Merger(store=store, still_mine=mine, probe=probe)
    for _ in range(4):
        await merger.step(binding, clock.micros())
        clock.advance(61)
    engine.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3]))
