"""The store over an Arc's doors: which questions are asked, and when one is asked again."""

import asyncio
import dataclasses
from collections.abc import Callable

import msgspec
import pytest

from core.adapters.arc import earliest
from core.adapters.arc.removing import ArcRemover
from core.model.errors import StoreAmbiguous, StoreDenied, StoreRefused, StoreUnreachable
from core.model.memory import Exclusion, Memory, MemoryFilter, Span, Tally, claim_key
from core.model.tenant import Binding
from core.ports import Parcel, Removal, Removed
from tests.arc.conftest import Bench
from tests.arc.scripted import Answer, Script, columnar, failed, reply, rowwise, scripted, silence
from tests.contract.event_stores import ACME, HOUR, OTHER, T0, memory, parcel

SPAN = Span(T0, T0 + HOUR)
NO_FILES = columnar({}, columns=[], data=[], row_count=0)
LONG = MemoryFilter(content_contains="x" * 8_000, agent_ids=tuple(f"agent_{n}" * 10 for n in range(60)))
"""More than a statement has room for."""


def rows(*memories: Memory) -> bytes:
    names = "t o a s m e c j g k i p".split()
    values = [list(column) for column in zip(*map(msgspec.structs.astuple, memories), strict=True)]
    return columnar(dict(zip(names, values or [[] for _ in names], strict=True)))


def statements(arc: Script) -> list[str]:
    return [msgspec.json.decode(asked.body)["sql"] for asked in arc.asked]


async def search(
    bench: Bench, arc: Script, filter: MemoryFilter | None = None, limit: int = 10
) -> list[Memory]:
    return await bench.store.search(
        bench.binding(arc.url), filter or MemoryFilter(), SPAN, "desc", limit, None
    )


async def test_rows_become_memories(bench: Bench) -> None:
    async with scripted(rows(memory(2), memory(1))) as arc:
        assert await search(bench, arc) == [memory(2), memory(1)]
    (asked,) = statements(arc)
    assert 'FROM "events" WHERE time >= ' in asked


async def test_where_no_file_was_read_all_files_are_looked_at_once(bench: Bench) -> None:
    async with scripted(NO_FILES, rows(memory(1)), NO_FILES, NO_FILES) as arc:
        assert await search(bench, arc) == [memory(1)]
        assert await search(bench, arc) == []
    pruned, unpruned, *_ = statements(arc)
    assert "WHERE time >= " in pruned
    assert 'WHERE "time" >= ' in unpruned
    assert len(arc.asked) == 4


async def test_rows_without_a_key_are_asked_for_again_with_keys_of_their_contents(bench: Bench) -> None:
    keyless = msgspec.structs.replace(memory(1), dedup_key="")
    async with scripted(rows(keyless), rows(memory(1))) as arc:
        assert await search(bench, arc) == [memory(1)]
    first, second = statements(arc)
    assert "sha256" not in first
    assert "sha256" in second


async def test_files_of_other_writers_are_read_with_every_column(bench: Bench) -> None:
    lacking = failed(500, "arrow query failed: Binder Error: no column parent_id")
    async with scripted(lacking, rows(memory(1))) as arc:
        assert await search(bench, arc) == [memory(1)]
    _, second = statements(arc)
    assert 'UNION ALL BY NAME SELECT * FROM "events"' in second
    assert second.index("WHERE") == second.index("WHERE time >= ")


async def test_files_that_stay_unreadable_are_refused(bench: Bench) -> None:
    async with scripted(failed(500, "arrow query failed: Binder Error: no column time")) as arc:
        with pytest.raises(StoreRefused):
            await search(bench, arc)
    assert len(arc.asked) == 2


async def test_rows_come_in_order_by_the_other_door_too(bench: Bench) -> None:
    one = [*msgspec.structs.astuple(memory(1, importance=1.0)), 1]
    one[10] = 1  # as JSON shows a whole number
    page = rowwise([*"toasmecjgkip", "rows_in_all"], [one])
    async with scripted(failed(404, "Cannot POST"), page) as arc:
        (found,) = await search(bench, arc)
    assert found == memory(1, importance=1.0)
    assert type(found.importance) is float
    assert statements(arc)[1].endswith("AS page ORDER BY t DESC, k DESC")


async def test_a_filter_beyond_a_statement_s_room_is_applied_to_what_comes(bench: Bench) -> None:
    match = memory(5, content="a " + "x" * 8_000, agent_id=LONG.agent_ids[0])
    pages: list[Answer] = [rows(memory(9), memory(8)), rows(match, memory(4)), rows()]
    async with scripted(*pages) as arc:
        found = await search(bench, arc, LONG, limit=2)
    assert found == [match]
    assert all(len(text.encode()) < 10_000 for text in statements(arc))
    assert [text.rpartition(" ")[2] for text in statements(arc)] == ["2", "1000"]


async def test_counts_with_such_a_filter_are_made_one_by_one(bench: Bench) -> None:
    match = memory(5, content="x" * 8_000, agent_id=LONG.agent_ids[1], event_type="error")
    tallied = columnar({"m": ["episodic"], "n": [9], "r": [0], "e": [0], "t": [1], "k": [0]})
    async with scripted(tallied, rows(memory(9), match), rows()) as arc:
        found = await bench.store.tally(bench.binding(arc.url), LONG, SPAN, T0)
    assert found == Tally(total=1, by_type={"episodic": 1}, recent=1, recent_errors=1, last=match.time)
    named = columnar({"t": [1], "k": ["k"], "m": ["episodic"], "e": ["general"]})
    async with scripted(named, rows(memory(9), match), rows()) as arc:
        identities = await bench.store.identities(bench.binding(arc.url), LONG, SPAN)
    assert identities == [(match.time, match.dedup_key, "episodic", "error")]


async def test_nothing_is_asked_about_no_time_at_all(bench: Bench) -> None:
    empty = Span(T0, T0)
    async with scripted(reply(500)) as arc:
        binding = bench.binding(arc.url)
        assert await bench.store.search(binding, MemoryFilter(), empty, "asc", 5, None) == []
        assert await bench.store.identities(binding, MemoryFilter(), empty) == []
        assert await bench.store.tally(binding, MemoryFilter(), empty, 0) == Tally()
        await bench.store.append(binding, Parcel(ACME, (), b""))
    assert arc.asked == []


async def test_the_earliest_time_is_asked_anew_beside_the_answer_after_half_a_minute(bench: Bench) -> None:
    async with scripted(columnar({"t": [T0 + 5]}), columnar({"t": [T0]})) as arc:
        binding = bench.binding(arc.url)
        for seconds in (0, 29, 2):
            bench.clock.advance(seconds)
            assert await bench.store.earliest(binding) == T0 + 5
        await until(lambda: len(arc.asked) == 2)
        assert await eventually(bench, binding) == T0
    assert len(arc.asked) == 2


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - what happens beside sets no event
            await asyncio.sleep(0.001)


async def eventually(bench: Bench, binding: Binding) -> int | None:
    """The earliest time, once the question on its way is answered."""
    await until(lambda: not bench.store._earliest._asked)
    return await bench.store.earliest(binding)


async def test_an_earliest_time_is_never_older_than_a_minute(bench: Bench) -> None:
    async with scripted(columnar({"t": [T0 + 5]}), silence, columnar({"t": [T0]})) as arc:
        binding = bench.binding(arc.url)
        for seconds in (0, 31, 28):
            bench.clock.advance(seconds)
            assert await bench.store.earliest(binding) == T0 + 5
        bench.clock.advance(1)
        assert await bench.store.earliest(binding) == T0


async def test_an_arc_that_fails_meanwhile_costs_the_earliest_time_nothing_for_a_while(bench: Bench) -> None:
    async with scripted(columnar({"t": [T0]}), failed(503, "busy")) as arc:
        binding = bench.binding(arc.url)
        for seconds in (0, 31):
            bench.clock.advance(seconds)
            assert await bench.store.earliest(binding) == T0
        assert await eventually(bench, binding) == T0
        bench.clock.advance(30)
        with pytest.raises(StoreUnreachable):
            await bench.store.earliest(binding)


async def test_only_so_many_earliest_times_are_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earliest, "_MOST_PLACES", 2)
    async with scripted(columnar({"t": [T0]})) as arc:
        for path in ("/a", "/b", "/c"):
            assert await bench.store.earliest(bench.binding(arc.url + path)) == T0
        assert len(bench.store._earliest._known) == 1


async def test_many_who_want_the_earliest_time_ask_once(bench: Bench) -> None:
    async with scripted(columnar({"t": [T0]})) as arc:
        binding = bench.binding(arc.url)
        assert await asyncio.gather(*(bench.store.earliest(binding) for _ in range(20))) == [T0] * 20
    assert len(arc.asked) == 1


async def test_orgs_of_one_measurement_share_what_is_known_but_not_who_is_refused(bench: Bench) -> None:
    async with scripted(failed(401, "no key"), columnar({"t": [T0]})) as arc:
        mine = bench.binding(arc.url)
        theirs = dataclasses.replace(bench.binding(arc.url, OTHER), id="arc_2")
        results = await asyncio.gather(
            bench.store.earliest(mine), bench.store.earliest(theirs), return_exceptions=True
        )
        assert sorted(type(result).__name__ for result in results) == ["StoreDenied", "int"]
        assert await bench.store.earliest(mine) == T0
    assert len(arc.asked) == 2


@pytest.mark.parametrize("answer", [NO_FILES, columnar({"t": [None]})])
async def test_an_empty_arc_is_asked_each_time(bench: Bench, answer: bytes) -> None:
    async with scripted(answer) as arc:
        for _ in range(2):
            assert await bench.store.earliest(bench.binding(arc.url)) is None
    assert len(arc.asked) == 2


async def test_a_write_that_nobody_answered_may_be_sent_again_with_the_same_bytes(bench: Bench) -> None:
    async def reset(writer: object) -> None:
        writer.transport.abort()  # type: ignore[attr-defined]

    batch = parcel([memory(1), memory(2)])
    async with scripted(reset, reply(204)) as arc:
        with pytest.raises(StoreAmbiguous):
            await bench.store.append(bench.binding(arc.url), batch)
        await bench.store.append(bench.binding(arc.url), batch)
    assert arc.asked[0].body == arc.asked[1].body


# --- removing


def removal() -> Removal:
    return Removal(Span(0, T0 + HOUR), exclusions=(Exclusion(until=T0 + HOUR, session_id="drop_it"),))


def count(number: int) -> bytes:
    return reply(200, msgspec.json.encode({"success": True, "deleted_count": number}))


OK = reply(200, b"{}")


async def remove(bench: Bench, arc: Script, what: Removal) -> Removed:
    return await ArcRemover(doors=bench.doors, timeout=30).remove(bench.binding(arc.url), what)


async def test_what_is_covered_is_deleted_until_a_dry_run_finds_none(bench: Bench) -> None:
    async with scripted(OK, count(5), count(5), count(1), count(1), count(0)) as arc:
        assert await remove(bench, arc, removal()) == Removed(6, True)
    wheres = [msgspec.json.decode(asked.body)["where"] for asked in arc.asked[1:]]
    assert "drop_it" not in wheres[0]
    assert [msgspec.json.decode(asked.body)["dry_run"] for asked in arc.asked[1:]] == [
        True,
        False,
        True,
        False,
        True,
    ]


async def test_an_arc_that_goes_on_finding_some_is_not_done(bench: Bench) -> None:
    async with scripted(OK, count(1)) as arc:
        assert await remove(bench, arc, removal()) == Removed(3, False)


async def test_single_memories_that_were_there_are_named(bench: Bench) -> None:
    one, two = memory(1), memory(2)
    graves = tuple((m.time, claim_key(m.dedup_key)) for m in (one, two))
    found = columnar({"t": [one.time, 5], "k": [graves[0][1].hex(), "00" * 16]})
    async with scripted(OK, found, count(0)) as arc:
        removed = await remove(bench, arc, Removal(Span(T0, T0 + HOUR), graves=graves))
    assert removed == Removed(0, True, (graves[0],))


async def test_more_than_fits_into_one_deletion_goes_by_parts(bench: Bench) -> None:
    too_many = failed(400, "exceeding maximum of 10")
    async with scripted(OK, too_many, count(0), count(0)) as arc:
        assert (await remove(bench, arc, removal())).is_gone
    halves = [msgspec.json.decode(asked.body)["where"] for asked in arc.asked[2:]]
    middle = (T0 + HOUR) // 2
    assert f"< {middle} " in halves[0]
    assert f">= {middle} " in halves[1]


async def test_one_second_that_holds_too_many_is_said(bench: Bench) -> None:
    async with scripted(OK, failed(400, "exceeding maximum of 10")) as arc:
        what = Removal(Span(T0, T0 + 1_000_000), exclusions=removal().exclusions)
        with pytest.raises(StoreDenied, match="more memories than the Arc removes at once"):
            await remove(bench, arc, what)


async def test_without_an_admin_key_nothing_is_asked(bench: Bench) -> None:
    async with scripted(OK) as arc:
        binding = dataclasses.replace(bench.binding(arc.url), admin_key="")
        with pytest.raises(StoreDenied, match="has no admin key") as caught:
            await ArcRemover(doors=bench.doors, timeout=30).remove(binding, removal())
    assert "set-admin-key" in (caught.value.hint or "")
    assert arc.asked == []
