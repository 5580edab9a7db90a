"""Settling: exactly what the store shows, what it does not show, and what it does not say."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.outbox import SqliteOutbox
from core.model.errors import DatabaseError, StoreAmbiguous, StoreUnreachable
from core.model.memory import OrgId
from core.model.tenant import Org, SealedBinding
from core.model.timewindow import moment_of
from core.ports import Lease
from flusher.service import Flusher
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER
from tests.flushing.rig import SMALL, Rig, rig

ABCDE = ("a", "b", "c", "d", "e")


async def test_only_what_the_store_shows_settles(mill: Rig) -> None:
    mill.store.forgets = lambda m: m.content == "c"
    await mill.write(*ABCDE)
    await mill.turns(14)
    assert await mill.states() == (0, 1, 0)


async def test_another_memory_at_the_same_time_does_not_stand_for_a_missing_one(mill: Rig) -> None:
    """Membership is by time and key; another writer may have a row at the very same microsecond."""
    mill.store.forgets = lambda m: m.content == "c"
    receipts = await mill.write(*ABCDE)
    missing = receipts[2].memory
    assert missing is not None
    await mill.turn()
    foreign = msgspec.structs.replace(missing, dedup_key="another")
    mill.store.rows[ACME].append(foreign)
    await mill.turns(14)
    assert await mill.states() == (0, 1, 0)


async def test_what_is_not_shown_within_the_patience_is_delivered_again(mill: Rig) -> None:
    mill.store.forgets = lambda m: m.content == "c"
    await mill.write(*ABCDE)
    await mill.turns(10)
    mill.store.forgets = lambda _: False
    await mill.turns(40)
    assert mill.store.contents(ACME) == list(ABCDE)
    assert await mill.states() == (0, 0, 0)
    assert mill.metrics.counts["memtrace_redelivered_total", ""] == 1


async def test_what_is_never_shown_dies_after_its_rounds(mill: Rig) -> None:
    mill.store.forgets = lambda m: m.content == "c"
    await mill.write(*ABCDE)
    await mill.turns(400)
    assert await mill.states() == (0, 0, 1)
    assert len([p for p in mill.store.appends if p.count == 1]) == mill.limits.rounds
    (letter,) = await mill.shop.letters.list_dead(ACME, 10)
    assert letter.reason == "the store took it, but never showed it"


async def test_a_store_that_loses_whole_deliveries_makes_no_dead_letters(mill: Rig) -> None:
    mill.store.forgets = lambda _: True
    await mill.write(*ABCDE)
    await mill.turns(600)
    assert len(mill.store.appends) > 2 * mill.limits.rounds
    owed, delivered, dead = await mill.states()
    assert (owed + delivered, dead) == (5, 0)
    mill.store.forgets = lambda _: False
    await mill.turns(60)
    assert await mill.states() == (0, 0, 0)


@pytest.mark.parametrize("error", [StoreAmbiguous("no columns"), StoreUnreachable("gone")])
async def test_no_answer_is_neither_shown_nor_not_shown(mill: Rig, error: Exception) -> None:
    mill.store.read_error = error  # type: ignore[assignment]
    await mill.write(*ABCDE)
    await mill.turns(200, 5)
    assert await mill.states() == (0, 5, 0)
    assert len(mill.store.appends) == 1
    mill.store.read_error = None
    await mill.turns(60, 2)
    assert await mill.states() == (0, 0, 0)


async def test_a_store_that_cannot_be_read_is_asked_ever_less_often(mill: Rig) -> None:
    mill.store.read_error = StoreUnreachable("gone")
    await mill.write(*ABCDE)
    await mill.turns(120)
    assert len(mill.store.reads) < 12


async def test_a_read_that_hangs_is_cut_off(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, replace(SMALL, read_timeout=0.001)) as mill:
        await mill.write(*ABCDE)
        await mill.turn()

        mill.store.hangs[ACME] = asyncio.Event()
        await mill.turn(3)
        assert mill.store.reads
        del mill.store.hangs[ACME]
        await mill.turns(40)
        assert await mill.states() == (0, 0, 0)


async def test_stores_that_hang_when_they_are_read_leave_room_for_others(
    tmp_path: Path, clock: ManualClock
) -> None:
    third = OrgId("org_third")
    async with rig(tmp_path, clock, replace(SMALL, settle_tasks=2)) as mill:
        await SqliteOrgs(mill.shop.database).create_org(Org(third, "third", moment_of(clock.micros())))
        await mill.bind(third, id="arc_third")
        mill.store.read_error = StoreUnreachable("gone")
        for org in (ACME, OTHER):
            await mill.write(*ABCDE, org=org)
        await mill.turns(4)
        mill.store.read_error = None
        mill.store.hangs = dict.fromkeys((ACME, OTHER), asyncio.Event())
        await mill.turn(70)
        await mill.write(*ABCDE, org=third)
        await mill.turns(8, 3)
        assert await mill.states(third) == (0, 0, 0)


async def test_without_a_binding_nothing_settles_and_nothing_is_lost(mill: Rig) -> None:
    await mill.write(*ABCDE)
    await mill.turn()
    await mill.bindings.remove_binding(ACME)
    await mill.turns(40)
    assert await mill.states() == (0, 5, 0)
    await mill.bind(ACME, id="arc_again")
    await mill.turns(90)
    assert await mill.states() == (0, 0, 0)


async def test_more_rows_than_are_watched_at_once_all_settle(tmp_path: Path, clock: ManualClock) -> None:
    limits = replace(SMALL, noted_rows=12, settle_rows=4)
    async with rig(tmp_path, clock, limits) as mill:
        for n in range(6):
            await mill.write(*[f"{n}{c}" for c in ABCDE])
            await mill.turn()
        assert await mill.states() == (0, 30, 0)
        await mill.turns(400)
        assert await mill.states() == (0, 0, 0)


async def test_rows_of_a_store_that_is_not_read_keep_no_others_from_settling(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with rig(tmp_path, clock, replace(SMALL, noted_rows=10, settle_rows=5)) as mill:
        for n in range(2):
            await mill.write(*[f"{n}{c}" for c in ABCDE])
            await mill.turn()
        await mill.bindings.remove_binding(ACME)
        await mill.turns(5)
        await mill.write(*ABCDE, org=OTHER)
        await mill.turns(130)
        assert await mill.states(OTHER) == (0, 0, 0)
        await mill.bind(ACME, id="arc_again")
        await mill.turns(200)
        assert await mill.states(ACME) == (0, 0, 0)


async def test_a_journal_that_fails_once_while_settling_is_asked_again(mill: Rig) -> None:
    outbox = BreaksOnce(mill.shop.database, clock=mill.clock)
    flusher = Flusher(replace(mill.ports, outbox=outbox), mill.limits)
    await flusher.open()
    mill.flusher = flusher
    await mill.write(*ABCDE)
    await mill.turns(20)
    assert outbox.calls == 2
    assert await mill.states() == (0, 0, 0)


class BreaksOnce(SqliteOutbox):
    """An outbox whose first settling fails."""

    calls = 0

    async def settled(
        self, org_id: OrgId, times: Sequence[int], lease: Lease, seen_in: str | None = None
    ) -> int:
        self.calls += 1
        if self.calls == 1:
            raise DatabaseError("the disk is full")
        return await super().settled(org_id, times, lease, seen_in)


async def test_a_dead_letter_that_is_retried_is_delivered(mill: Rig) -> None:
    mill.store.poison = lambda m: m.content == "c"
    await mill.write(*ABCDE)
    await mill.turn()
    mill.store.poison = lambda _: False
    assert await mill.shop.letters.retry_dead(ACME, None) == 1
    await mill.turns(20)
    assert await mill.states() == (0, 0, 0)
    assert mill.store.contents(ACME) == list(ABCDE)


def arc_rig(tmp_path: Path, clock: ManualClock) -> AbstractAsyncContextManager[Rig]:
    return rig(tmp_path, clock, replace(SMALL, confirm="accepted"))


async def test_an_arc_that_is_believed_is_not_asked_and_settles_later(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with arc_rig(tmp_path, clock) as mill:
        await mill.bind(ACME, url="https://arc.example", id="arc_h")
        await mill.turn(2)
        mill.clock.advance(600)
        mill.store.forgets = lambda _: True
        await mill.write(*ABCDE)
        await mill.turns(30)
        assert mill.store.reads == []
        assert await mill.states() == (0, 5, 0)
        await mill.turns(20)
        assert await mill.states() == (0, 0, 0)


@pytest.mark.parametrize(("url", "age"), [("https://arc.example", 10.0), ("file:/data", 600.0)])
async def test_a_new_binding_and_an_embedded_store_must_show_what_they_took(
    tmp_path: Path, clock: ManualClock, url: str, age: float
) -> None:
    async with arc_rig(tmp_path, clock) as mill:
        created = mill.clock.micros()
        await mill.bindings.put_binding(SealedBinding("arc_n", ACME, url, "d", "events", created, b"", b""))
        mill.clock.advance(age)
        mill.store.forgets = lambda _: True
        await mill.write(*ABCDE)
        await mill.turns(60)
        assert mill.store.reads != []
        assert await mill.states() != (0, 0, 0)


async def test_what_was_delivered_before_a_restart_must_be_shown(tmp_path: Path, clock: ManualClock) -> None:
    async with arc_rig(tmp_path, clock) as mill:
        await mill.bind(ACME, url="https://arc.example", id="arc_h")
        mill.clock.advance(600)
        await mill.write(*ABCDE)
        await mill.turn()
        assert await mill.states() == (0, 5, 0)
        flusher = Flusher(mill.ports, mill.limits)
        await mill.flusher.close()
        await flusher.open()
        mill.flusher = flusher
        await mill.turns(20)
        assert mill.store.reads != []
        assert await mill.states() == (0, 0, 0)
