"""An embedded store in a temporary folder, and ways to look at and meddle with its files."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from core.adapters.events.choosing import Policy
from core.adapters.events.engine import Engine
from core.adapters.events.merge import Merger, MergeResult
from core.adapters.events.parquet import ParquetStore
from core.adapters.events.writing import ignore
from core.model.memory import Memory, MemoryFilter, Order
from core.model.tenant import Binding
from tests.clock import ManualClock
from tests.contract.event_stores import ACME, ALWAYS, parcel


class Died(Exception):
    """The process ended at a named point, as far as the files can tell."""


@dataclass
class Probe:
    """Notes the points that were passed; `at` are those where something happens."""

    passed: list[str] = field(default_factory=list)
    at: dict[str, Callable[[], None]] = field(default_factory=dict)

    def __call__(self, point: str) -> None:
        self.passed.append(point)
        if point in self.at:
            self.at[point]()

    def die_at(self, point: str) -> None:
        def die() -> None:
            raise Died(point)

        self.at[point] = die


@dataclass
class Rig:
    root: Path
    clock: ManualClock
    engine: Engine
    store: ParquetStore
    probe: Probe
    binding: Binding

    @property
    def folder(self) -> Path:
        return self.root / "db" / "events"

    def merger(
        self,
        policy: Policy | None = None,
        still_mine: Callable[[], Any] | None = None,
        probe: Callable[[str], None] = ignore,
    ) -> Merger:
        async def mine() -> None:
            if still_mine is not None:
                still_mine()

        return Merger(store=self.store, still_mine=mine, policy=policy, probe=probe)

    async def step(self, merger: Merger, seconds: float = 0) -> MergeResult:
        """Lets some time pass, then one step."""
        self.clock.advance(seconds)
        return await merger.step(self.binding, self.clock.micros())

    async def put(self, *memories: Memory) -> None:
        await self.store.append(self.binding, parcel(memories))

    async def everything(self, order: Order = "asc") -> list[Memory]:
        return await self.store.search(self.binding, MemoryFilter(), ALWAYS, order, 10_000, None)

    async def count(self) -> int:
        return (await self.store.tally(self.binding, MemoryFilter(), ALWAYS, 0)).total

    def files(self, pattern: str = "**/*.parquet") -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.glob(pattern))

    def staged(self) -> list[Path]:
        return sorted((self.root / ".staging").glob("*"))

    def another_store(self) -> ParquetStore:
        """As another process would have it: with listings of its own."""
        return ParquetStore(engine=self.engine, clock=self.clock, query_timeout=30)

    def write_foreign(self, folder: str, select: str, name: str = "foreign.parquet") -> Path:
        """A file of another writer, from a SELECT."""
        path = self.folder / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
        self.store.partitions.forget(path.parent)
        return path


@contextlib.contextmanager
def rigged(tmp_path: Path, url: str | None = None) -> Iterator[Rig]:
    root = tmp_path / "store"
    clock, probe = ManualClock(), Probe()
    engine = Engine(memory_limit_mb=128, threads=2)
    store = ParquetStore(engine=engine, clock=clock, query_timeout=30, probe=probe)
    binding = Binding("arc_1", ACME, url or f"file:{root}", "db", "events", 0)
    if url is None:
        root.mkdir()
    try:
        yield Rig(root, clock, engine, store, probe, binding)
    finally:
        engine.close()


def query(sql: str) -> Sequence[tuple[Any, ...]]:
    """What any other DuckDB says."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql).fetchall()
