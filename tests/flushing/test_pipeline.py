"""A memory's way through the flusher: received, batched, delivered, seen, settled."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from core.model.work import Agent
from flusher.batcher import BatchLimits
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, draft
from tests.flushing.rig import SMALL, Rig, rig


async def test_a_full_batch_is_delivered_at_once(mill: Rig) -> None:
    await mill.write("a", "b", "c", "d", "e")
    await mill.turn()
    assert mill.store.contents(ACME) == ["a", "b", "c", "d", "e"]
    assert await mill.states() == (0, 5, 0)


async def test_a_small_batch_waits_until_it_is_old_enough(mill: Rig) -> None:
    await mill.write("a")
    await mill.turn()
    await mill.turn(9.9)
    assert mill.store.appends == []
    await mill.turn(0.2)
    assert mill.store.contents(ACME) == ["a"]


async def test_orgs_are_delivered_apart(mill: Rig) -> None:
    await mill.write("mine")
    await mill.write("theirs", org=OTHER)
    await mill.turns(2, 10)
    assert [p.org_id for p in mill.store.appends] == [ACME, OTHER]
    assert mill.store.contents(OTHER) == ["theirs"]


async def test_a_delivered_row_settles_when_it_was_seen_long_enough_ago(mill: Rig) -> None:
    await mill.write("a", "b", "c", "d", "e")
    await mill.turn()
    await mill.turn(2.5)
    assert mill.store.reads
    await mill.turn(9.9)
    assert await mill.states() == (0, 5, 0)
    await mill.turn(0.5)
    assert await mill.states() == (0, 0, 0)
    assert mill.metrics.counts["memtrace_settled_total", ""] == 5


async def test_what_an_owner_before_delivered_is_settled_too(mill: Rig) -> None:
    await mill.write("a", "b", "c", "d", "e")
    await mill.turn()
    await mill.flusher.close()
    await mill.flusher.open()
    await mill.turns(12)
    assert await mill.states() == (0, 0, 0)


async def test_what_an_owner_before_received_and_did_not_deliver_is_delivered(mill: Rig) -> None:
    await mill.write("a")
    await mill.turn()
    await mill.flusher.close()
    await mill.flusher.open()
    await mill.turns(2, 10)
    assert mill.store.contents(ACME) == ["a"]


async def test_an_agent_is_touched_with_its_newest_delivered_memory(mill: Rig) -> None:
    born = datetime(2026, 1, 1, tzinfo=UTC)
    await mill.agents.create_agent(Agent("agent_1", ACME, "crawler", "", {}, born))
    receipts = await mill.write("a", "b", "c", "d", "e")
    await mill.turn()
    agent = await mill.agents.find_agent(ACME, "crawler")
    assert agent is not None
    assert agent.last_active_at is not None
    newest = receipts[-1].memory
    assert newest is not None
    assert round(agent.last_active_at.timestamp() * 1e6) == newest.time


async def test_an_org_without_a_binding_keeps_its_rows_until_one_appears(mill: Rig) -> None:
    await mill.bindings.remove_binding(ACME)
    await mill.write("a")
    await mill.turns(20)
    assert mill.store.appends == []
    assert await mill.states() == (1, 0, 0)
    await mill.bind(ACME, id="arc_9")
    await mill.turns(65)
    assert mill.store.contents(ACME) == ["a"]


async def test_a_slow_org_delays_nobody(mill: Rig) -> None:
    mill.store.hangs[ACME] = asyncio.Event()
    await mill.write("1", "2", "3", "4", "5")
    await mill.turn()
    await mill.write("a", "b", "c", "d", "e", org=OTHER)
    await mill.turn()
    assert mill.store.contents(OTHER) == ["a", "b", "c", "d", "e"]
    assert mill.store.contents(ACME) == []


async def test_an_org_has_one_delivery_at_a_time_and_the_next_takes_what_gathered(mill: Rig) -> None:
    gate = mill.store.hangs[ACME] = asyncio.Event()
    for n in range(4):
        await mill.write(*[f"{n}{i}" for i in range(5)])
        await mill.turn()
    assert [p.count for p in mill.store.appends] == [5]
    gate.set()
    await mill.turns(2, 0)
    assert [p.count for p in mill.store.appends] == [5, 15]


async def test_a_full_batcher_stops_receiving(mill: Rig) -> None:
    """Nothing is lost by it: what was not received is in the journal."""
    mill.store.hangs[ACME] = asyncio.Event()
    roomless = mill.road.consumer
    await mill.write("1", "2", "3", "4", "5")
    await mill.turn()
    mill.road.batcher.bytes = mill.limits.batch.total
    await mill.write("x")
    assert not await roomless.step()
    assert mill.road.batcher.orgs() == []


async def test_an_org_over_its_share_is_parked_when_its_store_is_slow(mill: Rig) -> None:
    gate = mill.store.hangs[ACME] = asyncio.Event()
    await mill.write("1", "2", "3", "4", "5")
    await mill.turn()
    big = draft("x" * (mill.limits.batch.share + 1))
    await mill.shop.journal.append(ACME, [big], None)
    await mill.turn()
    assert mill.road.batcher.overdrawn() == [ACME]
    await mill.turn(mill.limits.slow_after)
    assert mill.road.batcher.orgs() == []
    gate.set()
    del mill.store.hangs[ACME]
    await mill.turns(3)
    assert len(mill.store.contents(ACME)) == 6


async def test_an_org_over_its_share_that_gets_no_turn_is_parked(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, replace(SMALL, deliveries=1)) as mill:
        mill.store.hangs[OTHER] = asyncio.Event()
        await mill.write("1", "2", "3", "4", "5", org=OTHER)
        await mill.turn()
        await mill.shop.journal.append(ACME, [draft("x" * (mill.limits.batch.share + 1))], None)
        await mill.turn()
        await mill.turn()
        assert mill.road.batcher.orgs() == []
        assert await mill.states() == (1, 0, 0)


async def test_when_memory_is_short_batches_go_early(mill: Rig) -> None:
    await mill.write("a")
    await mill.turn()
    mill.road.dispatch.bytes = mill.limits.batch.total
    await mill.turn()
    assert mill.store.contents(ACME) == ["a"]


async def test_a_slow_org_leaves_memory_when_it_is_short(mill: Rig) -> None:
    mill.store.hangs[ACME] = asyncio.Event()
    await mill.write("1", "2", "3", "4", "5")
    await mill.turn()
    await mill.write("6")
    await mill.turn()
    mill.road.dispatch.bytes = mill.limits.batch.total
    await mill.turn(mill.limits.slow_after)
    assert mill.road.batcher.orgs() == []


async def test_receiving_goes_on_at_once_while_the_queue_is_full(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, replace(SMALL, receive_count=2)) as mill:
        await mill.write(*[str(n) for n in range(20)])
        assert await mill.flusher.step()
        await mill.ends()
        assert sum(p.count for p in mill.store.appends) + len(mill.road.batcher.held(ACME)) == 8


async def test_a_row_that_comes_again_while_it_is_held_is_not_taken_twice(
    tmp_path: Path, clock: ManualClock
) -> None:
    async with rig(tmp_path, clock, replace(SMALL, batch=BatchLimits(count=5, age=100))) as mill:
        await mill.write("a", "b", "c")
        await mill.turn()
        await mill.turn(61)  # the queue looks at old rows again
        await mill.turn(40)
        assert [p.count for p in mill.store.appends] == [3]


async def test_draining_sends_what_is_held_before_its_time(mill: Rig) -> None:
    await mill.write("a")
    await mill.write("b", org=OTHER)
    await mill.turn()
    await mill.flusher.drain(5)
    assert mill.store.contents(ACME) == ["a"]
    assert mill.store.contents(OTHER) == ["b"]


async def test_draining_does_not_wait_for_a_store_that_hangs(mill: Rig) -> None:
    await mill.write("a")
    await mill.turn()
    mill.store.hangs[ACME] = asyncio.Event()
    await mill.flusher.drain(0.01)
    await mill.flusher.close()
    assert await mill.states() == (1, 0, 0)


async def test_draining_leaves_what_cannot_be_delivered_to_the_journal(mill: Rig) -> None:
    await mill.write("a")
    await mill.turn()
    await mill.bindings.remove_binding(ACME)
    mill.clock.advance(3)
    await mill.road.bindings.refresh()
    await mill.flusher.drain(5)
    assert await mill.states() == (1, 0, 0)


async def test_without_the_lease_nothing_is_received(mill: Rig) -> None:
    await mill.flusher.close()
    await mill.write("a", "b", "c", "d", "e")
    assert not await mill.flusher.step()
    assert mill.flusher.role == "standby"
    await mill.flusher.drain(1)
    assert mill.road.batcher.orgs() == []
