"""Removing: what goes, what stays, what readers see meanwhile, and what a crash leaves."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from core.adapters.events.removing import ParquetRemover
from core.model.errors import LeaseLost, StoreUnreachable
from core.model.memory import Exclusion, Memory, MemoryFilter, Span, claim_key
from core.ports import Removal, Removed
from tests.contract.event_stores import ACME, ALWAYS, HOUR, OTHER, T0, memory, parcel
from tests.events.rig import Died, Rig, query

EVER = T0 + 1000 * HOUR


async def mine() -> None:
    """Nobody took over."""


def remover(rig: Rig) -> ParquetRemover:
    return ParquetRemover(store=rig.store, still_mine=mine, probe=rig.probe)


def session(name: str, until: int = EVER) -> Removal:
    return Removal(Span(0, until), exclusions=(Exclusion(until=until, session_id=name),))


def single(*memories: Memory) -> Removal:
    times = [m.time for m in memories]
    graves = tuple((m.time, claim_key(m.dedup_key)) for m in memories)
    return Removal(Span(min(times), max(times) + 1), graves=graves)


async def remove(rig: Rig, removal: Removal) -> Removed:
    return await remover(rig).remove(rig.binding, removal)


async def until_gone(rig: Rig, removal: Removal) -> int:
    """Rounds with a merger between them, as the flusher makes them; how many memories went."""
    merger, total = rig.merger(), 0
    for _ in range(10):
        removed = await remove(rig, removal)
        total += removed.memories
        if removed.is_gone:
            return total
        await rig.step(merger, 61)
    raise AssertionError("it never went")


def bytes_left(rig: Rig, text: str) -> list[str]:
    return [str(p) for p in rig.root.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


MIXED: Sequence[Memory] = [
    memory(i, session_id="gone" if i % 2 else "kept", content=f"unique-{'bad' if i % 2 else 'good'}-{i}")
    for i in range(10)
]


async def test_a_session_goes_and_the_rest_of_its_file_stays(rig: Rig) -> None:
    await rig.put(*MIXED)
    first = await remove(rig, session("gone"))
    assert (first.memories, first.is_gone) == (5, False)
    assert await rig.everything() == [m for m in MIXED if m.session_id == "kept"]
    assert await until_gone(rig, session("gone")) == 0
    assert await rig.everything() == [m for m in MIXED if m.session_id == "kept"]
    assert bytes_left(rig, "unique-bad") == []
    assert bytes_left(rig, "unique-good") != []
    assert rig.staged() == []


async def test_a_file_that_is_covered_whole_goes_at_once(rig: Rig) -> None:
    await rig.put(memory(1, session_id="gone"), memory(2, session_id="gone"))
    assert await remove(rig, session("gone")) == Removed(2, True, (), (2,))
    assert rig.files() == []
    assert await rig.everything() == []


async def test_what_is_gone_is_told_apart_from_what_lies_in_an_old_file_for_a_while(rig: Rig) -> None:
    gone, staying, beside = memory(1, session_id="gone"), memory(HOUR, session_id="s"), memory(HOUR + 1)
    await rig.put(gone)
    await rig.put(staying, beside)
    graves = tuple((m.time, claim_key(m.dedup_key)) for m in (gone, staying))
    rules = (Exclusion(until=EVER, session_id="gone"), Exclusion(until=EVER, session_id="s"))
    removed = await remove(rig, Removal(Span(0, EVER), rules, graves))
    taken = [*map(removed.has_taken, graves), *map(removed.has_taken, rules)]
    assert taken == [True, False, True, False]
    assert not removed.is_gone


async def test_where_nothing_is_covered_nothing_is_touched(rig: Rig) -> None:
    await rig.put(*MIXED)
    before = rig.files()
    assert await remove(rig, session("another")) == Removed(0, True, (), (0,))
    assert rig.files() == before


async def test_what_came_after_the_deletion_stays(rig: Rig) -> None:
    await rig.put(memory(1, session_id="s"), memory(2, session_id="s"))
    await until_gone(rig, session("s", T0 + 2))
    assert await rig.everything() == [memory(2, session_id="s")]


async def test_an_exclusion_of_agents_takes_only_theirs(rig: Rig) -> None:
    await rig.put(memory(1, agent_id="a"), memory(2, agent_id="agent_b"), memory(3, agent_id="c"))
    rule = Exclusion(until=EVER, agent_ids=("a", "agent_b"))
    await until_gone(rig, Removal(Span(0, EVER), exclusions=(rule,)))
    assert await rig.everything() == [memory(3, agent_id="c")]


async def test_a_time_alone_takes_everything_before_it(rig: Rig) -> None:
    await rig.put(memory(1), memory(HOUR), memory(30 * HOUR))
    rule = Exclusion(until=T0 + 2 * HOUR)
    assert await remove(rig, Removal(Span(0, rule.until), exclusions=(rule,))) == Removed(2, True, (), (2,))
    assert await rig.everything() == [memory(30 * HOUR)]
    assert len(rig.files("**/*")) == 5


async def test_other_orgs_in_the_same_files_keep_theirs(rig: Rig) -> None:
    theirs = memory(2, session_id="gone", org=OTHER)
    await rig.put(memory(1, session_id="gone"))
    await rig.store.append(rig.binding, parcel([theirs]))
    for i in range(3, 10):
        await rig.put(memory(i, session_id="kept"))
    merger = rig.merger()
    await rig.step(merger)
    for _ in range(3):
        await rig.step(merger, 61)
    await until_gone(rig, session("gone"))
    rows = [row for name in rig.files() for row in query(f"SELECT org_id FROM '{rig.folder}/{name}'")]
    assert sorted(rows) == [(ACME,)] * 7 + [(OTHER,)]


async def test_single_memories_are_found_by_their_identity(rig: Rig) -> None:
    twin = memory(1, "another key")
    await rig.put(memory(1), twin, memory(2), memory(2 * HOUR))
    removal = single(memory(1), memory(2 * HOUR), memory(99, "was never there"))
    removed = await remove(rig, removal)
    assert removed.memories == 2
    assert sorted(removed.found) == sorted(removal.graves[:2])
    assert await rig.everything() == sorted([twin, memory(2)], key=lambda m: m.identity)


async def test_repeats_of_a_memory_all_go(rig: Rig) -> None:
    for _ in range(3):
        await rig.put(memory(1), memory(2))
    assert await until_gone(rig, single(memory(1))) == 3
    assert set(await rig.everything()) == {memory(2)}


async def test_a_row_without_a_key_is_found_by_the_key_its_content_gives_it(rig: Rig) -> None:
    keyless = msgspec.structs.replace(memory(1), dedup_key="")
    await rig.put(keyless, memory(2))
    [shown, _] = await rig.everything()
    await until_gone(rig, single(shown))
    assert await rig.everything() == [memory(2)]


async def test_rows_of_other_writers_without_values_stay_and_keep_their_columns(rig: Rig) -> None:
    rig.write_foreign(
        "2026/05/28/20",
        f"SELECT make_timestamptz({T0} + i) AS time, '{ACME}' AS org_id, 'x' || i AS \"an extra\","
        " CASE i WHEN 1 THEN 'gone' END AS session_id FROM range(3) t(i)",
    )
    await until_gone(rig, session("gone"))
    [name] = rig.files()
    rows = query(f"SELECT \"an extra\", session_id FROM '{rig.folder}/{name}' ORDER BY 1")
    assert rows == [("x0", None), ("x2", None)]


async def test_a_file_without_times_is_nobodys_and_stays(rig: Rig) -> None:
    path = rig.write_foreign("2026/05/28/20", "SELECT 1 AS something")
    assert await remove(rig, session("gone")) == Removed(0, True, (), (0,))
    assert path.exists()


async def test_files_that_a_merge_is_not_done_with_wait_for_it(rig: Rig) -> None:
    for one in MIXED:
        await rig.put(one)
    merger = rig.merger()
    await rig.step(merger)
    first = await remove(rig, session("gone"))
    assert first.memories < 5
    assert not first.is_gone
    for _ in range(6):
        await rig.step(merger, 61)
        last = await remove(rig, session("gone"))
    assert last == Removed(0, True, (), (0,))
    assert await rig.everything() == [m for m in MIXED if m.session_id == "kept"]
    assert bytes_left(rig, "unique-bad") == []


async def test_a_merged_file_stays_one_that_holds_nothing_twice(rig: Rig) -> None:
    for one in MIXED:
        await rig.put(one)
    merger = rig.merger()
    rig.clock.advance(2 * 3600)
    for _ in range(4):
        await rig.step(merger, 61)
    await until_gone(rig, session("gone"))
    [name] = rig.files()
    assert "_merged_" in name
    assert await rig.count() == 5


async def test_days_that_were_merged_are_rewritten_in_their_place(rig: Rig) -> None:
    await rig.put(*[memory(h * HOUR, session_id="gone" if h % 2 else "kept") for h in range(4)])
    merger = rig.merger()
    rig.clock.advance(48 * 3600)
    for _ in range(6):
        await rig.step(merger, 601)
    assert len(rig.files()) == 1
    assert await until_gone(rig, session("gone")) == 2
    [name] = rig.files()
    assert Path(name).parent == Path("2026/05/28")


async def test_a_reader_with_an_old_listing_sees_each_memory_once(rig: Rig) -> None:
    await rig.put(*MIXED)
    other = rig.another_store()
    whole = await other.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 99, None)
    await remove(rig, session("gone"))
    assert await other.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 99, None) == whole
    rig.clock.advance(3)
    kept = [m for m in MIXED if m.session_id == "kept"]
    assert await other.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 99, None) == kept


@pytest.mark.parametrize("point", ["remove.written", "remove.listed", "remove.published", "remove.unlinked"])
async def test_an_end_at_any_point_loses_nothing_that_stays(rig: Rig, point: str) -> None:
    await rig.put(*MIXED)
    await rig.put(memory(2 * HOUR, session_id="gone"))
    rig.probe.die_at(point)
    with pytest.raises(Died):
        await remove(rig, session("gone"))
    kept = [m for m in MIXED if m.session_id == "kept"]
    seen = await rig.everything()
    assert [m for m in seen if m.session_id == "kept"] == kept
    assert len(set(seen)) == len(seen)
    rig.probe.at.clear()
    rig.clock.advance(1)
    await until_gone(rig, session("gone"))
    merger = rig.merger()
    for _ in range(3):
        await rig.step(merger, 901)
    assert await rig.everything() == kept
    assert bytes_left(rig, "unique-bad") == []
    assert rig.files("**/*.replaces") == []


async def test_nothing_goes_once_the_lease_is_lost(rig: Rig) -> None:
    async def lost() -> None:
        raise LeaseLost

    await rig.put(*MIXED)
    await rig.put(memory(HOUR, session_id="gone"))
    before = rig.files("**/*")
    late = ParquetRemover(store=rig.store, still_mine=lost)
    for removal in (session("gone"), single(memory(HOUR))):
        with pytest.raises(LeaseLost):
            await late.remove(rig.binding, removal)
    assert rig.files("**/*") == before


async def test_a_rewrite_that_lost_rows_is_not_published(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.put(*MIXED)
    monkeypatch.setattr("core.adapters.events.engine.Cursor.count", lambda *_: 3)
    with pytest.raises(StoreUnreachable, match="5 rows stay was rewritten with 3"):
        await remove(rig, session("gone"))
    assert await rig.everything() == list(MIXED)
    assert rig.staged() == []


async def test_a_file_that_cannot_be_read_keeps_the_removal_open(rig: Rig) -> None:
    await rig.put(memory(1, session_id="gone"))
    damaged = rig.folder / rig.files()[0]
    damaged.write_bytes(b"PAR1" + bytes(2_000) + b"PAR1")
    with pytest.raises(StoreUnreachable, match="damaged"):
        await remove(rig, session("gone"))


async def test_hostile_names_mean_exactly_themselves(rig: Rig) -> None:
    for n, name in enumerate(["it's", "__STR_0__", "a\\", "x' OR '1'='1"]):
        await rig.put(memory(n, session_id=name), memory(100 + n, session_id="kept"))
        await until_gone(rig, session(name))
    assert {m.session_id for m in await rig.everything()} == {"kept"}


async def test_exclusions_and_single_memories_go_in_one_rewrite_and_are_counted_apart(rig: Rig) -> None:
    await rig.put(*MIXED, memory(HOUR, session_id="third"))
    both = Removal(
        Span(0, EVER),
        exclusions=(Exclusion(until=EVER, session_id="gone"), Exclusion(until=EVER, session_id="third")),
        graves=single(MIXED[0]).graves,
    )
    removed = await remove(rig, both)
    assert (removed.memories, removed.by_exclusion, removed.found) == (7, (5, 1), both.graves)
    again = await remove(rig, both)
    assert (again.memories, again.found, again.is_gone) == (0, (), False)
