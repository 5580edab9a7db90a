"""Settling on Arc, from the acknowledgement until Arc alone holds it: never missed, never shown twice."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.arc.faults import Fault, Kind
from tests.arc.site import ARCS, LIMITS, START, Open, Site, numbered, over_double
from tests.clock import ManualClock

TWO_HOURS = "time >= '2026-05-28T19:00:00Z' AND time < '2026-05-28T21:00:00Z'"
UNTIL_NIGHT = "time < '2026-05-29T00:00:00Z'"
_QUERY = "/api/v1/query/msgpack"
_WRITE = "/api/v1/write/msgpack"


@pytest.fixture
def clock() -> ManualClock:
    """Twenty seconds before an hour begins."""
    return ManualClock(START - 20_000_000)


@pytest.fixture
async def site(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Site]:
    async with over_double(tmp_path, clock) as made:
        yield made


@pytest.mark.parametrize("open_site", ARCS.values(), ids=ARCS)
async def test_what_is_written_is_read_in_every_way_before_and_after_it_settled(
    open_site: Open, tmp_path: Path, clock: ManualClock
) -> None:
    async with open_site(tmp_path, clock) as site:
        await site.write(*numbered("first", 20))
        await site.compare()
        await site.passes(2)
        await site.shows()
        await site.write(*numbered("second", 5))
        await site.compare()
        await site.passes(120)
        await site.shows()
        await site.compare()
        await site.passes(120)
        assert await site.mill.states() == (0, 0, 0)
        await site.compare()
        assert await site.stored() == (25, 25)


async def test_nothing_settles_before_arc_shows_it(site: Site) -> None:
    site.arc.faults.flushes = 1
    await site.write(*numbered("a", 5))
    await site.passes(100)
    assert sum(await site.mill.states()) == 5


async def test_an_hour_that_begins_while_others_read_it_is_hidden_from_nobody(site: Site) -> None:
    """A range over an hour that has files and one that has none is remembered by Arc for 30 and 60 s."""
    await site.write("old")
    await site.passes(10)  # shown, in the hour that ends
    for second in range(0, 160, 2):
        if second == 24:  # the list of files that Arc makes now is the last one without the new hour
            await site.write(*numbered("new", 3))
        if second <= 36:
            await site.ask(f"SELECT {second} FROM events WHERE {TWO_HOURS}")
        await site.passes(2, 2)
        assert await site.listed(until=START + 600_000_000, page=50) == site.expected("asc")
    assert await site.mill.states() == (0, 0, 0)
    await site.compare()


async def test_an_hour_that_is_filled_late_is_hidden_from_nobody(site: Site) -> None:
    """Readers may have asked for it before: Arc remembers folders for 30 s, and then statements for 60 s."""
    await site.write("before")
    await site.passes(140, 5)
    await site.write("late")
    site.arc.faults.flushes = 10_000
    await site.passes(3600, 60)
    await site.loses_once_more()
    await site.write("after")
    await site.passes(110, 5)
    assert await site.mill.states() == (0, 1, 0)  # the hour of "late" has no folder, and those around it have
    for turn in range(28):
        await site.ask(f"SELECT {turn} FROM events WHERE time >= '2026-05-28T19:00:00Z' AND {UNTIL_NIGHT}")
        for page in range(
            max(20, turn + 8), turn + 21, 3
        ):  # statements that were first asked up to a minute ago
            assert await site.listed(page=page) == site.expected("asc")
        await site.passes(5, 5)
    assert await site.mill.states() == (0, 0, 0)


@pytest.mark.parametrize("seconds", [0.0, 3.0, 30.0])
async def test_what_arc_lost_before_it_wrote_is_delivered_again(site: Site, seconds: float) -> None:
    await site.write(*numbered("kept", 4))
    await site.passes(8)
    await site.write(*numbered("lost", 4))
    await site.passes(3)
    assert await site.mill.states() == (0, 8, 0)
    await site.crashes(for_seconds=seconds)
    await site.compare()
    await site.passes(140)
    await site.compare()
    await site.passes(140)
    assert await site.mill.states() == (0, 0, 0)
    await site.compare()
    assert await site.stored() == (8, 8)


async def test_an_arc_killed_over_and_over_loses_nothing_for_good(site: Site) -> None:
    for turn in range(8):
        await site.write(*numbered(f"turn {turn}", 3))
        await site.passes(4 if turn % 3 else 9)
        await site.crashes()
        await site.passes(130, 10)
        await site.compare()
    await site.passes(300, 10)
    assert await site.mill.states() == (0, 0, 0)
    await site.compare()


async def test_an_arc_that_cannot_write_its_files_makes_no_dead_letters(site: Site) -> None:
    """It says 204 and loses all, for an hour: a full disk. No memory is at fault."""
    await site.write(*numbered("a", 5))
    site.arc.faults.flushes = 10_000
    await site.passes(3600, 30)
    owed, delivered, dead = await site.mill.states()
    assert (owed + delivered, dead) == (5, 0)
    await site.compare()
    site.arc.faults.flushes = 0
    await site.passes(400, 10)
    assert await site.mill.states() == (0, 0, 0)
    await site.compare()


async def test_a_replayed_log_shows_nothing_twice(tmp_path: Path, clock: ManualClock) -> None:
    async with over_double(tmp_path, clock, wal=True) as site:
        await site.write(*numbered("settled", 6))
        await site.passes(110)
        assert await site.mill.states() == (0, 0, 0)
        await site.write(*numbered("delivered", 3))
        await site.passes(2)
        await site.crashes()
        await site.passes(8)
        assert await site.stored() == (15, 9)
        await site.compare()
        await site.passes(120)
        assert await site.mill.states() == (0, 0, 0)
        await site.compare()


async def test_a_compaction_shows_nothing_twice_and_settles_nothing_wrongly(site: Site) -> None:
    for name in ("one", "two"):
        await site.write(*numbered(name, 3))
        await site.passes(8)
    await site.passes(100)
    await site.write(*numbered("three", 3))
    await site.passes(8)
    async with site.arc.compaction("memory", "events"):
        assert await site.stored() == (15, 9)
        await site.compare()
        await site.passes(100)
        await site.compare()
    assert await site.mill.states() == (0, 0, 0)
    assert await site.stored() == (9, 9)
    await site.compare()


async def test_a_folder_that_is_gone_hides_no_others(site: Site) -> None:
    """Arc remembers the folder for half a minute, and answers as if it had nothing at all."""
    await site.write(*numbered("old", 3))
    await site.passes(25)
    await site.write(*numbered("new", 3))
    await site.passes(110)
    assert await site.mill.states() == (0, 0, 0)
    await site.compare()
    await site.passes(1)
    predicate = {"database": "memory", "measurement": "events", "confirm": True}
    await site.post("/api/v1/delete", {**predicate, "where": "content LIKE 'new %'"})
    assert await site.listed() == numbered("old", 3)


@pytest.mark.parametrize("kind", ["reset_after", "done_twice", "slow_after", "truncated", "garbage"])
async def test_a_write_that_arc_took_and_did_not_own_up_to_shows_once(site: Site, kind: Kind) -> None:
    site.arc.faults.add(Fault(kind, path=_WRITE, times=2, seconds=0.0))
    await site.write(*numbered("a", 5))
    await site.passes(30)
    rows, memories = await site.stored()
    assert (rows > memories, memories) == (kind != "slow_after", 5)
    await site.compare()
    await site.passes(130)
    assert await site.mill.states() == (0, 0, 0)
    await site.compare()


@pytest.mark.parametrize("kind", ["reset", "truncated", "garbage", "status"])
async def test_answers_that_are_none_settle_nothing_and_lose_nothing(site: Site, kind: Kind) -> None:
    site.arc.faults.add(Fault(kind, path="/api/v1/query", times=-1))
    await site.write(*numbered("a", 5))
    await site.passes(400, 10)
    assert await site.mill.states() == (0, 5, 0)
    assert await site.newest(3) == numbered("a", 5)[:-4:-1]
    site.arc.faults.clear()
    await site.passes(200, 5)
    assert await site.mill.states() == (0, 0, 0)
    assert await site.stored() == (5, 5)
    await site.compare()


async def test_without_the_columnar_door_all_is_the_same(site: Site) -> None:
    site.arc.faults.add(Fault("status", path=_QUERY, status=404, times=-1))
    await site.write(*numbered("a", 20))
    await site.passes(8)
    await site.compare()
    await site.passes(110)
    assert await site.mill.states() == (0, 0, 0)
    await site.compare()


async def test_a_json_answer_that_was_cut_is_not_taken_for_whole(site: Site) -> None:
    site.arc.faults.add(Fault("status", path=_QUERY, status=404, times=-1))
    await site.write(*numbered("a", 20))
    await site.passes(110)
    assert await site.mill.states() == (0, 0, 0)
    site.arc.faults.add(Fault("cut_rows", path="/api/v1/query", rows=3))
    assert await site.listed(page=100) == numbered("a", 20)
    for rows in (0, 3):
        site.arc.faults.add(Fault("cut_rows", path="/api/v1/query", rows=rows, times=-1))
        assert not await site.reads()
        site.arc.faults.clear()
        site.arc.faults.add(Fault("status", path=_QUERY, status=404, times=-1))


async def test_an_arc_that_is_believed_is_asked_nothing_and_loses_what_it_lost(
    tmp_path: Path, clock: ManualClock
) -> None:
    """The price of `accepted`, as the documents say it."""
    async with over_double(tmp_path, clock, replace(LIMITS, confirm="accepted")) as site:
        site.arc.faults.add(Fault("status", path="/api/v1/query", times=-1))
        await site.write(*numbered("kept", 3))
        await site.passes(10)
        await site.write(*numbered("lost", 3))
        await site.passes(2)
        await site.crashes()
        await site.passes(140)
        assert await site.mill.states() == (0, 0, 0)
        site.arc.faults.clear()
        assert await site.listed() == numbered("kept", 3)
