"""Deleting as a service: what it asks of its ports, and what its receipts say."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from core.deletions import EVER, Affected, Forgetting
from core.model.deletion import Deletion, Grave, Graves
from core.model.errors import NotFound, StoreUnreachable
from core.model.memory import Exclusion, MemoryFilter, OrgId, claim_key
from core.model.receipt import BACKUPS, CLAIMS, JOURNAL, STORE, receipt_of
from core.model.timewindow import moment_of
from core.model.windows import DAY, HOUR
from core.model.work import Session
from core.ports import Deletions, SessionStore
from tests.unit.fakes import ORG, World, memory, principal

NOW = 1_780_000_000_000_000
GRAVE: Grave = (NOW, b"k" * 16)


def deletion(**changes: object) -> Deletion:
    made = Deletion("del_1", ORG, NOW, "pending", exclusion=Exclusion(until=NOW, session_id="s"), due_at=NOW)
    return replace(made, **changes)  # type: ignore[arg-type]


class FakeDeletions:
    """Remembers what was asked; `erase` hangs while told to."""

    def __init__(self) -> None:
        self.buried: list[Grave] = []
        self.excluded: list[Exclusion] = []
        self.hangs = False

    async def bury(self, org_id: OrgId, graves: Sequence[Grave]) -> list[Deletion]:
        self.buried += graves
        return [deletion(exclusion=None, grave=grave) for grave in graves]

    async def exclude(self, org_id: OrgId, exclusion: Exclusion) -> Deletion:
        self.excluded.append(exclusion)
        return deletion(exclusion=exclusion)

    async def erase(self, deletion: Deletion) -> Deletion:
        if self.hangs:
            await asyncio.Event().wait()
        return replace(deletion, from_journal=5)

    async def find_deletion(self, org_id: OrgId | None, deletion_id: str) -> Deletion | None:
        return deletion(from_journal=2) if deletion_id == "del_1" else None

    async def list_deletions(self, org_id: OrgId | None, limit: int) -> list[Deletion]:
        return [deletion()][:limit]


class FakeSessions:
    """One session, `s`, or none."""

    def __init__(self, *, there: bool) -> None:
        self.there = there

    async def find_session(self, org_id: OrgId, session_id: str) -> Session | None:
        now = moment_of(NOW)
        return Session("s", org_id, "a", "active", {}, now, now) if self.there else None

    async def delete_session(self, org_id: OrgId, session_id: str) -> bool:
        was, self.there = self.there, False
        return was


class Bench:
    """The service over fakes."""

    def __init__(self, *, session: bool = False, patience: float | None = None) -> None:
        self.world = World()
        self.deletions = FakeDeletions()
        self.forgetting = Forgetting(
            deletions=cast(Deletions, self.deletions),
            recall=self.world.recall,
            sessions=cast(SessionStore, FakeSessions(there=session)),
            clock=self.world.clock,
            window=DAY,
            patience=patience,
        )


async def test_a_memory_is_buried_under_its_identity() -> None:
    bench = Bench()
    found = memory(NOW, "key")
    bench.world.journal.rows = [found]
    receipt = await bench.forgetting.forget_memory(principal(), found.id)
    assert bench.deletions.buried == [(NOW, claim_key("key"))]
    assert receipt.memory_id == found.id


async def test_a_memory_that_only_the_store_knows_is_not_deleted_while_it_is_silent() -> None:
    bench = Bench()
    bench.world.journal.settled_through = NOW
    bench.world.store.failures = [StoreUnreachable()]
    with pytest.raises(StoreUnreachable):
        await bench.forgetting.forget_memory(principal(), memory(NOW, "key").id)
    assert bench.deletions.buried == []


async def test_what_takes_too_long_to_erase_is_left_to_the_flusher() -> None:
    bench = Bench(patience=0.001)
    bench.deletions.hangs = True
    receipt = await bench.forgetting.forget(ORG, Exclusion(until=EVER, session_id="s"))
    assert receipt.deletion.from_journal == 2  # as far as it had come


async def test_a_registered_session_is_deleted_without_a_look_at_the_store() -> None:
    bench = Bench(session=True)
    deleted = await bench.forgetting.forget_session(principal(), "s", memories=True)
    assert deleted.had_record
    assert deleted.receipt is not None
    assert bench.deletions.excluded == [Exclusion(until=EVER, session_id="s")]
    assert bench.world.store.asked == []


async def test_a_session_nobody_knows_is_deleted_when_the_store_cannot_say_whether_it_wrote() -> None:
    bench = Bench()
    bench.world.journal.settled_through = NOW
    bench.world.store.failures = [StoreUnreachable()]
    deleted = await bench.forgetting.forget_session(principal(), "s", memories=True)
    assert not deleted.had_record
    assert bench.deletions.excluded


async def test_a_session_without_record_and_memories_is_not_found() -> None:
    bench = Bench()
    for memories in (False, True):
        with pytest.raises(NotFound, match="session not found"):
            await bench.forgetting.forget_session(principal(), "s", memories=memories)
    assert bench.deletions.excluded == []


async def test_what_would_be_deleted_is_counted_once_by_where_it_is() -> None:
    bench = Bench()
    rows = [memory(NOW - n * HOUR, session_id="s" if n % 2 else "t") for n in range(10)]
    bench.world.store.rows = rows[2:] + rows[2:4]
    bench.world.journal.rows = rows[:5]  # three of them are in the store already
    bench.world.journal.settled_through = NOW - 3 * HOUR
    affected = bench.forgetting.affected
    assert await affected(principal(), Exclusion(until=EVER)) == Affected(5, 5)
    assert await affected(principal(), Exclusion(until=EVER, session_id="s")) == Affected(2, 3)
    assert await affected(principal(), Exclusion(until=NOW - HOUR)) == Affected(3, 5)
    assert await affected(principal(), Exclusion(until=EVER, agent_ids=("nobody",))) == Affected(0, 0)


async def test_what_is_deleted_already_is_not_counted_again() -> None:
    bench = Bench()
    bench.world.store.rows = [memory(NOW - 1, session_id="s"), memory(NOW - 2, "b"), memory(NOW - 3, "c")]
    bench.world.journal.settled_through = NOW
    bench.world.journal.graves = Graves(
        (Exclusion(until=NOW, session_id="s"),), frozenset([(NOW - 2, claim_key("b"))])
    )
    assert await bench.forgetting.affected(principal(), Exclusion(until=EVER)) == Affected(0, 1)


async def test_a_store_that_does_not_answer_is_not_counted() -> None:
    bench = Bench()
    bench.world.journal.rows = [memory(NOW - 1)]
    bench.world.store.failures = [StoreUnreachable()]
    assert await bench.forgetting.affected(principal(), Exclusion(until=EVER)) == Affected(1, None)


async def test_receipts_are_found_and_listed() -> None:
    bench = Bench()
    assert (await bench.forgetting.receipt(ORG, "del_1")).deletion.from_journal == 2
    assert len(await bench.forgetting.receipts(None, 5)) == 1
    with pytest.raises(NotFound, match="deletion not found"):
        await bench.forgetting.receipt(None, "del_2")


@pytest.mark.parametrize(
    ("changes", "after", "places"),
    [
        ({}, 0, [STORE, JOURNAL, CLAIMS, BACKUPS]),
        ({"state": "removed"}, 0, [STORE, CLAIMS, BACKUPS]),
        ({"state": "removed"}, DAY, [STORE, BACKUPS]),
        ({"state": "closed"}, DAY - 1, [CLAIMS, BACKUPS]),
        ({"state": "closed"}, DAY, [BACKUPS]),
    ],
)
def test_a_receipt_names_what_remains(changes: dict[str, object], after: int, places: list[str]) -> None:
    receipt = receipt_of(deletion(**changes), NOW + after, DAY)
    assert [remainder.where for remainder in receipt.remains] == places
    assert receipt.memory_id == ""


def test_a_pending_receipt_says_what_stands_in_the_way() -> None:
    receipt = receipt_of(deletion(reason="store_denied: no admin key"), NOW, DAY)
    assert receipt.remains[0].why.startswith("store_denied: no admin key")
    assert receipt.remains[0].until is None


def test_a_removed_one_says_when_it_is_looked_at_again() -> None:
    receipt = receipt_of(deletion(state="removed", due_at=NOW + HOUR), NOW, DAY)
    assert receipt.remains[0].until == NOW + HOUR


def test_the_graves_of_a_deletion_hide_what_it_covers() -> None:
    gone, kept = memory(NOW - 1, session_id="s"), memory(NOW - 1, session_id="t")
    assert deletion().graves.visible([gone, kept]) == [kept]
    single = deletion(exclusion=None, grave=(gone.time, claim_key(gone.dedup_key)))
    assert single.graves.hides(gone)
    assert not single.graves.hides(memory(NOW - 1, "another"))


def test_the_floor_of_graves_is_that_of_rules_without_scope() -> None:
    rules = (Exclusion(until=9, session_id="s"), Exclusion(until=5), Exclusion(until=3))
    assert Graves(rules).floor == 5
    assert Graves().floor == 0
    assert not Graves()
    assert MemoryFilter(excluded=rules).matches(memory(5))
