"""Merging: what readers see meanwhile, what a crash leaves, and when files go."""

import asyncio
import json
import os
import sys
from pathlib import Path

import msgspec
import pytest

from core.adapters.events.choosing import Policy
from core.adapters.events.merge import MIN_GRACE, MergeResult
from core.adapters.events.rewriting import rewrite
from core.model.errors import LeaseLost, StoreUnreachable
from core.model.memory import MemoryFilter
from tests.contract.event_stores import ALWAYS, HOUR, OTHER, T0, memory, parcel
from tests.events.dying import DIED
from tests.events.rig import Died, Rig, query

NOTHING = MergeResult()
EIGHT = [memory(i, session_id=f"s{i % 3}") for i in range(8)]


async def fill(rig: Rig) -> None:
    for one in EIGHT:
        await rig.put(one)


async def test_eight_small_files_become_one(rig: Rig) -> None:
    await fill(rig)
    merger = rig.merger()
    assert await rig.step(merger) == MergeResult(merged=8, rows=8)
    assert await rig.everything() == EIGHT
    assert len(rig.files("**/*_merged_*.parquet")) == 1
    assert len(rig.files()) == 9
    assert await rig.step(merger, MIN_GRACE - 1) == NOTHING
    assert await rig.step(merger, 61) == MergeResult(removed=8)
    assert len(rig.files("**/*")) == len(["2026", "05", "28", "20", "file"])
    assert await rig.everything() == EIGHT
    assert await rig.step(merger, 1000) == NOTHING


async def test_nothing_is_nothing_to_do(rig: Rig) -> None:
    assert await rig.step(rig.merger()) == NOTHING


async def test_a_merged_file_is_sorted_by_session_and_time(rig: Rig) -> None:
    await fill(rig)
    await rig.step(rig.merger())
    [name] = rig.files("**/*_merged_*.parquet")
    rows = query(f"SELECT session_id, epoch_us(time) FROM '{rig.folder}/{name}'")
    assert list(rows) == sorted((m.session_id, m.time) for m in EIGHT)


async def test_a_reader_with_an_old_listing_still_finds_everything(rig: Rig) -> None:
    await fill(rig)
    other = rig.another_store()
    await other.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 99, None)
    merger = rig.merger()
    await rig.step(merger)
    assert await other.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 99, None) == EIGHT
    await rig.step(merger, 1)
    for path in rig.folder.glob("**/*.parquet"):
        if "_merged_" not in path.name:
            path.unlink()  # far too early: the listing is a second old
    assert await other.search(rig.binding, MemoryFilter(), ALWAYS, "asc", 99, None) == EIGHT


async def test_the_grace_is_longer_than_the_longest_query(rig: Rig) -> None:
    assert rig.merger().grace == 60
    rig.store.query_timeout = 100  # type: ignore[misc]
    assert rig.merger().grace == 200


async def test_repeats_collapse(rig: Rig) -> None:
    for one in EIGHT[:4]:
        await rig.put(one)
        await rig.put(one)
    assert await rig.step(rig.merger()) == MergeResult(merged=8, rows=4)
    assert await rig.everything() == EIGHT[:4]
    assert await rig.count() == 4


async def test_equal_identities_of_two_orgs_both_stay(rig: Rig) -> None:
    for i in range(4):
        await rig.put(memory(i))
        await rig.store.append(rig.binding, parcel([memory(i, org=OTHER)]))
    assert (await rig.step(rig.merger())).rows == 8


async def test_rows_without_a_key_collapse_by_their_content(rig: Rig) -> None:
    for i in range(8):
        one = memory(0, content="same" if i < 5 else f"other {i}")
        await rig.put(msgspec.structs.replace(one, dedup_key=""))
    assert await rig.step(rig.merger()) == MergeResult(merged=8, rows=4)
    assert await rig.count() == 4


async def test_a_closed_hour_then_a_closed_day_become_one_file(rig: Rig) -> None:
    memories = [memory(h * HOUR + i) for h in range(3) for i in range(2)]
    for one in memories:
        await rig.put(one)
    merger = rig.merger()
    assert await rig.step(merger) == NOTHING
    rig.clock.advance(4 * 3600)
    for _ in range(12):
        await rig.step(merger, 61)
    assert [len(Path(name).parts) for name in rig.files()] == [5, 5, 5]
    rig.clock.advance(24 * 3600)
    for _ in range(4):
        await rig.step(merger, 601)
    [name] = rig.files()
    assert Path(name).parent == Path("2026/05/28")
    assert rig.files("2026/05/28/*/") == []
    assert await rig.everything() == memories
    assert await rig.everything("desc") == memories[::-1]


async def test_late_events_join_their_day(rig: Rig) -> None:
    merger = rig.merger()
    await rig.put(memory(0), memory(HOUR))
    rig.clock.advance(48 * 3600)
    for _ in range(4):
        await rig.step(merger, 601)
    assert len(rig.files()) == 1
    await rig.put(memory(5))
    assert await rig.everything() == [memory(0), memory(5), memory(HOUR)]
    assert await rig.count() == 3
    assert await rig.step(merger, 1) == NOTHING
    for _ in range(3):
        await rig.step(merger, 601)
    assert len(rig.files()) == 1
    assert await rig.everything() == [memory(0), memory(5), memory(HOUR)]
    assert await rig.count() == 3


async def test_a_day_too_large_stays_in_hours(rig: Rig) -> None:
    merger = rig.merger(Policy(day_bytes=1000))
    await rig.put(memory(0), memory(HOUR))
    rig.clock.advance(48 * 3600)
    assert [await rig.step(merger, 601) for _ in range(3)] == [NOTHING] * 3


async def test_merging_goes_on_while_others_append(rig: Rig) -> None:
    merger, expected = rig.merger(), []
    for i in range(40):
        expected.append(memory(i))
        await rig.put(expected[-1])
        await rig.step(merger, 10)
        assert await rig.everything() == expected
    assert len(rig.files()) < 30


async def test_nothing_happens_to_files_once_the_lease_is_lost(rig: Rig) -> None:
    def lost() -> None:
        raise LeaseLost

    await fill(rig)
    before = rig.files("**/*")
    with pytest.raises(LeaseLost):
        await rig.step(rig.merger(still_mine=lost))
    assert rig.files("**/*") == before
    await rig.step(rig.merger())
    merger = rig.merger(still_mine=lost)
    assert await rig.step(merger) == NOTHING
    before = rig.files("**/*")
    with pytest.raises(LeaseLost):
        await rig.step(merger, 61)
    assert rig.files("**/*") == before
    assert await rig.everything() == EIGHT


async def test_a_merge_that_another_one_overtook_is_dropped(rig: Rig) -> None:
    await fill(rig)

    def overtake() -> None:
        for name in rig.files()[:1]:
            (rig.folder / name).unlink()

    assert await rig.step(rig.merger(still_mine=overtake)) == NOTHING
    assert rig.files("**/*_merged_*") == []
    assert rig.staged() == []


async def test_two_merges_of_the_same_files_lose_nothing(rig: Rig) -> None:
    await fill(rig)
    second = rig.merger()
    first_done: list[object] = []

    async def other_merges_meanwhile() -> None:
        if not first_done:
            first_done.append(await second.step(rig.binding, rig.clock.micros()))

    merger = rig.merger()
    merger._still_mine = other_merges_meanwhile
    await rig.step(merger)
    assert sorted(set(await rig.everything()), key=lambda m: m.identity) == EIGHT
    assert await rig.count() == 8
    rig.clock.advance(2 * 3600)
    for _ in range(6):
        await rig.step(merger, 61)
    assert await rig.everything() == EIGHT
    assert len(rig.files()) == 1


CHECKOUT = Path(__file__).resolve().parents[2]
POINTS = ["merge.written", "merge.listed", "merge.published", "merge.unlinking", "merge.unlinked"]


@pytest.mark.parametrize("point", ["staged", "renamed", *POINTS])
async def test_a_killed_process_loses_nothing_and_another_goes_on(rig: Rig, point: str) -> None:
    await fill(rig)
    what = "merge" if point in POINTS else "append"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.events.dying", str(rig.root), point, what,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
        cwd=CHECKOUT,
    )  # fmt: skip
    assert await process.wait() == DIED
    rig.store.partitions.forget(*rig.folder.glob("*/*/*/*"))
    found = await rig.everything()
    assert [m for m in found if m in EIGHT] == EIGHT
    assert await rig.count() == len(found)
    merger = rig.merger()
    rig.clock.advance(3 * 3600)
    for _ in range(20):
        await rig.step(merger, 100)
    assert await rig.everything() == found
    assert len(rig.files("**/*.replaces")) == 0
    assert len(rig.files()) == 1
    assert rig.staged() == []


async def test_a_list_whose_merged_file_never_came_is_swept(rig: Rig) -> None:
    await fill(rig)
    rig.probe.die_at("merge.listed")
    with pytest.raises(Died):
        await rig.step(rig.merger(probe=rig.probe))
    assert len(rig.files("**/*.replaces")) == 1
    assert await rig.everything() == EIGHT
    other = rig.merger(Policy(alike=99))
    await rig.step(other, 2)
    await rig.step(other, 61)
    assert rig.files("**/*.replaces") == []
    assert await rig.everything() == EIGHT


async def test_leftovers_of_crashed_writers_are_swept_after_a_while(rig: Rig) -> None:
    await rig.put(memory(0))
    (rig.root / ".staging" / "events_1.tmp").write_bytes(b"half")
    (rig.root / ".staging" / "folder").mkdir()
    merger = rig.merger()
    assert await rig.step(merger) == NOTHING
    assert await rig.step(merger, 899) == NOTHING
    assert await rig.step(merger, 2) == MergeResult(removed=1)
    assert [path.name for path in rig.staged()] == ["folder"]


async def test_files_with_foreign_columns_are_never_rewritten(rig: Rig) -> None:
    foreign = rig.write_foreign("2026/05/28/20", f"SELECT make_timestamptz({T0}) AS time, 'x' AS extra")
    merger = rig.merger()
    for one in EIGHT[:7]:
        await rig.put(one)
    rig.clock.advance(2 * 3600)
    for _ in range(5):
        await rig.step(merger, 61)
    assert foreign.exists()
    assert len(rig.files("2026/05/28/20/events_*.parquet")) == 1


async def test_a_damaged_file_is_left_where_it_is(rig: Rig) -> None:
    for one in EIGHT:
        await rig.put(one)
    damaged = rig.folder / rig.files()[0]
    damaged.write_bytes(b"PAR1" + bytes(2_000) + b"PAR1")
    rig.store.partitions.forget(damaged.parent)
    merger = rig.merger()
    rig.clock.advance(2 * 3600)
    for _ in range(5):
        await rig.step(merger, 61)
    assert damaged.exists()
    assert len(rig.files()) == 2


async def test_files_whose_merge_fails_let_others_go_first(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise StoreUnreachable("no space")

    await fill(rig)
    merger = rig.merger()
    monkeypatch.setattr("core.adapters.events.merge.rewrite", fail)
    with pytest.raises(StoreUnreachable):
        await rig.step(merger)
    assert rig.staged() == []
    monkeypatch.setattr("core.adapters.events.merge.rewrite", rewrite)
    assert await rig.step(merger, 599) == NOTHING
    assert (await rig.step(merger, 2)).merged == 8


async def test_a_merge_that_lost_rows_is_not_published(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(rig)
    monkeypatch.setattr("core.adapters.events.engine.Cursor.count", lambda *_: 3)
    with pytest.raises(StoreUnreachable, match="8 rows, 8 of them distinct, wrote 3"):
        await rig.step(rig.merger())
    assert await rig.everything() == EIGHT


@pytest.mark.parametrize("listed", [b"{}", b"not json", b'["../../../../../secret.parquet", 5]'])
async def test_a_list_that_is_none_of_ours_unlinks_nothing(rig: Rig, listed: bytes) -> None:
    await rig.put(memory(0))
    secret = rig.root / "secret.parquet"
    secret.write_bytes(b"mine")
    hour = rig.folder / "2026/05/28/20"
    [name] = [path.name for path in hour.iterdir()]
    (hour / f"{name}.replaces").write_bytes(listed)
    rig.store.partitions.forget(hour)
    merger = rig.merger()
    await rig.step(merger)
    await rig.step(merger, 61)
    assert secret.exists()
    assert await rig.everything() == [memory(0)]


async def test_the_list_names_its_sources_relative_to_itself(rig: Rig) -> None:
    await fill(rig)
    sources = [Path(name).name for name in rig.files()]
    await rig.step(rig.merger())
    [name] = rig.files("**/*.replaces")
    assert sorted(json.loads((rig.folder / name).read_bytes())) == sources


async def test_hours_after_the_twenty_third_are_no_hours(rig: Rig) -> None:
    await rig.put(memory(0))
    odd = rig.folder / "2026/05/28/77"
    odd.mkdir()
    (odd / "x.parquet").write_bytes(b"nothing")
    rig.store.partitions.forget(odd)
    rig.clock.advance(96 * 3600)
    merger = rig.merger()
    assert [await rig.step(merger, 601) for _ in range(3)] == [NOTHING] * 3


async def test_a_memory_is_counted_once_while_a_merge_is_unfinished(rig: Rig) -> None:
    await fill(rig)
    await rig.step(rig.merger())
    tally = await rig.store.tally(rig.binding, MemoryFilter(), ALWAYS, 0)
    assert tally.total == 8
