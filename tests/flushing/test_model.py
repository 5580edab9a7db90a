"""The whole pipeline against a simple model: nothing is lost, and what settles is shown by the store."""

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.model.errors import StoreAmbiguous, StoreUnreachable
from core.model.memory import OrgId
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER
from tests.flushing.rig import Rig, rig

T = TypeVar("T")
orgs = st.sampled_from([ACME, OTHER])


class FlusherMachine(RuleBasedStateMachine):
    """`written`: the acknowledged contents, per org. What left the tail is shown by the store."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.closing = contextlib.AsyncExitStack()
        path = Path(self.folder.name)
        self.mill: Rig = self.run(self.closing.enter_async_context(rig(path, ManualClock())))
        self.written: dict[OrgId, list[str]] = {ACME: [], OTHER: []}

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @rule(org=orgs, count=st.integers(1, 12))
    def write(self, org: OrgId, count: int) -> None:
        known = self.written[org]
        texts = [f"{org} {len(known) + n}" for n in range(count)]
        self.run(self.mill.write(*texts, org=org))
        known += texts

    @rule(count=st.integers(1, 8), seconds=st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0]))
    def turns(self, count: int, seconds: float) -> None:
        self.run(self.mill.turns(count, seconds))

    @rule(org=orgs, is_down=st.booleans())
    def reach(self, org: OrgId, is_down: bool) -> None:
        (self.mill.store.down.add if is_down else self.mill.store.down.discard)(org)

    @rule(org=orgs, breaks=st.booleans())
    def break_off(self, org: OrgId, breaks: bool) -> None:
        flaky = self.mill.store.breaks_after_accepting
        (flaky.add if breaks else flaky.discard)(org)

    @rule(digit=st.sampled_from(["", "3", "7"]))
    def refuse(self, digit: str) -> None:
        """Memories whose number ends so are refused."""
        self.mill.store.poison = lambda m: bool(digit) and m.content.endswith(digit)

    @rule(digit=st.sampled_from(["", "1", "5"]))
    def forget(self, digit: str) -> None:
        """Memories whose number ends so are accepted and not kept."""
        self.mill.store.forgets = lambda m: bool(digit) and m.content.endswith(digit)

    @rule(error=st.sampled_from([None, StoreAmbiguous("no columns"), StoreUnreachable("gone")]))
    def misread(self, error: StoreAmbiguous | StoreUnreachable | None) -> None:
        self.mill.store.read_error = error

    @rule()
    def restart(self) -> None:
        self.run(self.mill.flusher.close())
        self.run(self.mill.flusher.open())

    @rule()
    def pause_and_be_replaced(self) -> None:
        """The paused owner wakes, finds out, and changes nothing."""
        paused, mill = self.mill.flusher, self.mill
        mill.clock.advance(mill.limits.lease + 1)
        successor = mill.another(f"host:{len(mill.others)}x")
        self.run(successor.open())
        before = self.run(self._states())
        self.run(paused.step())
        self.run(mill.ends())
        assert self.run(self._states()) == before
        self.run(paused.close())
        mill.flusher = successor

    async def _states(self) -> list[tuple[int, int, int]]:
        return [await self.mill.states(org) for org in self.written]

    @invariant()
    def nothing_is_lost(self) -> None:
        for org, texts in self.written.items():
            unsettled = set(self.run(self.mill.shop.contents(org)))
            assert set(texts) - unsettled <= set(self.mill.store.contents(org))

    def teardown(self) -> None:
        store = self.mill.store
        store.down.clear()
        store.breaks_after_accepting.clear()
        store.read_error = None
        store.poison = store.forgets = lambda _: False
        self.run(self.mill.turns(60, 5.0))
        for org, (owed, delivered, _) in zip(self.written, self.run(self._states()), strict=True):
            assert (owed, delivered) == (0, 0)
            dead = {
                letter.memory.content for letter in self.run(self.mill.shop.letters.list_dead(org, 10_000))
            }
            assert set(store.contents(org)) | dead == set(self.written[org])
        self.run(self.closing.aclose())
        self.runner.close()
        self.folder.cleanup()


FlusherMachine.TestCase.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
TestFlusher = FlusherMachine.TestCase
