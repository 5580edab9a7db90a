"""Counts are those of the distinct memories, whatever settles or arrives meanwhile."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.deletion import Graves
from core.model.errors import NoArcInstance, StoreUnreachable
from core.model.memory import Memory, MemoryFilter, Tally, claim_key
from core.model.windows import DAY, HOUR, MINUTE
from tests.unit.fakes import World, counted, memory, principal
from tests.unit.test_recall import AGES, NOW, move_between, worlds

EVERYTHING = MemoryFilter()


@settings(max_examples=200, deadline=None)
@given(worlds(), AGES, st.sampled_from([EVERYTHING, MemoryFilter(session_id="s1")]))
async def test_counts_are_exact_whatever_settles_between_the_reads(
    made: tuple[World, list[Memory]], recent: int, filter: MemoryFilter
) -> None:
    world, moving = made
    truth = counted([m for m in world.everything if filter.matches(m)], NOW - recent)
    move_between(world, moving)
    assert await world.recall.tally(principal(), filter, NOW - recent) == truth


@settings(max_examples=100, deadline=None)
@given(worlds())
async def test_counts_are_exact_when_the_store_takes_memories_between_its_own_answers(
    made: tuple[World, list[Memory]],
) -> None:
    world, moving = made
    truth = counted(world.everything, 0)

    async def deliver_one() -> None:
        if moving:
            world.deliver([moving.pop()])

    world.store.before_answer = deliver_one
    assert await world.recall.tally(principal(), EVERYTHING, 0) == truth


@settings(max_examples=100, deadline=None)
@given(worlds(), AGES)
async def test_counts_up_to_a_time_are_exact(made: tuple[World, list[Memory]], age: int) -> None:
    world, moving = made
    until = NOW - age
    truth = counted([m for m in world.everything if m.time < until], 0)
    move_between(world, moving)
    assert await world.recall.tally(principal(), EVERYTHING, 0, until=until) == truth


async def test_thousands_of_graves_are_counted_around() -> None:
    world = World()
    world.store.rows = [memory(NOW - n * MINUTE) for n in range(20_000)]
    world.journal.settled_through = NOW
    buried = world.store.rows[::4]
    world.journal.graves = Graves(identities=frozenset((m.time, claim_key(m.dedup_key)) for m in buried))
    assert await world.recall.tally(principal(), EVERYTHING, 0) == counted(world.everything, 0)


async def test_errors_and_recent_ones_are_counted_from_the_given_time() -> None:
    world = World()
    world.store.rows = [
        memory(NOW - 3 * DAY, event_type="error"),
        memory(NOW - HOUR, event_type="error"),
        memory(NOW - MINUTE, memory_type="decision"),
    ]
    world.journal.settled_through = NOW - MINUTE
    world.journal.rows = [memory(NOW, event_type="error")]
    found = await world.recall.tally(principal(), EVERYTHING, NOW - DAY)
    assert found == Tally(
        total=4, by_type={"episodic": 3, "decision": 1}, recent=3, recent_errors=2, last=NOW
    )


async def test_a_tail_that_is_all_new_needs_one_count_of_the_store() -> None:
    world = World()
    world.store.rows = [memory(NOW - age * DAY) for age in range(1, 40)]
    world.journal.settled_through = NOW - HOUR
    world.journal.rows = [memory(NOW - age) for age in range(20)]
    assert (await world.recall.tally(principal(), EVERYTHING, 0)).total == 59
    assert world.store.calls == ["earliest", "tally"]


async def test_an_empty_store_is_not_counted() -> None:
    world = World()
    world.journal.settled_through = NOW
    world.journal.rows = [memory(NOW + 1)]
    assert (await world.recall.tally(principal(), EVERYTHING, 0)).total == 1
    assert world.store.calls == ["earliest"]


async def test_scattered_dead_letters_ask_the_store_a_bounded_number_of_times() -> None:
    world = World()
    world.store.rows = [memory(NOW - 300 * DAY + n * DAY) for n in range(300)]
    world.journal.settled_through = NOW
    world.journal.rows = [memory(NOW - n * 2 * HOUR - 7) for n in range(1000)]
    assert (await world.recall.tally(principal(), EVERYTHING, 0)).total == 1300
    assert len(world.store.calls) < 200


async def test_a_store_that_fails_is_not_counted_as_empty() -> None:
    world = World()
    world.store.failures = [StoreUnreachable()]
    with pytest.raises(StoreUnreachable):
        await world.recall.tally(principal(), EVERYTHING, 0)


async def test_an_org_without_a_binding_counts_nothing() -> None:
    with pytest.raises(NoArcInstance):
        await World().recall.tally(principal(binding=None), EVERYTHING, 0)
