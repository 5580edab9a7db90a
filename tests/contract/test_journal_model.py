"""The journal against a simple model: whatever the order of steps, nothing is lost, doubled or miscounted."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.adapters.sqlite.journal import SqliteJournal
from core.ports import Parcel
from tests.clock import ManualClock
from tests.contract.journals import ACME, WINDOW, Mode, Shop, draft, make_file, named, open_workshop
from tests.dynamodb.shops import Tables, make_tables, open_shop

T = TypeVar("T")
keys = st.integers(0, 5)


class JournalMachine(RuleBasedStateMachine):
    """`rows`: state of each unsettled memory by time. `claims`: key → time of its memory."""

    mode: ClassVar[Mode] = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = ManualClock()
        self.shop = self.run(self._open())
        self.lease = self.run(self.shop.leased())
        self.rows: dict[int, tuple[str, int]] = {}
        self.claims: dict[int, int] = {}
        self.settled: set[int] = set()

    async def _open(self) -> Any:
        return open_workshop(make_file(Path(self.folder.name) / "m.db"), self.clock, mode=self.mode)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.shop.close()
        self.runner.close()
        self.folder.cleanup()

    @rule(wanted=st.lists(keys, min_size=1, max_size=4), token=st.none() | st.integers(0, 2))
    def append(self, wanted: list[int], token: int | None) -> None:
        name = named(f"{token}{wanted}", str(wanted)) if token is not None else None
        drafts = [draft(f"content {k}", key=f"key {k}") for k in wanted]
        receipts = self.run(self.shop.journal.append(ACME, drafts, name))
        now = self.clock.micros()
        for key, receipt in zip(wanted, receipts, strict=True):
            held = self.claims.get(key)
            if held is not None and (held > now - WINDOW or held in self.rows):
                assert int(receipt.id[4:18], 16) == held
            else:
                assert receipt.memory is not None
                self.claims[key] = receipt.memory.time
                self.rows[receipt.memory.time] = ("owed", key)

    def _some(self, state: str) -> tuple[int, ...]:
        return tuple(sorted(t for t, (s, _) in self.rows.items() if s == state))[:2]

    def _move(self, times: tuple[int, ...], state: str) -> None:
        for time in times:
            self.rows[time] = (state, self.rows[time][1])

    @rule()
    def deliver(self) -> None:
        times = self._some("owed")
        moved = self.run(self.shop.outbox.delivered(Parcel(ACME, tuple(self.rows), b""), self.lease, 0))
        owed = [t for t, (s, _) in self.rows.items() if s == "owed"]
        assert moved == len(owed) >= len(times)
        self._move(tuple(owed), "delivered")

    @rule()
    def settle(self) -> None:
        times = self._some("delivered")
        assert self.run(self.shop.outbox.settled(ACME, [*times, 7], self.lease)) == len(times)
        for time in times:
            del self.rows[time]
            self.settled.add(time)

    @rule()
    def owe_again(self) -> None:
        times = self._some("delivered")
        assert self.run(self.shop.outbox.owed_again(ACME, times, self.lease)) == len(times)
        self._move(times, "owed")

    @rule(state=st.sampled_from(["owed", "delivered"]))
    def bury(self, state: str) -> None:
        times = self._some(state)
        assert self.run(self.shop.outbox.dead(ACME, times, "why", self.lease)) == len(times)
        self._move(times, "dead")

    @rule()
    def retry(self) -> None:
        dead = [t for t, (s, _) in self.rows.items() if s == "dead"]
        assert self.run(self.shop.letters.retry_dead(ACME, None)) == len(dead)
        self._move(tuple(dead), "owed")

    @rule()
    def purge(self) -> None:
        dead = [t for t, (s, _) in self.rows.items() if s == "dead"]
        assert self.run(self.shop.letters.purge_dead(ACME, None)) == len(dead)
        for time in dead:
            _, key = self.rows.pop(time)
            if self.claims.get(key) == time:
                del self.claims[key]

    @rule(hours=st.sampled_from([1, 25]))
    def wait(self, hours: int) -> None:
        self.clock.advance(hours * 3600)

    @rule()
    def expire(self) -> None:
        before = self.clock.micros() - WINDOW
        while not self.run(self.shop.expiry.expire(before, self.lease, 2)):
            pass
        self.claims = {k: t for k, t in self.claims.items() if t >= before or t in self.rows}

    @rule()
    def restart(self) -> None:
        self.shop.close()
        self.clock.advance(1)  # a process that begins does not know the stamps of the one before
        self.shop = self.run(self._open())

    @rule()
    def prune(self) -> None:
        if isinstance(self.shop.journal, SqliteJournal):
            self.run(self.shop.journal.prune())

    def claims_counted(self) -> set[int]:
        return set(self.claims)

    @invariant()
    def holds_exactly_what_the_model_holds(self) -> None:
        contents = self.run(self.shop.contents())
        assert contents == [f"content {key}" for _, (_, key) in sorted(self.rows.items())]
        total = self.run(self.shop.total())
        states = [state for state, _ in self.rows.values()]
        assert (total.owed, total.delivered, total.dead) == tuple(
            states.count(s) for s in ("owed", "delivered", "dead")
        )
        assert total.claims == len(self.claims_counted())
        assert (total.bytes == 0) == (not self.rows)


TestJournalAgainstItsModel = JournalMachine.TestCase
TestJournalAgainstItsModel.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


class SharedJournalMachine(JournalMachine):
    mode: ClassVar[Mode] = "sqlite-shared"


TestSharedJournalAgainstItsModel = SharedJournalMachine.TestCase
TestSharedJournalAgainstItsModel.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)


class TableJournalMachine(JournalMachine):
    tables: Tables | None = None

    def claims_counted(self) -> set[int]:
        """What is over counts as gone, whether or not DynamoDB has dropped it."""
        before = self.clock.micros() - WINDOW
        return {key for key, time in self.claims.items() if time >= before or time in self.rows}

    async def _open(self) -> Shop:
        self.tables = self.tables or await make_tables(self.clock)
        return open_shop(self.tables.dynamo, self.clock)


TestTableJournalAgainstItsModel = TableJournalMachine.TestCase
TestTableJournalAgainstItsModel.settings = settings(max_examples=6, stateful_step_count=20, deadline=None)
