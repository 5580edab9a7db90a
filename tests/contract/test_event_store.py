"""What every event store promises, whatever it is made of (`core.ports.EventStore`)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.model.memory import Exclusion, Memory, MemoryFilter, Order, Position, Rules, Span, Tally
from tests.contract.event_stores import (
    ACME,
    ALWAYS,
    HOUR,
    OTHER,
    STORES,
    T0,
    Shelf,
    collapsed,
    memory,
    parcel,
)

HOSTILE = [
    "it's",
    "' OR 1=1 --",
    "ends in a backslash\\",
    "\\' OR '1'='1",
    "__STR_0__ __STR_1__ __IDENT_0__",
    "____",
    "select * from read_parquet('/etc/passwd')",
    "READ_PARQUET",
    "nul \0 in the middle",
    "line\nfeed\r\n\ttab",
    "100 % of _ and ! and ?",
    "time >= '2020-01-01' AND time < '2021-01-01' -- ; DROP TABLE events",
    "\u2028\u2029\ufeff\u202e naïve 日本語 😀 \u0301",
    '{"json": ["in", "text"]}',
    "$$ $1 {} {{}} %s",
]


@pytest.fixture(params=STORES)
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    async with STORES[request.param](tmp_path) as opened:
        yield opened


async def test_what_was_appended_is_found_whole(shelf: Shelf) -> None:
    full = memory(
        1,
        session_id="sess_9",
        memory_type="decision",
        event_type="error",
        content="text",
        metadata_json='{"a":{"b":[1,2.5,null]}}',
        tags_csv="prod,web",
        importance=0.75,
        parent_id="mem_0",
    )
    await shelf.put(full)
    assert await shelf.search() == [full]


async def test_an_empty_store_answers_with_nothing(shelf: Shelf) -> None:
    binding = shelf.bind(ACME)
    assert await shelf.search() == []
    assert await shelf.store.identities(binding, MemoryFilter(), ALWAYS) == []
    assert await shelf.store.tally(binding, MemoryFilter(), ALWAYS, 0) == Tally()
    assert await shelf.store.earliest(binding) is None


async def test_an_empty_parcel_stores_nothing(shelf: Shelf) -> None:
    await shelf.store.append(shelf.bind(ACME), parcel([]))
    assert await shelf.search() == []


async def test_a_parcel_may_touch_many_hours(shelf: Shelf) -> None:
    memories = [memory(i * HOUR // 2) for i in range(60)]
    await shelf.put(*memories)
    assert await shelf.search() == memories


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_rows_come_in_order_of_time_then_key(shelf: Shelf, order: Order) -> None:
    memories = [memory(t, key) for t in (0, 5, HOUR, 30 * HOUR) for key in ("B", "a", "é", "😀")]
    await shelf.put(*reversed(memories))
    expected = sorted(memories, key=lambda m: m.identity, reverse=order == "desc")
    assert await shelf.search(order=order) == expected


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_the_limit_keeps_the_first_of_the_order(shelf: Shelf, order: Order) -> None:
    memories = [memory(i * HOUR // 3) for i in range(40)]
    await shelf.put(*memories)
    expected = memories if order == "asc" else memories[::-1]
    for limit in (1, 2, 7, 39, 40, 41):
        assert await shelf.search(order=order, limit=limit) == expected[:limit]


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_paging_with_after_meets_each_memory_once(shelf: Shelf, order: Order) -> None:
    memories = [memory(t, f"k{i}") for t in (0, 1, HOUR - 1, HOUR, 25 * HOUR) for i in range(5)]
    await shelf.put(*memories)
    seen: list[Memory] = []
    after: Position | None = None
    while page := await shelf.search(order=order, limit=3, after=after):
        seen += page
        after = Position(order, page[-1].time, page[-1].dedup_key)
    assert seen == sorted(memories, key=lambda m: m.identity, reverse=order == "desc")


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_after_need_not_name_a_memory_that_is_there(shelf: Shelf, order: Order) -> None:
    low, high = memory(5, "a"), memory(5, "c")
    await shelf.put(low, high)
    expected = high if order == "asc" else low
    assert await shelf.search(order=order, after=Position(order, T0 + 5, "b")) == [expected]


async def test_a_span_is_half_open_to_the_microsecond(shelf: Shelf) -> None:
    memories = [memory(HOUR - 1), memory(HOUR), memory(HOUR + 1)]
    await shelf.put(*memories)
    assert await shelf.search(span=Span(T0 + HOUR, T0 + HOUR + 1)) == [memories[1]]
    assert await shelf.search(span=Span(T0 + HOUR - 1, T0 + HOUR)) == [memories[0]]
    assert await shelf.search(span=Span(T0 + HOUR, T0 + HOUR)) == []


async def test_bounds_cut_identities_and_tallies_too(shelf: Shelf) -> None:
    await shelf.put(memory(0), memory(10), memory(20))
    binding, span = shelf.bind(ACME), Span(T0 + 10, T0 + 20)
    assert await shelf.store.identities(binding, MemoryFilter(), span) == [
        (T0 + 10, "key-10", "episodic", "general")
    ]
    assert (await shelf.store.tally(binding, MemoryFilter(), span, 0)).total == 1
    nowhere = Span(T0 + 20, T0 + 10)
    assert await shelf.store.identities(binding, MemoryFilter(), nowhere) == []
    assert await shelf.store.tally(binding, MemoryFilter(), nowhere, 0) == Tally()


async def test_other_orgs_rows_are_never_seen(shelf: Shelf) -> None:
    mine, theirs = memory(1, "same"), memory(1, "same", org=OTHER, content="theirs")
    await shelf.put(mine, theirs)
    assert await shelf.search() == [mine]
    assert await shelf.search(org=OTHER) == [theirs]
    for org in (ACME, OTHER):
        binding = shelf.bind(org)
        assert len(await shelf.store.identities(binding, MemoryFilter(), ALWAYS)) == 1
        assert (await shelf.store.tally(binding, MemoryFilter(), ALWAYS, 0)).total == 1


FILTERS = [
    MemoryFilter(agent_ids=("a1",)),
    MemoryFilter(agent_ids=("a1", "a2")),
    MemoryFilter(session_id="s1"),
    MemoryFilter(memory_types=("decision",)),
    MemoryFilter(memory_types=("decision", "entity")),
    MemoryFilter(event_types=("error", "note")),
    MemoryFilter(tags=("prod",)),
    MemoryFilter(tags=("prod", "web")),
    MemoryFilter(content_contains="Needle"),
    MemoryFilter(min_importance=0.5),
    MemoryFilter(min_importance=0.0),
    MemoryFilter(session_id="s1", agent_ids=("a1",), tags=("web",), content_contains="e"),
    MemoryFilter(session_id="nowhere"),
    MemoryFilter(dedup_key=f"key-{7 * HOUR // 5}"),
]


@pytest.mark.parametrize("filter", FILTERS, ids=repr)
async def test_a_filter_means_what_the_model_says(shelf: Shelf, filter: MemoryFilter) -> None:
    memories = [
        memory(
            i * HOUR // 5,
            agent_id=f"a{i % 3}",
            session_id=("", "s1", "s2")[i % 3],
            memory_type=("episodic", "decision", "entity", "session")[i % 4],
            event_type=("general", "error", "note")[i % 3],
            tags_csv=("", "prod", "products", "web,prod", "pre.prod")[i % 5],
            content=("needle", "a Needle here", "nothing")[i % 3],
            importance=(0.0, 0.25, 0.5, 1.0)[i % 4],
        )
        for i in range(60)
    ]
    await shelf.put(*memories)
    expected = [m for m in memories if filter.matches(m)]
    binding = shelf.bind(ACME)
    assert await shelf.search(filter) == expected
    assert await shelf.search(filter, order="desc", limit=4) == expected[::-1][:4]
    found = await shelf.store.identities(binding, filter, ALWAYS)
    assert sorted(found) == [(m.time, m.dedup_key, m.memory_type, m.event_type) for m in expected]
    assert (await shelf.store.tally(binding, filter, ALWAYS, 0)).total == len(expected)


@pytest.mark.parametrize("number", [9, 300])
async def test_very_many_sessions_are_left_out_each_until_its_own_time(shelf: Shelf, number: int) -> None:
    """300 are more than an Arc's statement has room for."""
    names = [f"s__{n}_{'x' * 20}-" for n in range(number)]
    early = [memory(n, session_id=name) for n, name in enumerate(names)]
    late = [memory(1_000 + n, session_id=name) for n, name in enumerate(names)]
    await shelf.put(*early, *late, memory(5_000, session_id=""))
    rules = tuple(Exclusion(until=T0 + 500 + n, session_id=name) for n, name in enumerate(names))
    left = [*late, memory(5_000, session_id="")]
    for excluded in (rules, Rules(rules)):
        filter = MemoryFilter(excluded=(*excluded, Exclusion(until=T0 + 1_001, agent_ids=("crawler",))))
        assert await shelf.search(filter) == left[1:]
    filter, binding = MemoryFilter(excluded=Rules(rules)), shelf.bind(ACME)
    assert collapsed(await shelf.search(filter, limit=5)) == left[:5]
    assert (await shelf.store.tally(binding, filter, ALWAYS, 0)).total == len(left)
    found = await shelf.store.identities(binding, filter, ALWAYS)
    assert sorted(time for time, _, _, _ in found) == [m.time for m in left]


async def test_what_is_excluded_is_left_out_of_every_answer(shelf: Shelf) -> None:
    memories = [
        memory(i * HOUR // 4, f"k{i}", session_id=("", "s", "t")[i % 3], agent_id=("one", "two")[i % 2])
        for i in range(24)
    ]
    await shelf.put(*memories)
    excluded = (
        Exclusion(until=T0 + 5 * HOUR, session_id="s"),
        Exclusion(until=T0 + 2 * HOUR, agent_ids=("one", "nobody")),
        Exclusion(until=T0 + 1),
    )
    filter = MemoryFilter(excluded=excluded)
    left = [m for m in memories if filter.matches(m)]
    assert 0 < len(left) < len(memories)
    assert await shelf.search(filter) == left
    binding = shelf.bind(ACME)
    found = await shelf.store.identities(binding, filter, ALWAYS)
    assert sorted((time, key) for time, key, _, _ in found) == [m.identity for m in left]
    assert (await shelf.store.tally(binding, filter, ALWAYS, 0)).total == len(left)


async def test_a_tag_matches_whole_tags_only(shelf: Shelf) -> None:
    whole, longer = memory(1, tags_csv="a_b,prod"), memory(2, tags_csv="products,a-b")
    await shelf.put(whole, longer)
    assert await shelf.search(MemoryFilter(tags=("prod",))) == [whole]
    assert await shelf.search(MemoryFilter(tags=("a_b",))) == [whole]


async def test_content_is_matched_case_sensitively_and_literally(shelf: Shelf) -> None:
    await shelf.put(
        memory(1, content="100% Sure"), memory(2, content="100 sure"), memory(3, content="1000 Sure")
    )
    assert [m.time - T0 for m in await shelf.search(MemoryFilter(content_contains="100% S"))] == [1]
    assert [m.time - T0 for m in await shelf.search(MemoryFilter(content_contains="Sure"))] == [1, 3]
    assert await shelf.search(MemoryFilter(content_contains="_")) == []


async def test_a_parcel_sent_again_is_counted_once(shelf: Shelf) -> None:
    memories = [memory(i) for i in range(5)]
    await shelf.put(*memories)
    await shelf.put(*memories)
    binding = shelf.bind(ACME)
    assert collapsed(await shelf.search()) == memories
    found = await shelf.store.identities(binding, MemoryFilter(), ALWAYS)
    assert sorted(found) == [(m.time, m.dedup_key, "episodic", "general") for m in memories]
    assert (await shelf.store.tally(binding, MemoryFilter(), ALWAYS, 0)).total == 5


async def test_equal_times_or_equal_keys_alone_are_no_repeat(shelf: Shelf) -> None:
    memories = [memory(1, "a"), memory(1, "b"), memory(2, "a")]
    await shelf.put(*memories)
    assert len(await shelf.store.identities(shelf.bind(ACME), MemoryFilter(), ALWAYS)) == 3
    assert (await shelf.store.tally(shelf.bind(ACME), MemoryFilter(), ALWAYS, 0)).total == 3


async def test_a_tally_counts_types_recent_errors_and_the_newest(shelf: Shelf) -> None:
    memories = [
        memory(0, memory_type="episodic", event_type="error"),
        memory(HOUR, memory_type="decision"),
        memory(2 * HOUR, memory_type="decision", event_type="error"),
        memory(30 * HOUR, memory_type="entity"),
        memory(31 * HOUR, agent_id="somebody", memory_type="entity"),
    ]
    await shelf.put(*memories)
    await shelf.put(*memories[1:3])
    filter = MemoryFilter(agent_ids=("crawler", "agent_x"))
    assert await shelf.store.tally(shelf.bind(ACME), filter, ALWAYS, T0 + HOUR) == Tally(
        total=4,
        by_type={"episodic": 1, "decision": 2, "entity": 1},
        recent=3,
        recent_errors=1,
        last=T0 + 30 * HOUR,
    )


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_survives_in_every_column(shelf: Shelf, text: str) -> None:
    hostile = memory(
        1,
        text,
        agent_id=text,
        session_id=text,
        event_type=text,
        content=f"before {text} after",
        metadata_json=text,
        tags_csv=text.replace(",", ""),
        parent_id=text,
    )
    await shelf.put(hostile, memory(2))
    filter = MemoryFilter(
        agent_ids=(text, "x"),
        session_id=text,
        event_types=(text,),
        tags=(text.replace(",", ""),),
        content_contains=text,
    )
    assert await shelf.search(filter) == [hostile]
    assert await shelf.search(MemoryFilter(content_contains=text)) == [hostile]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_hostile_key_is_a_place_like_any_other(shelf: Shelf, text: str) -> None:
    before, at, behind = memory(1, "\x01"), memory(1, text), memory(1, "\U0010ffff")
    await shelf.put(before, at, behind)
    assert await shelf.search(after=Position("asc", at.time, text)) == [behind]
    assert await shelf.search(order="desc", after=Position("desc", at.time, text)) == [before]


async def test_a_hostile_org_sees_nothing_of_others(shelf: Shelf) -> None:
    await shelf.put(memory(1))
    assert await shelf.search(org=type(ACME)("' OR '1'='1")) == []


async def test_long_content_survives(shelf: Shelf) -> None:
    long = memory(1, content="\\\"'\n\0é😀_" * 30_000)
    await shelf.put(long, memory(2))
    assert await shelf.search() == [long, memory(2)]


async def test_a_long_substring_is_matched_to_its_end(shelf: Shelf) -> None:
    text = "\\_'é" * 2_000
    whole, almost = memory(1, content=f"x{text}x"), memory(2, content=f"x{text[:-1]}x")
    await shelf.put(whole, almost)
    assert await shelf.search(MemoryFilter(content_contains=text)) == [whole]


async def test_nothing_lies_before_the_earliest(shelf: Shelf) -> None:
    await shelf.put(memory(HOUR + 7), memory(50 * HOUR))
    earliest = await shelf.store.earliest(shelf.bind(ACME))
    assert earliest is not None
    assert T0 + HOUR + 7 - 25 * HOUR < earliest <= T0 + HOUR + 7


async def test_a_check_of_a_store_that_works_returns(shelf: Shelf) -> None:
    await shelf.store.check(shelf.bind(ACME))
    await shelf.put(memory(1))
    await shelf.store.check(shelf.bind(ACME))


async def test_a_store_says_how_long_it_may_hide_a_row(shelf: Shelf) -> None:
    assert shelf.store.hides_for > 0
