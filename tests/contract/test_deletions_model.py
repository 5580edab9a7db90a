"""Deletions against a simple model: nothing deleted is ever read, and nothing else is ever missing."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.adapters.sqlite.journal import SqliteJournal
from core.model.deletion import Deletion
from core.model.memory import Exclusion, Memory, MemoryFilter, claim_key, decode
from core.ports import Parcel
from tests.clock import ManualClock
from tests.contract.journals import ACME, ALWAYS, Mode, draft, make_file, open_workshop
from tests.dynamodb.shops import make_tables, open_shop

T = TypeVar("T")
SESSIONS = ("", "s", "t")
AGENTS = ("one", "two")


class Kept(NamedTuple):
    memory: Memory
    state: str


class DeletionMachine(RuleBasedStateMachine):
    """`alive`: every memory that was not deleted. A server and a command share the file.

    `stored` stands for the event store: it holds what was ever delivered, deleted or not.
    """

    mode: ClassVar[Mode] = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.run(self._make())
        self.server, self.command = self.run(self._open()), self.run(self._open())
        self.lease = self.run(self.server.leased())
        self.alive: dict[int, Kept] = {}
        self.stored: dict[int, Memory] = {}
        self.open: list[Deletion] = []
        self.held: list[Parcel] = []
        self.number = 0

    async def _make(self) -> None:
        self.path = make_file(Path(self.folder.name) / "m.db")

    async def _open(self) -> Any:
        return open_workshop(self.path, self.clock, mode=self.mode)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.server.close()
        self.command.close()
        self.runner.close()
        self.folder.cleanup()

    @rule(session=st.sampled_from(SESSIONS), agent=st.sampled_from(AGENTS), count=st.integers(1, 3))
    def append(self, session: str, agent: str, count: int) -> None:
        drafts = []
        for _ in range(count):
            self.number += 1
            drafts.append(draft(f"content {self.number}", session_id=session, agent_id=agent))
        for receipt in self.run(self.server.journal.append(ACME, drafts, None)):
            assert receipt.memory is not None
            self.alive[receipt.memory.time] = Kept(receipt.memory, "owed")

    def _in(self, state: str) -> list[Memory]:
        return [kept.memory for kept in self.alive.values() if kept.state == state]

    @rule()
    def receive(self) -> None:
        self.held += self.run(self.server.queue.receive(100, 1 << 20))

    @rule()
    def deliver(self) -> None:
        """All that the batcher holds reaches the store, deleted meanwhile or not."""
        for parcel in self.held:
            owed = {memory.time for memory in self._in("owed")}
            moved = self.run(self.server.outbox.delivered(parcel, self.lease, 0))
            assert moved >= len(owed.intersection(parcel.times))  # hidden ones are still there
            for memory in map(decode, parcel.lines.split(b"\n")):
                self.stored[memory.time] = memory
                if memory.time in owed:
                    self.alive[memory.time] = Kept(memory, "delivered")
        self.held = []

    @rule(count=st.integers(1, 4), stray=st.booleans())
    def settle(self, count: int, stray: bool) -> None:
        memories = self._in("delivered")[:count]
        times = [memory.time for memory in memories]
        gone = [time for time in self.stored if time not in self.alive][:1] if stray else []
        assert self.run(self.server.outbox.settled(ACME, [*times, *gone], self.lease)) >= len(times)
        for memory in memories:
            self.alive[memory.time] = Kept(memory, "settled")

    @rule()
    def die(self) -> None:
        memories = self._in("owed")[:1] + self._in("delivered")[:1]
        times = [memory.time for memory in memories]
        assert self.run(self.server.outbox.dead(ACME, times, "why", self.lease)) == len(times)
        for memory in memories:
            self.alive[memory.time] = Kept(memory, "dead")

    @rule(at=st.integers(0, 50), by_command=st.booleans())
    def bury(self, at: int, by_command: bool) -> None:
        if not self.alive:
            return
        memory = list(self.alive.values())[at % len(self.alive)].memory
        shop = self.command if by_command else self.server
        (deletion,) = self.run(shop.deletions.bury(ACME, [(memory.time, claim_key(memory.dedup_key))]))
        del self.alive[memory.time]
        self.open.append(deletion)

    @rule(
        session=st.sampled_from(SESSIONS),
        agents=st.sampled_from([(), ("one",), ("one", "two")]),
        by_command=st.booleans(),
        back=st.none() | st.integers(0, 40),
    )
    def exclude(self, session: str, agents: tuple[str, ...], by_command: bool, back: int | None) -> None:
        until = 2**62 if back is None else self.clock.micros() - back * 1_000_000
        exclusion = Exclusion(until=until, session_id=session, agent_ids=agents)
        shop = self.command if by_command else self.server
        deletion = self.run(shop.deletions.exclude(ACME, exclusion))
        self.alive = {
            time: kept
            for time, kept in self.alive.items()
            if not exclusion.covers(time, kept.memory.session_id, kept.memory.agent_id)
        }
        self.open = [d for d in self.open if d.id != deletion.id] + [deletion]

    @rule(by_command=st.booleans())
    def erase(self, by_command: bool) -> None:
        shop = self.command if by_command else self.server
        for deletion in self.open:
            self.run(shop.deletions.erase(deletion))

    @rule()
    def remove(self) -> None:
        """The flusher's whole work on one deletion, with nothing on its way to the store."""
        self.deliver()
        if not self.open:
            return
        deletion = self.open.pop(0)
        deletion = self.run(self.server.deletions.erase(deletion))
        self.stored = {time: m for time, m in self.stored.items() if not deletion.graves.hides(m)}
        assert self.run(
            self.server.undertaker.progress(
                deletion, self.lease, state="closed", from_store=1, due_at=None, reason=""
            )
        )

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def restart(self) -> None:
        self.server.close()
        self.server = self.run(self._open())

    @rule()
    def prune(self) -> None:
        if isinstance(self.server.journal, SqliteJournal):
            self.run(self.server.journal.prune())

    @invariant()
    def reads_exactly_what_is_alive(self) -> None:
        for filter in (MemoryFilter(), MemoryFilter(session_id="s"), MemoryFilter(agent_ids=("one",))):
            tail = self.run(self.server.journal.tail(ACME, filter, ALWAYS, "asc", 1_000))
            seen = {m.time: m for m in tail.memories}
            assert list(seen) == sorted(seen)
            asked = [m for m in self.stored.values() if m.time <= tail.settled_through]
            for memory in tail.graves.visible(asked):
                if filter.matches(memory):
                    seen[memory.time] = memory
            assert seen == {t: k.memory for t, k in self.alive.items() if filter.matches(k.memory)}

    @invariant()
    def counts_exactly_what_is_there(self) -> None:
        rows = self.run(self.server.journal.tail_rows(ACME, MemoryFilter())).rows
        unsettled = {time for time, kept in self.alive.items() if kept.state != "settled"}
        assert {row.time for row in rows} == unsettled
        total = self.run(self.server.total())
        held = self.run(self.server.held())
        assert (total.owed + total.delivered + total.dead, total.bytes, total.claims) == held
        assert held[0] >= len(unsettled)


TestDeletionsAgainstTheirModel = DeletionMachine.TestCase
TestDeletionsAgainstTheirModel.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)


class SharedDeletionMachine(DeletionMachine):
    mode: ClassVar[Mode] = "sqlite-shared"


class TableDeletionMachine(DeletionMachine):
    async def _make(self) -> None:
        self.tables = await make_tables(self.clock)

    async def _open(self) -> Any:
        return open_shop(self.tables.dynamo, self.clock)


TestTableDeletionsAgainstTheirModel = TableDeletionMachine.TestCase
TestTableDeletionsAgainstTheirModel.settings = settings(max_examples=4, stateful_step_count=20, deadline=None)

TestSharedDeletionsAgainstTheirModel = SharedDeletionMachine.TestCase
TestSharedDeletionsAgainstTheirModel.settings = settings(
    max_examples=8, stateful_step_count=25, deadline=None
)
