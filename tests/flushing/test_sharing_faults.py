"""Flushers over one queue when something fails: a store, the queue, the journal, the lease, one of them."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from core.adapters.sqlite.outbox import SqliteOutbox
from core.model.errors import DatabaseError, LeaseLost
from core.model.memory import Micros, claim_key
from core.model.tenant import Binding
from core.ports import EventStore, Lease, Parcel
from flusher.batcher import BatchLimits
from flusher.road import Road
from flusher.service import Flusher
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, draft
from tests.flushing.fakes import ShelfStore
from tests.flushing.line import Line, parcel_of
from tests.flushing.rig import SMALL, Rig, eventually, rig

ABCDE = ("a", "b", "c", "d", "e")
ALL = [*ABCDE]


def second(mills: Rig) -> Flusher:
    return mills.others[0]


def road_of(flusher: Flusher) -> Road:
    assert flusher.road is not None
    return flusher.road


def sized(bytes: int) -> str:
    return "x" * bytes


async def test_a_dead_org_holds_no_message_in_flight(mills: Rig) -> None:
    mills.store.down.add(ACME)
    for n in range(20):
        await mills.write(*[f"{n}{letter}" for letter in ABCDE])
        await mills.round(1)
    assert mills.shared.in_flight <= 1  # what a store is tried with
    mills.clock.advance(0.1)
    await mills.write("one more")
    await mills.rounds(2, 0.1)
    assert mills.shared.in_flight == 0
    assert await mills.states() == (101, 0, 0)


async def test_a_flusher_without_the_lease_finds_out_that_a_store_is_back(mills: Rig) -> None:
    """Only the holder of the lease sweeps; the others try with a message."""
    mills.crash(mills.flusher)
    only = mills.flusher
    mills.store.down.add(ACME)
    await mills.write(*ABCDE)
    await mills.rounds(3)
    assert road_of(only).circuits.of(ACME).failures > 0
    mills.store.down.clear()
    for n in range(10):
        await mills.write(str(n))
        await mills.round(1)
    assert only.role == "deliveries"
    assert len(road_of(only).circuits) == 0
    await mills.rounds(11)
    assert set(mills.store.contents(ACME)) & {"8", "9"} == {"8", "9"}


async def test_a_store_that_is_being_tried_is_not_sent_a_second_batch(mills: Rig) -> None:
    mills.store.down.add(ACME)
    await mills.write(*ABCDE)
    await second(mills).step()
    await mills.ends()
    mills.store.down.clear()
    mills.store.hangs[ACME] = asyncio.Event()
    mills.clock.advance(70)
    for n in range(3):
        await mills.write(str(n))
        await second(mills).step()
        await mills.ends()
    assert [p.count for p in mills.store.appends[1:]] == [1]
    mills.store.hangs.pop(ACME).set()


async def test_a_dead_org_delays_nobody_elses_memories(mills: Rig) -> None:
    """Its memories go back to the journal on the side, however long the journal takes for them."""
    stuck = asyncio.Event()

    class Slow(SqliteOutbox):
        async def postpone(self, parcel: Parcel, lease: Lease | None, due_at: Micros) -> int:
            await stuck.wait()
            return await super().postpone(parcel, lease, due_at)

    outbox = Slow(mills.shop.database, clock=mills.clock, sweeps_all=True)
    flusher = Flusher(replace(mills.ports, owner="c:3", outbox=outbox), mills.limits)
    mills.others.append(flusher)
    await flusher.open()
    mills.store.down.add(ACME)
    await mills.write(*ABCDE)
    for n in range(3):
        await flusher.step()
        await mills.write(str(n))
        await eventually(lambda: not road_of(flusher).crew.running("deliver"))
    await mills.write(*ABCDE, org=OTHER)
    await flusher.step()
    await eventually(lambda: mills.store.contents(OTHER) == ALL)
    assert road_of(flusher).parking.bytes > 0
    stuck.set()
    for _ in range(2):
        await flusher.step()
        await mills.ends()
    assert road_of(flusher).parking.bytes == 0


async def test_an_org_whose_memories_wait_for_the_journal_holds_up_the_receiving(
    tmp_path: Path, clock: ManualClock
) -> None:
    limits = replace(SMALL, batch=BatchLimits(count=5, share=2_000, total=10_000), receive_bytes=1_000)
    async with rig(tmp_path, clock, limits, Line(clock)) as mill:
        parking = mill.road.parking
        receipts = await mill.shop.journal.append(ACME, [draft(sized(2_500))], None)
        parking.add(parcel_of(receipts))
        parking._retry_at[ACME] = clock.monotonic() + 5
        await mill.write("waits", org=OTHER)
        await mill.turn()
        assert mill.road.batcher.orgs() == []
        await mill.turns(6)
        assert mill.road.batcher.orgs() == [OTHER]


async def test_what_is_held_stays_within_its_bounds_however_much_waits(
    tmp_path: Path, clock: ManualClock
) -> None:
    bounds = BatchLimits(count=1_000, bytes=2_000, share=4_000, total=20_000, largest_bytes=4_000)
    limits = replace(SMALL, batch=bounds, receive_bytes=2_000, receive_count=2)
    async with rig(tmp_path, clock, limits, Line(clock)) as mill:
        mill.store.hangs[ACME] = asyncio.Event()
        for n in range(60):
            await mill.write(f"{n} {sized(500)}", org=OTHER if n % 2 else ACME)
        for _ in range(15):
            await mill.turn(1)
            assert mill.road.consumer.held <= bounds.total + limits.receive_bytes
        mill.store.hangs.pop(ACME).set()
        await mill.turns(60, 2)
        assert len(mill.store.contents(ACME)) == len(mill.store.contents(OTHER)) == 30
        assert mill.shared.messages == {}


async def test_a_queue_that_fails_stops_nothing_else(mills: Rig) -> None:
    await mills.write(*ABCDE)
    await mills.shop.journal.append(OTHER, [draft("swept")], None)
    mills.shared.broken = True
    await mills.rounds(80)
    assert mills.store.contents(OTHER) == ["swept"]
    assert mills.store.contents(ACME) == ALL  # by the sweep as well
    mills.shared.broken = False
    await mills.rounds(20)
    assert mills.shared.messages == {}


async def test_a_journal_that_fails_is_asked_again_and_the_message_stays(mills: Rig) -> None:
    class Full(SqliteOutbox):
        broken = True

        async def delivered(self, parcel: Parcel, lease: Lease | None, check_at: Micros) -> int:
            if self.broken:
                raise DatabaseError("throttled")
            return await super().delivered(parcel, lease, check_at)

        async def postpone(self, parcel: Parcel, lease: Lease | None, due_at: Micros) -> int:
            if self.broken:
                raise DatabaseError("throttled")
            return await super().postpone(parcel, lease, due_at)

    outbox = Full(mills.shop.database, clock=mills.clock, sweeps_all=True)
    mills.others[0] = Flusher(replace(mills.ports, owner="c:3", outbox=outbox), mills.limits)
    await second(mills).open()
    await mills.write(*ABCDE)
    for _ in range(3):
        await second(mills).step()
        await mills.ends()
        mills.clock.advance(1)
    assert mills.shared.in_flight == 1
    outbox.broken = False
    await mills.rounds(10)
    assert mills.shared.messages == {}
    assert mills.store.contents(ACME) == ALL


async def test_a_flusher_that_loses_the_lease_goes_on_with_what_it_holds(mills: Rig) -> None:
    await mills.write("a", "b")
    await mills.flusher.step()
    mills.clock.advance(16)
    await second(mills).lease.acquire()
    await mills.round()
    assert (mills.flusher.role, second(mills).role) == ("deliveries", "lease")
    await mills.rounds(3)
    assert mills.store.contents(ACME) == ["a", "b"]
    assert [p.count for p in mills.store.appends] == [2]


async def test_a_delivery_survives_the_loss_of_the_lease(mills: Rig) -> None:
    gate = mills.store.hangs[ACME] = asyncio.Event()
    await mills.write(*ABCDE)
    await mills.flusher.step()
    mills.clock.advance(16)
    await second(mills).lease.acquire()
    await mills.round()
    assert mills.flusher.role == "deliveries"
    del mills.store.hangs[ACME]
    gate.set()
    await mills.ends()
    assert await mills.states() == (0, 5, 0)
    assert mills.shared.messages == {}


async def test_a_flusher_that_was_paused_and_replaced_settles_nothing(mills: Rig) -> None:
    await mills.write(*ABCDE)
    await mills.flusher.step()
    await mills.ends()
    mills.clock.advance(16)
    await second(mills).lease.acquire()
    await mills.flusher.step()  # looks, and finds out when it would settle
    mills.clock.advance(30)
    await mills.flusher.step()
    await mills.ends()
    assert await mills.states() == (0, 5, 0)
    await mills.round()
    assert mills.flusher.role == "deliveries"


async def test_any_flusher_takes_over_the_lease_of_a_dead_one(mills: Rig) -> None:
    mills.another("c:3")
    await mills.others[1].open()
    await mills.write(*ABCDE)
    await mills.flusher.step()
    await mills.ends()
    mills.crash(mills.flusher)
    mills.clock.advance(16)
    for flusher in (mills.flusher, *mills.others):
        await flusher.lease.seek()
    await mills.rounds(30)
    assert sorted(f.role for f in (mills.flusher, *mills.others)) == ["deliveries", "lease"]
    assert await mills.states() == (0, 0, 0)


async def test_a_paused_flusher_that_wakes_sends_nothing_that_was_deleted_long_ago(mills: Rig) -> None:
    receipts = await mills.write("secret")
    await second(mills).step()
    secret = receipts[0].memory
    assert secret is not None
    await mills.shop.deletions.bury(ACME, [(secret.time, claim_key(secret.dedup_key))])
    mills.clock.advance(3_600)
    await second(mills).step()
    await mills.ends()
    assert mills.store.appends == []
    assert mills.shared.messages == {}


async def test_a_deletion_is_carried_out_when_no_flusher_can_send_what_it_covers(mills: Rig) -> None:
    """What another one holds is sent within a minute, and sending takes another one at most."""
    receipts = await mills.write("secret")
    await second(mills).step()
    secret = receipts[0].memory
    assert secret is not None
    (deletion,) = await mills.shop.deletions.bury(ACME, [(secret.time, claim_key(secret.dedup_key))])
    mills.undertaker.add(deletion)
    await mills.rounds(11)
    assert mills.store.contents(ACME) == ["secret"]  # hidden from all readers meanwhile
    await mills.rounds(11, 10)
    assert mills.remover.asked == []
    await mills.rounds(1, 10)
    assert len(mills.remover.asked) == 1


async def test_what_went_to_the_store_before_a_move_settles_only_when_the_new_one_shows_it(
    tmp_path: Path, clock: ManualClock
) -> None:
    """A flusher may not know yet that the binding is another one."""
    async with rig(tmp_path, clock, line=Line(clock)) as mill:
        new = ShelfStore()

        def store_for(binding: Binding) -> EventStore:
            return new if binding.id == "arc_new" else mill.store

        other = Flusher(replace(mill.ports, owner="b:2", store_for=store_for), mill.limits)
        mill.flusher.road.bindings._ports = replace(mill.ports, store_for=store_for)  # type: ignore[union-attr]
        mill.others.append(other)
        await other.open()
        await mill.round()
        await mill.bind(ACME, id="arc_new")
        await mill.write(*ABCDE)
        await other.step()
        await mill.ends()
        assert (mill.store.contents(ACME), new.contents(ACME)) == (ALL, [])
        await mill.rounds(100)
        assert new.contents(ACME) == ALL
        assert await mill.states() == (0, 0, 0)


async def test_the_sweep_looks_at_some_orgs_a_turn_and_then_at_the_others(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with rig(tmp_path, clock, replace(SMALL, sweep_orgs=1), Line(clock)) as mill:
        for org in (ACME, OTHER):
            await mill.shop.journal.append(org, [draft("lost")], None)
        await mill.turn()
        mill.clock.advance(76)
        assert await mill.tenure.sweep.step()
        await mill.ends()
        assert len(mill.store.appends) == 1


POINTS = ("receive", "append", "delivered", "ack", "postpone")


class Dies(SqliteOutbox):
    """Hangs for good at one of its steps, after having done it or before."""

    def __init__(self, mills: Rig, point: str) -> None:
        super().__init__(mills.shop.database, clock=mills.clock, sweeps_all=True)
        self._point = point

    async def delivered(self, parcel: Parcel, lease: Lease | None, check_at: Micros) -> int:
        if self._point == "delivered":
            await asyncio.Event().wait()
        done = await super().delivered(parcel, lease, check_at)
        if self._point == "ack":
            await asyncio.Event().wait()
        return done

    async def postpone(self, parcel: Parcel, lease: Lease | None, due_at: Micros) -> int:
        await asyncio.Event().wait()
        return 0


@pytest.mark.parametrize("point", POINTS)
async def test_a_flusher_may_die_at_any_point_and_nothing_is_lost(mills: Rig, point: str) -> None:
    victim = Flusher(replace(mills.ports, owner="c:3", outbox=Dies(mills, point)), mills.limits)
    mills.others.append(victim)
    await victim.open()
    await mills.write(*ABCDE)
    if point == "append":
        mills.store.hangs[ACME] = asyncio.Event()
    if point == "postpone":
        mills.store.down.add(ACME)
    if point == "receive":
        await road_of(victim).queue.receive(10, 10)
    await victim.step()
    for _ in range(20):
        await asyncio.sleep(0.001)
    await victim.step()
    mills.crash(victim)
    mills.store.hangs.clear()
    mills.store.down.clear()
    await mills.rounds(120, 3)
    assert mills.store.contents(ACME) == ALL
    assert await mills.states() == (0, 0, 0)
    assert mills.shared.messages == {}


async def test_what_failed_under_a_lost_lease_does_not_cost_the_next_one(mills: Rig) -> None:
    async def too_late() -> None:
        raise LeaseLost()

    only = mills.flusher
    mills.crash(second(mills))
    await only.step()
    road_of(only).crew.start(("settle", ACME), too_late())
    mills.clock.advance(16)
    only.lease.drop()
    await only.lease.acquire()
    fence = only.lease.fence
    await asyncio.sleep(0)
    await only.step()
    assert only.tenure is None
    await only.step()
    assert (only.role, only.lease.fence) == ("lease", fence)
