"""The sweep: what is owed and due goes straight to the store, fairly and within the room."""

import asyncio
from dataclasses import replace
from pathlib import Path

from core.model.memory import OrgId
from flusher.batcher import BatchLimits
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER
from tests.flushing.rig import SMALL, Rig, rig


async def parked(mill: Rig, *contents: str, org: OrgId = ACME) -> None:
    """Writes them and leaves them to the sweep, due at once."""
    await mill.write(*contents, org=org)
    for parcel in await mill.road.queue.receive(1_000, 1 << 20):
        await mill.shop.outbox.postpone(parcel, mill.flusher.lease.current, mill.clock.micros())


async def test_owed_and_due_rows_are_delivered_without_waiting_for_a_full_batch(mill: Rig) -> None:
    await parked(mill, "a")
    await mill.turn()
    assert mill.store.contents(ACME) == ["a"]


async def test_after_trouble_one_small_batch_goes_first(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, replace(SMALL, probe_count=2)) as mill:
        mill.store.down.add(ACME)
        await parked(mill, "a", "b", "c", "d", "e", "f")
        await mill.turn()
        mill.store.down.clear()
        await mill.turns(4, 1)
        assert [p.count for p in mill.store.appends[:3]] == [6, 2, 4]


async def test_the_sweep_goes_on_at_once_while_there_is_more(tmp_path: Path, clock: ManualClock) -> None:
    limits = replace(SMALL, batch=BatchLimits(count=2, largest_count=2))
    async with rig(tmp_path, clock, limits) as mill:
        await parked(mill, "a", "b", "c", "d", "e", "f")
        await mill.turns(3, 0)
        assert [p.count for p in mill.store.appends] == [2, 2, 2]


async def test_rows_that_are_held_for_a_batch_are_not_swept(mill: Rig) -> None:
    await mill.write("a")
    await mill.turn()
    (time,) = mill.road.batcher.held(ACME)
    held = mill.road.batcher.take(ACME)
    assert held is not None
    mill.road.batcher.add(held, mill.clock.monotonic())
    await mill.shop.outbox.postpone(held, mill.flusher.lease.current, mill.clock.micros())
    await mill.turn(1)
    assert mill.store.appends == []
    assert held.times == (time,)


async def test_an_org_in_flight_is_left_alone(mill: Rig) -> None:
    gate = mill.store.hangs[ACME] = asyncio.Event()
    await parked(mill, "a")
    await mill.turn()
    await parked(mill, "b")
    await mill.turn(1)
    assert len(mill.store.appends) == 1
    gate.set()
    del mill.store.hangs[ACME]
    await mill.turns(2)
    assert mill.store.contents(ACME) == ["a", "b"]


async def test_a_full_memory_is_not_filled_further(mill: Rig) -> None:
    await parked(mill, "a")
    mill.road.dispatch.bytes = mill.limits.batch.total
    assert not await mill.tenure.sweep.step()


async def test_orgs_take_turns(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, replace(SMALL, deliveries=1)) as mill:
        for n in range(2):
            await parked(mill, f"a{n}")
            await parked(mill, f"b{n}", org=OTHER)
        await mill.turn()
        await mill.turn()
        assert sorted(p.org_id for p in mill.store.appends) == [ACME, OTHER]


async def test_only_so_many_stores_in_trouble_are_tried_at_once(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, replace(SMALL, probes=1)) as mill:
        mill.store.down |= {ACME, OTHER}
        await parked(mill, "a")
        await parked(mill, "b", org=OTHER)
        await mill.turns(2, 0)  # it fails, and goes back to the journal
        mill.store.down.clear()
        mill.store.hangs = {ACME: asyncio.Event(), OTHER: asyncio.Event()}
        await mill.turn(60)
        assert len(mill.store.appends) == 3
