"""Flushers that share a queue, against a simple model: nothing is lost, nothing deleted is sent later."""

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from core.model.memory import Memory, OrgId, claim_key, decode
from flusher.service import Flusher
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, draft
from tests.flushing.line import Line, parcel_of
from tests.flushing.rig import Rig, rig

T = TypeVar("T")
LONGEST_ROUND = 30.0
orgs = st.sampled_from([ACME, OTHER])


class SharingMachine(RuleBasedStateMachine):
    """`written`: the acknowledged memories, per org; `deleted`: the latest time at which each may be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.closing = contextlib.AsyncExitStack()
        self.clock = ManualClock()
        self.line = Line(self.clock)
        made = rig(Path(self.folder.name), self.clock, line=self.line)
        self.mill: Rig = self.run(self.closing.enter_async_context(made))
        self.written: dict[OrgId, list[Memory]] = {ACME: [], OTHER: []}
        self.deleted: dict[str, float] = {}
        self.paused: Flusher | None = None
        self.started = 1
        self.sent = 0
        self.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    @rule(org=orgs, count=st.integers(1, 7), fate=st.sampled_from(["sent", "sent", "lost", "late", "twice"]))
    def write(self, org: OrgId, count: int, fate: str) -> None:
        known = self.written[org]
        drafts = [draft(f"{org} {len(known) + n}") for n in range(count)]
        receipts = self.run(self.mill.shop.journal.append(org, drafts, None))
        known += [r.memory for r in receipts if r.memory is not None]
        if fate != "lost":
            self.line.send(parcel_of(receipts), delay=200.0 if fate == "late" else 0.0)
        if fate == "twice":
            self.line.send(parcel_of(receipts), delay=150.0)

    @rule(count=st.integers(1, 6), seconds=st.sampled_from([0.0, 1.0, 5.0, LONGEST_ROUND]))
    def turns(self, count: int, seconds: float) -> None:
        self.rounds(count, seconds)

    def rounds(self, count: int, seconds: float) -> None:
        for _ in range(count):
            self.run(self.mill.round(seconds))
            self.nothing_deleted_is_sent_later_than_it_may()

    @precondition(lambda self: len(self.mill.others) < 3)
    @rule()
    def start(self) -> None:
        self.started += 1
        self.run(self.mill.another(f"host:{self.started}x").open())

    @precondition(lambda self: self.mill.others)
    @rule(is_holder=st.booleans())
    def crash(self, is_holder: bool) -> None:
        mill = self.mill
        flushers = [mill.flusher, *mill.others]
        chosen = [f for f in flushers if (f.role == "lease") is is_holder]
        mill.crash((chosen or flushers)[0])

    @precondition(lambda self: self.mill.others and self.paused is None)
    @rule()
    def pause(self) -> None:
        """One stands still: it beats no more, and nothing that it began goes on."""
        self.paused = self.mill.flusher
        self.mill.flusher = self.mill.others.pop(0)

    @precondition(lambda self: self.paused is not None)
    @rule()
    def wake(self) -> None:
        assert self.paused is not None
        self.mill.others.append(self.paused)
        self.run(self.paused.step())
        self.run(self.mill.ends())
        self.paused = None

    @precondition(lambda self: self.mill.others)
    @rule()
    def drain(self) -> None:
        leaving = self.mill.others.pop(0)
        self.run(leaving.drain(80))
        self.run(leaving.close())

    @rule(
        org=orgs,
        what=st.sampled_from(["down", "breaks", "refuses", "queue"]),
        is_so=st.booleans(),
    )
    def trouble(self, org: OrgId, what: str, is_so: bool) -> None:
        """A store is away, or breaks off, or refuses some; or the queue answers nobody."""
        store = self.mill.store
        if what == "refuses":
            store.poison = lambda m: is_so and m.content.endswith("3")
        elif what == "queue":
            self.line.broken = is_so
        else:
            orgs = store.down if what == "down" else store.breaks_after_accepting
            (orgs.add if is_so else orgs.discard)(org)

    @rule()
    def some_minutes(self) -> None:
        self.rounds(8, LONGEST_ROUND)

    @precondition(lambda self: any(self.written.values()))
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        known = [m for memories in self.written.values() for m in memories if m.id not in self.deleted]
        if not known:
            return
        memory = data.draw(st.sampled_from(known))
        grave = (memory.time, claim_key(memory.dedup_key))
        self.run(self.mill.shop.deletions.bury(OrgId(memory.org_id), [grave]))
        self.deleted[memory.id] = self.clock.monotonic() + self.mill.limits.fresh_for

    @invariant()
    def nothing_is_lost(self) -> None:
        for org, memories in self.written.items():
            unsettled = set(self.run(self.mill.shop.contents(org)))
            kept = {m.content for m in memories if m.id not in self.deleted}
            assert kept - unsettled <= set(self.mill.store.contents(org))

    @invariant()
    def nothing_deleted_is_sent_later_than_it_may(self) -> None:
        appends = self.mill.store.appends
        for parcel in appends[self.sent :]:
            for line in parcel.lines.split(b"\n"):
                until = self.deleted.get(decode(line).id)
                assert until is None or self.clock.monotonic() <= until
        self.sent = len(appends)

    def teardown(self) -> None:
        mill, store = self.mill, self.mill.store
        store.down.clear()
        store.breaks_after_accepting.clear()
        store.poison = lambda _: False
        self.line.broken = False
        if self.paused is not None:
            mill.others.append(self.paused)
        self.run(mill.rounds(80, 5.0))
        dead = {letter.memory.content for letter in self.run(mill.shop.letters.list_dead(None, 10_000))}
        for org, memories in self.written.items():
            owed, delivered, _ = self.run(mill.states(org))
            assert (owed, delivered) == (0, 0)
            kept = {m.content for m in memories if m.id not in self.deleted}
            assert kept <= set(store.contents(org)) | dead
        assert self.line.messages == {}
        self.run(self.closing.aclose())
        self.runner.close()
        self.folder.cleanup()


SharingMachine.TestCase.settings = settings(max_examples=10, stateful_step_count=25, deadline=None)
TestSharing = SharingMachine.TestCase
