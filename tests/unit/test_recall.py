"""The read road against a plain model: the tail first, then the store, each memory once."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.deletion import Graves
from core.model.errors import (
    InvalidCursor,
    NoArcInstance,
    NotFound,
    StoreAmbiguous,
    StoreTimeout,
    StoreUnreachable,
)
from core.model.memory import (
    Exclusion,
    Memory,
    MemoryFilter,
    MemoryQuery,
    Micros,
    Order,
    Page,
    Position,
    claim_key,
)
from core.model.windows import DAY, HOUR, MINUTE
from tests.unit.fakes import World, memory, ordered, principal

NOW = 1_780_000_000_000_000
AGES = st.one_of(
    st.integers(0, 6 * MINUTE), st.integers(0, 3 * HOUR), st.integers(0, 3 * DAY), st.integers(0, 500 * DAY)
)
ORDERS = st.sampled_from(["desc", "asc"])
WHO = {"session_id": st.sampled_from(["s1", "s2"]), "content": st.sampled_from(["xa", "xb", "y"])}


@st.composite
def worlds(draw: st.DrawFn) -> tuple[World, list[Memory]]:
    """A world, and those of its memories that will settle while a reader is between its two reads."""
    world = World()
    settled_through = NOW - draw(AGES)
    ages = draw(st.lists(AGES, max_size=30, unique=True))
    for time in sorted(NOW - age for age in ages):
        m = memory(time, **{name: draw(of) for name, of in WHO.items()})
        fate = draw(st.sampled_from(["settled", "waiting", "delivered", "twice"]))
        if fate != "settled" or time > settled_through:
            world.journal.rows.append(m)
        if fate != "waiting" and (fate != "settled" or time <= settled_through):
            world.store.rows += [m] * (2 if fate == "twice" else 1)
    for age in draw(st.lists(AGES, max_size=4)):
        foreign = NOW - age
        if foreign <= settled_through:
            world.store.rows += [memory(foreign, key) for key in draw(st.lists(st.sampled_from("abcd")))]
    world.journal.settled_through = settled_through
    if draw(st.booleans()):
        world.journal.graves = draw(graves_in([*world.store.rows, *world.journal.rows]))
    moving = [m for m in world.journal.rows if draw(st.booleans())]
    return world, moving


@st.composite
def graves_in(draw: st.DrawFn, memories: list[Memory]) -> Graves:
    """Some of these deleted by themselves, some by rule."""
    buried = [m for m in memories if draw(st.integers(0, 3)) == 0]
    rules = st.builds(
        Exclusion,
        until=AGES.map(lambda age: NOW - age),
        session_id=st.sampled_from(["", "s1", "s1", "s2"]),
        agent_ids=st.sampled_from([(), ("agent",), ("nobody",)]),
    )
    exclusions = draw(st.lists(rules, max_size=2))
    return Graves(tuple(exclusions), frozenset((m.time, claim_key(m.dedup_key)) for m in buried))


def move_between(world: World, moving: list[Memory]) -> None:
    def move() -> None:
        world.deliver(moving)
        world.settle(moving)
        moving.clear()

    world.journal.after_snapshot = move


async def pages(world: World, query: MemoryQuery) -> list[Page]:
    found = [await world.recall.search(principal(), query)]
    while found[-1].next is not None:
        query = MemoryQuery(
            filter=query.filter,
            since=query.since,
            until=query.until,
            order=query.order,
            limit=query.limit,
            after=found[-1].next,
        )
        found.append(await world.recall.search(principal(), query))
    return found


FILTERS = st.sampled_from(
    [MemoryFilter(), MemoryFilter(session_id="s1"), MemoryFilter(content_contains="xa")]
)
BOUNDS = st.one_of(st.none(), AGES.map(lambda age: NOW - age))


@settings(max_examples=300, deadline=None)
@given(worlds(), FILTERS, BOUNDS, BOUNDS, ORDERS, st.integers(1, 12), st.integers(0, 8), st.integers(1, 2))
async def test_a_page_is_the_slice_of_all_that_is_held_whatever_settles_meanwhile(
    made: tuple[World, list[Memory]],
    filter: MemoryFilter,
    since: Micros | None,
    until: Micros | None,
    order: Order,
    limit: int,
    offset: int,
    prefix: int,
) -> None:
    world, moving = made
    truth = ordered(
        [
            m
            for m in world.everything
            if filter.matches(m) and (since or 0) <= m.time and (until is None or m.time < until)
        ],
        order,
    )
    world.store.prefix = prefix
    move_between(world, moving)
    query = MemoryQuery(filter=filter, since=since, until=until, order=order, limit=limit, offset=offset)
    page = await world.recall.search(principal(), query)
    assert page.memories == truth[offset : offset + limit]
    assert page.has_more == (len(truth) > offset + limit)


@settings(max_examples=150, deadline=None)
@given(worlds(), FILTERS, ORDERS, st.integers(1, 7))
async def test_following_the_cursor_lists_everything_once_while_memories_settle(
    made: tuple[World, list[Memory]], filter: MemoryFilter, order: Order, limit: int
) -> None:
    world, moving = made
    truth = ordered([m for m in world.everything if filter.matches(m)], order)
    move_between(world, moving)
    found = await pages(world, MemoryQuery(filter=filter, order=order, limit=limit))
    assert [m for page in found for m in page.memories] == truth
    assert [page.has_more for page in found] == [True] * (len(found) - 1) + [False]


@pytest.mark.parametrize("order", ["desc", "asc"])
async def test_following_the_cursor_while_others_write_repeats_and_skips_nothing(order: Order) -> None:
    world = World()
    old = [memory(NOW - age * MINUTE) for age in range(20, 0, -1)]
    world.store.rows, world.journal.settled_through = old[:12], old[11].time
    world.journal.rows = old[12:]
    fresh = iter(range(NOW, NOW + 100))

    def somebody_writes() -> None:
        if len(world.journal.rows) < 40:
            world.journal.rows.append(memory(next(fresh)))

    world.journal.after_snapshot = somebody_writes
    found = [m for page in await pages(world, MemoryQuery(order=order, limit=3)) for m in page.memories]
    assert [m for m in found if m.time < NOW] == ordered(old, order)
    assert len({m.identity for m in found}) == len(found)
    if order == "asc":
        assert [m.time for m in found if m.time >= NOW] == list(range(NOW, NOW + len(found) - 20))


async def test_equal_microseconds_of_the_tail_around_a_cursor_are_neither_lost_nor_repeated() -> None:
    world = World()
    world.journal.rows = [memory(NOW, key) for key in "abcdefgh"] + [memory(NOW - 1)]
    query = MemoryQuery(limit=1, after=Position("desc", NOW, "c"))
    found = await pages(world, query)
    assert [m.dedup_key for page in found for m in page.memories] == ["b", "a", f"k{NOW - 1}"]


async def test_a_row_that_settles_between_the_two_reads_is_shown() -> None:
    world = World()
    m = memory(NOW)
    world.journal.rows = [m]
    move_between(world, [m])
    page = await world.recall.search(principal(), MemoryQuery())
    assert page.memories == [m]


async def test_the_tail_alone_answers_when_it_fills_the_page_and_the_store_is_down() -> None:
    world = World()
    world.journal.settled_through = NOW - 10
    world.journal.rows = [memory(NOW - age) for age in range(5)]
    world.store.failures = [StoreUnreachable()]
    page = await world.recall.search(principal(), MemoryQuery(limit=4))
    assert [m.time for m in page.memories] == [NOW, NOW - 1, NOW - 2, NOW - 3]
    assert page.has_more
    assert world.store.asked == []


@pytest.mark.parametrize("order", ["desc", "asc"])
async def test_the_tail_alone_answers_what_lies_after_everything_settled(order: Order) -> None:
    world = World()
    world.journal.settled_through = NOW - 10
    world.journal.rows = [memory(NOW)]
    page = await world.recall.search(principal(), MemoryQuery(since=NOW - 9, order=order))
    assert [m.time for m in page.memories] == [NOW]
    assert world.store.asked == []


async def test_old_rows_of_the_tail_do_not_spare_the_store() -> None:
    world = World()
    world.store.rows = [memory(NOW - 5)]
    world.journal.settled_through = NOW
    world.journal.rows = [memory(NOW - 6), memory(NOW - 7)]
    page = await world.recall.search(principal(), MemoryQuery(limit=1))
    assert [m.time for m in page.memories] == [NOW - 5]


async def test_a_page_that_five_minutes_fill_reads_five_minutes() -> None:
    world = World()
    world.store.rows = [memory(NOW - age) for age in range(200)]
    world.journal.settled_through = NOW
    await world.recall.search(principal(), MemoryQuery(limit=10))
    assert [(call, span.until - span.since) for call, span in world.store.asked] == [("search", 5 * MINUTE)]


async def test_windows_stop_at_the_earliest_memory() -> None:
    world = World()
    world.store.rows = [memory(NOW - HOUR)]
    world.journal.settled_through = NOW
    await world.recall.search(principal(), MemoryQuery())
    assert world.store.calls == ["search", "earliest", "search"]
    assert world.store.asked[-1][1].since == NOW - HOUR


async def test_an_empty_store_is_searched_once() -> None:
    world = World()
    world.journal.settled_through = NOW
    page = await world.recall.search(principal(), MemoryQuery())
    assert page == Page([], False, None)
    assert world.store.calls == ["search", "earliest"]


async def test_upwards_reading_starts_at_the_earliest_memory() -> None:
    world = World()
    world.store.rows = [memory(NOW - 3 * HOUR), memory(NOW)]
    world.journal.settled_through = NOW
    await world.recall.search(principal(), MemoryQuery(order="asc", limit=1))
    searches = [span for call, span in world.store.asked if call == "search"]
    assert searches[0].since == NOW - 3 * HOUR


async def test_rows_whose_end_does_not_match_do_not_count() -> None:
    world = World()
    world.store.prefix = 1
    world.store.rows = [memory(NOW - age, content="xb" if age % 50 else "xa") for age in range(1000)]
    world.journal.settled_through = NOW
    query = MemoryQuery(filter=MemoryFilter(content_contains="xa"), limit=5)
    page = await world.recall.search(principal(), query)
    assert [NOW - m.time for m in page.memories] == [0, 50, 100, 150, 200]
    assert page.has_more


async def test_many_repeats_in_the_store_still_fill_a_page() -> None:
    world = World()
    world.store.rows = [memory(NOW - age) for age in range(10) for _ in range(30)]
    world.journal.settled_through = NOW
    page = await world.recall.search(principal(), MemoryQuery(limit=9))
    assert [NOW - m.time for m in page.memories] == list(range(9))
    assert page.has_more


async def test_a_cursor_of_the_other_order_is_refused_before_anything_is_read() -> None:
    world = World()
    with pytest.raises(InvalidCursor):
        await world.recall.search(principal(), MemoryQuery(after=Position("asc", NOW, "k")))


async def test_an_org_without_a_binding_reads_nothing() -> None:
    with pytest.raises(NoArcInstance):
        await World().recall.search(principal(binding=None), MemoryQuery())


# --- when the store fails ---------------------------------------------------------------------


async def test_an_answer_that_says_nothing_is_asked_for_once_more() -> None:
    world = World()
    world.store.rows = [memory(NOW)]
    world.journal.settled_through = NOW
    world.store.failures = [StoreAmbiguous()]
    page = await world.recall.search(principal(), MemoryQuery(limit=1))
    assert [m.time for m in page.memories] == [NOW]


async def test_two_answers_that_say_nothing_are_an_error() -> None:
    world = World()
    world.journal.settled_through = NOW
    world.store.failures = [StoreAmbiguous(), StoreAmbiguous()]
    with pytest.raises(StoreAmbiguous):
        await world.recall.search(principal(), MemoryQuery())


@pytest.mark.parametrize("failure", [StoreUnreachable, StoreTimeout])
async def test_a_failing_store_is_not_an_empty_one(failure: type[Exception]) -> None:
    world = World()
    world.journal.settled_through = NOW
    world.journal.rows = [memory(NOW + 1)]
    world.store.failures = [failure()]
    with pytest.raises(failure):
        await world.recall.search(principal(), MemoryQuery())


async def test_a_store_that_hangs_is_given_up_within_the_query_timeout() -> None:
    world = World(query_timeout=0.02)
    world.journal.settled_through = NOW

    async def hang() -> None:
        await asyncio.Event().wait()

    world.store.before_answer = hang
    with pytest.raises(StoreTimeout) as caught:
        await world.recall.search(principal(), MemoryQuery())
    assert "0.02 seconds" in caught.value.message


async def test_queries_and_store_calls_are_measured() -> None:
    world = World()
    world.journal.settled_through = NOW
    await world.recall.search(principal(), MemoryQuery(), "list")
    assert world.metrics.counts == {("memtrace_queries_total", "list"): 1}
    assert ("memtrace_arc_latency_seconds", "search") in world.metrics.observed


# --- one memory ---------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(worlds())
async def test_every_memory_is_found_by_its_id_whatever_settles_meanwhile(
    made: tuple[World, list[Memory]],
) -> None:
    world, moving = made
    everything = world.everything
    move_between(world, moving)
    for m in everything:
        assert await world.recall.get(principal(), m.id) == m


async def test_a_deleted_memory_is_found_by_no_id_and_no_key() -> None:
    world = World()
    kept, buried, covered = memory(NOW, "a"), memory(NOW, "b"), memory(NOW - HOUR, "c", session_id="gone")
    world.store.rows = [kept, buried, covered]
    world.journal.settled_through = NOW
    world.journal.claims = {"b": NOW, "c": NOW - HOUR}
    world.journal.graves = Graves(
        (Exclusion(until=NOW, session_id="gone"),), frozenset([(NOW, claim_key("b"))])
    )
    assert await world.recall.get(principal(), kept.id) == kept
    for reference in (buried.id, covered.id, "b", "c"):
        with pytest.raises(NotFound):
            await world.recall.get(principal(), reference)


async def test_what_retention_covers_is_not_read_from_the_store() -> None:
    world = World()
    world.store.rows = [memory(NOW - age * DAY) for age in range(400)]
    world.journal.settled_through = NOW
    world.journal.graves = Graves((Exclusion(until=NOW - 30 * DAY),))
    page = await world.recall.search(principal(), MemoryQuery(limit=100))
    assert [m.time for m in page.memories] == [NOW - age * DAY for age in range(31)]
    assert min(span.since for call, span in world.store.asked if call == "search") == NOW - 30 * DAY


async def test_what_waits_is_counted_without_the_store() -> None:
    world = World()
    world.journal.rows = [memory(NOW - age) for age in (5, 4, 3)]
    assert await world.recall.waiting(principal(), MemoryFilter(), NOW - 3) == 2
    assert world.store.asked == []


async def test_an_unsettled_memory_is_found_without_the_store() -> None:
    world = World()
    world.journal.rows = [memory(NOW)]
    world.store.failures = [StoreUnreachable()]
    assert (await world.recall.get(principal(), memory(NOW).id)).time == NOW


async def test_an_id_is_found_among_many_of_the_same_microsecond() -> None:
    world = World()
    world.store.rows = [memory(NOW, f"{n:04}") for n in range(450)]
    world.journal.settled_through = NOW
    for n in (0, 250, 449):
        assert (await world.recall.get(principal(), memory(NOW, f"{n:04}").id)).dedup_key == f"{n:04}"


async def test_a_dedup_key_is_an_id_too_by_its_claim() -> None:
    world = World()
    world.journal.settled_through = NOW
    world.journal.claims["mine"] = NOW - 40 * DAY
    world.store.rows = [memory(NOW - 40 * DAY, "mine"), memory(NOW - 40 * DAY, "other")]
    assert (await world.recall.get(principal(), "mine")).dedup_key == "mine"
    assert all(span.until - span.since == 1 for _, span in world.store.asked)


async def test_without_a_claim_the_newest_of_a_dedup_key_within_the_window_is_found() -> None:
    world = World()
    world.journal.settled_through = NOW
    world.store.rows = [memory(NOW - HOUR, "mine", content="new"), memory(NOW - 2 * HOUR, "mine")]
    assert (await world.recall.get(principal(), "mine")).content == "new"


async def test_a_claim_whose_memory_is_nowhere_is_looked_for_by_key() -> None:
    world = World()
    world.journal.settled_through = NOW
    world.journal.claims["mine"] = NOW - 5
    world.store.rows = [memory(NOW - HOUR, "mine")]
    assert (await world.recall.get(principal(), "mine")).time == NOW - HOUR


async def test_a_dedup_key_older_than_the_window_is_not_found() -> None:
    world = World()
    world.journal.settled_through = NOW
    world.store.rows = [memory(NOW - 25 * HOUR, "mine")]
    with pytest.raises(NotFound, match=r"^memory not found$"):
        await world.recall.get(principal(), "mine")


@pytest.mark.parametrize("reference", ["mem_" + "0" * 24, "mem_" + "f" * 24, "no such key"])
async def test_an_unknown_reference_is_not_found(reference: str) -> None:
    world = World()
    world.journal.settled_through = NOW
    world.store.rows = [memory(NOW)]
    with pytest.raises(NotFound):
        await world.recall.get(principal(), reference)


async def test_an_id_with_the_right_time_and_another_hash_is_not_found() -> None:
    world = World()
    world.store.rows = [memory(NOW, "one")]
    world.journal.settled_through = NOW
    with pytest.raises(NotFound):
        await world.recall.get(principal(), memory(NOW, "two").id)


async def test_a_store_that_fails_is_not_an_unknown_memory() -> None:
    world = World()
    world.journal.settled_through = NOW
    world.store.failures = [StoreUnreachable()]
    with pytest.raises(StoreUnreachable):
        await world.recall.get(principal(), memory(NOW - 5).id)
