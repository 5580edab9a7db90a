"""The promises of `Journal`: one winner, kept, read back at once, bounded."""

import asyncio
import errno
import fcntl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.adapters.sqlite.turns import Turns
from core.model.errors import (
    ClockStepped,
    DatabaseError,
    IdempotencyConflict,
    JournalFull,
    ShuttingDown,
    Unauthenticated,
)
from core.model.journal_limits import JournalLimits
from core.model.memory import MemoryFilter, OrgId, Span, parse_id
from core.model.tenant import Org
from core.model.timewindow import moment_of
from tests.clock import ManualClock
from tests.contract.journals import (
    ACME,
    ALWAYS,
    OTHER,
    WINDOW,
    Installation,
    Mode,
    Shop,
    Workshop,
    draft,
    named,
    workshop,
)


@pytest.fixture
async def shop(installation: Installation) -> AsyncIterator[Shop]:
    async with installation.open() as opened:
        yield opened


async def settle_all(shop: Shop, org: OrgId = ACME) -> list[int]:
    lease = await shop.leased()
    times: list[int] = []
    for parcel in await shop.queue.receive(10_000, 1 << 30):
        if parcel.org_id == org:
            await shop.outbox.delivered(parcel, lease, shop.clock.micros())
            await shop.outbox.settled(org, parcel.times, lease)
            times += parcel.times
    return times


async def test_receipts_come_in_order_with_ids_made_from_the_stamp(shop: Shop) -> None:
    receipts = await shop.journal.append(ACME, [draft("a"), draft("b")], None)
    memories = [r.memory for r in receipts]
    assert [m.content for m in memories if m] == ["a", "b"]
    assert [r.id for r in receipts] == [m.id for m in memories if m]


async def test_what_was_acknowledged_is_there_after_a_restart(installation: Installation) -> None:
    async with installation.open() as shop:
        await shop.journal.append(ACME, [draft("kept", session_id="s1")], None)
    async with installation.open() as shop:
        assert await shop.contents() == ["kept"]
        assert await shop.contents(session_id="s1") == ["kept"]


async def test_a_duplicate_is_told_the_id_that_won(shop: Shop) -> None:
    first = (await shop.journal.append(ACME, [draft("same")], None))[0]
    second = (await shop.journal.append(ACME, [draft("same")], None))[0]
    assert (second.id, second.memory) == (first.id, None)


async def test_of_many_concurrent_equal_writes_exactly_one_is_created(shop: Shop) -> None:
    answers = await asyncio.gather(*[shop.journal.append(ACME, [draft("same")], None) for _ in range(300)])
    created = [a[0] for a in answers if a[0].memory]
    assert len(created) == 1
    assert {a[0].id for a in answers} == {created[0].id}
    assert await shop.contents() == ["same"]


async def test_equal_memories_inside_one_request_are_collapsed(shop: Shop) -> None:
    receipts = await shop.journal.append(ACME, [draft("x"), draft("y"), draft("x")], None)
    assert [r.memory is not None for r in receipts] == [True, True, False]
    assert receipts[2].id == receipts[0].id


async def test_orgs_do_not_share_claims_or_tails(shop: Shop) -> None:
    await shop.journal.append(ACME, [draft("same")], None)
    receipt = (await shop.journal.append(OTHER, [draft("same")], None))[0]
    assert receipt.memory is not None
    assert receipt.memory.org_id == OTHER
    assert await shop.contents(ACME) == ["same"]
    assert await shop.contents(OTHER) == ["same"]


async def test_a_settled_claim_holds_for_the_window_and_then_expires(shop: Shop) -> None:
    await shop.journal.append(ACME, [draft("again")], None)
    await settle_all(shop)
    shop.clock.advance(WINDOW / 1e6 - 1)
    assert (await shop.journal.append(ACME, [draft("again")], None))[0].memory is None
    shop.clock.advance(2)
    assert (await shop.journal.append(ACME, [draft("again")], None))[0].memory is not None
    assert (await shop.total()).claims == 1


async def test_an_unsettled_claim_never_expires(shop: Shop) -> None:
    first = (await shop.journal.append(ACME, [draft("owed")], None))[0]
    shop.clock.advance(10 * WINDOW / 1e6)
    assert (await shop.journal.append(ACME, [draft("owed")], None))[0].id == first.id
    assert await shop.journal.claimed_at(ACME, draft("owed").dedup_key) is not None


async def test_a_repeated_request_is_answered_as_the_first_time(shop: Shop) -> None:
    await shop.journal.append(ACME, [draft("old")], None)
    batch = [draft("a"), draft("old"), draft("a"), draft("b")]
    first = await shop.journal.append(ACME, batch, named("k"))
    await settle_all(shop)
    assert await shop.journal.append(ACME, batch, named("k")) == first
    assert [r.memory is not None for r in first] == [True, False, False, True]


async def test_one_request_sent_twice_at_once_is_created_once(shop: Shop) -> None:
    answers = await asyncio.gather(*[shop.journal.append(ACME, [draft("a")], named("k")) for _ in range(9)])
    assert all(a == answers[0] and a[0].memory for a in answers)
    assert await shop.contents() == ["a"]


async def test_an_idempotency_key_with_another_body_is_a_conflict_within_the_window(shop: Shop) -> None:
    await shop.journal.append(ACME, [draft("a")], named("k", "one"))
    with pytest.raises(IdempotencyConflict):
        await shop.journal.append(ACME, [draft("b")], named("k", "two"))
    assert await shop.contents() == ["a"]
    await settle_all(shop)
    shop.clock.advance(WINDOW / 1e6 + 1)
    assert (await shop.journal.append(ACME, [draft("b")], named("k", "two")))[0].memory


async def test_a_key_used_again_after_the_window_is_another_request(shop: Shop) -> None:
    (first,) = await shop.journal.append(ACME, [draft("one", key="same")], named("k", "one"))
    shop.clock.advance(WINDOW / 1e6 + 1)
    (later,) = await shop.journal.append(ACME, [draft("two", key="same")], named("k", "two"))
    assert later.memory is None, "it was not stored: the first one still holds the dedup key"
    assert later.id == first.id


async def test_stamps_grow_strictly_even_when_the_clock_stands_still(shop: Shop) -> None:
    receipts = await shop.journal.append(ACME, [draft(str(i)) for i in range(50)], None)
    receipts += await shop.journal.append(OTHER, [draft("z")], None)
    times = [r.memory.time for r in receipts if r.memory]
    assert times == list(range(times[0], times[0] + 51))


async def test_a_clock_that_stepped_far_back_refuses_until_it_caught_up(
    tmp_path: Path, clock: ManualClock, mode: Mode
) -> None:
    with workshop(tmp_path / "m.db", clock, mode=mode) as shop:
        await shop.journal.append(ACME, [draft("a")], None)
    clock.step_wall(-5)
    with workshop(tmp_path / "m.db", clock, mode=mode) as shop:
        with pytest.raises(ClockStepped):
            await shop.journal.append(ACME, [draft("b")], None)
        clock.advance(4.5)
        assert (await shop.journal.append(ACME, [draft("b")], None))[0].memory
        assert await shop.contents() == ["a", "b"]


async def test_a_long_queue_that_is_refused_leaves_the_road_open(file_shop: Workshop) -> None:
    await file_shop.journal.append(ACME, [draft("a")], None)
    group = [draft(str(i)) for i in range(1_001)]
    await file_shop.database.lane.entered()
    waiting = [asyncio.create_task(file_shop.journal.append(ACME, group, None)) for _ in range(400)]
    await asyncio.sleep(0)
    file_shop.clock.step_wall(-5)
    file_shop.database.lane.leave()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, ClockStepped) for answer in answers)
    file_shop.clock.step_wall(5)
    assert (await file_shop.journal.append(ACME, [draft("b")], None))[0].memory


async def test_a_full_org_is_refused_whole_and_others_are_not(installation: Installation) -> None:
    async with installation.open(JournalLimits(memories_per_org=3)) as shop:
        await shop.journal.append(ACME, [draft("1"), draft("2")], None)
        with pytest.raises(JournalFull):
            await shop.journal.append(ACME, [draft("3"), draft("4")], None)
        assert await shop.contents() == ["1", "2"]
        assert (await shop.journal.append(OTHER, [draft("3")], None))[0].memory
        await shop.journal.append(ACME, [draft("3")], None)
        with pytest.raises(JournalFull):
            await shop.journal.append(ACME, [draft("4")], None)
        await settle_all(shop)
        assert (await shop.journal.append(ACME, [draft("4")], None))[0].memory


async def test_a_journal_that_is_full_in_all_refuses_everybody(
    tmp_path: Path, clock: ManualClock, mode: Mode
) -> None:
    with workshop(tmp_path / "m.db", clock, JournalLimits(memories=3), mode=mode) as shop:
        await shop.journal.append(ACME, [draft("1"), draft("2")], None)
        with pytest.raises(JournalFull, match="the journal is full"):
            await shop.journal.append(OTHER, [draft("5"), draft("6")], None)
        await settle_all(shop)
        assert (await shop.journal.append(OTHER, [draft("5"), draft("6")], None))[1].memory


async def test_bytes_and_claims_are_bounded_too(installation: Installation) -> None:
    async with installation.open(JournalLimits(bytes_per_org=500, claims_per_org=3)) as shop:
        await shop.journal.append(ACME, [draft("x" * 600)], None)
        with pytest.raises(JournalFull, match="behind"):
            await shop.journal.append(ACME, [draft("y")], None)
        await settle_all(shop)
        await shop.journal.append(ACME, [draft("y")], None)
        with pytest.raises(JournalFull, match="window"):
            await shop.journal.append(ACME, [draft("1"), draft("2")], None)


async def test_an_org_that_is_unknown_or_was_deleted_meanwhile_is_refused(shop: Shop) -> None:
    with pytest.raises(Unauthenticated):
        await shop.journal.append(OrgId("org_nobody"), [draft()], None)
    await shop.journal.append(OTHER, [draft()], None)
    await shop.orgs.delete_org(OTHER)
    shop.clock.advance(2)  # every process knows by then
    with pytest.raises(Unauthenticated):
        await shop.journal.append(OTHER, [draft("2")], None)
    assert (await shop.journal.append(ACME, [draft()], None))[0].memory


async def test_an_org_that_was_deleted_and_made_again_is_served(shop: Shop) -> None:
    await shop.journal.append(OTHER, [draft("gone")], None)
    orgs = shop.orgs
    await orgs.delete_org(OTHER)
    await orgs.create_org(Org(OTHER, "other", moment_of(shop.clock.micros())))
    shop.clock.advance(2)
    assert (await shop.journal.append(OTHER, [draft("new")], None))[0].memory
    assert await shop.contents(OTHER) == ["new"]


async def test_before_the_first_write_everything_is_the_stores_to_answer(shop: Shop) -> None:
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 10)
    assert (tail.memories, tail.settled_through) == ([], shop.clock.micros())


async def test_the_tail_says_how_far_the_store_must_be_asked(shop: Shop) -> None:
    receipts = await shop.journal.append(ACME, [draft("a"), draft("b")], None)
    first = receipts[0].memory
    assert first is not None
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 10)
    assert tail.settled_through == first.time - 1
    times = await settle_all(shop)
    await shop.journal.append(ACME, [draft("c")], None)
    tail = await shop.journal.tail(ACME, MemoryFilter(session_id="none"), ALWAYS, "desc", 10)
    assert (tail.memories, tail.settled_through) == ([], times[-1])


async def test_while_nothing_waits_the_store_may_be_asked_up_to_now(shop: Shop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    await settle_all(shop)
    shop.clock.advance(3600)
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 10)
    assert (tail.memories, tail.settled_through) == ([], shop.clock.micros())


async def test_the_tail_takes_the_wanted_end_and_the_half_open_span(shop: Shop) -> None:
    for i in range(20):
        shop.clock.advance(1)
        await shop.journal.append(ACME, [draft(str(i), session_id="s" if i % 2 else "")], None)
    start = shop.clock.micros() - 19_000_000
    newest = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 3)
    assert [m.content for m in newest.memories] == ["19", "18", "17"]
    oldest = await shop.journal.tail(ACME, MemoryFilter(session_id="s"), ALWAYS, "asc", 2)
    assert [m.content for m in oldest.memories] == ["1", "3"]
    span = Span(start + 2_000_000, start + 4_000_000)
    assert [m.content for m in (await shop.journal.tail(ACME, MemoryFilter(), span, "asc", 9)).memories] == [
        "2",
        "3",
    ]


async def test_a_claim_is_found_by_its_dedup_key(shop: Shop) -> None:
    receipt = (await shop.journal.append(ACME, [draft("a", key="mine")], None))[0]
    place = parse_id(receipt.id)
    assert place is not None
    assert await shop.journal.claimed_at(ACME, "mine") == place[0]
    assert await shop.journal.claimed_at(OTHER, "mine") is None
    await settle_all(shop)
    shop.clock.advance(WINDOW / 1e6 + 1)
    assert await shop.journal.claimed_at(ACME, "mine") is None


async def test_an_append_waits_its_turn_behind_another_process(file_shop: Workshop) -> None:
    other = Turns(file_shop.database.path.with_name(file_shop.database.path.name + ".turn"))
    other.take()
    append = asyncio.create_task(file_shop.journal.append(ACME, [draft("patient")], None))
    await asyncio.wait([append], timeout=0.05)
    assert not append.done()
    other.release()
    assert (await append)[0].memory
    other.close()


async def test_a_lock_that_the_kernel_refuses_stops_one_append_and_no_more(
    file_shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", refuse)
        with pytest.raises(DatabaseError):
            await asyncio.wait_for(file_shop.journal.append(ACME, [draft("refused")], None), 30)
        patch.undo()
        await asyncio.wait_for(file_shop.journal.append(ACME, [draft("kept")], None), 30)
    assert await file_shop.contents() == ["kept"]


async def test_a_group_that_breaks_is_not_the_fault_of_who_wrote_before(file_shop: Workshop) -> None:
    before = asyncio.create_task(file_shop.database.write(lambda c: c.execute("CREATE TABLE t (n)").rowcount))
    await asyncio.sleep(0)
    broken = asyncio.create_task(file_shop.journal.append(ACME, [draft("\ud800", key="k")], None))
    await asyncio.wait([before, broken])
    assert before.exception() is None
    assert isinstance(broken.exception(), UnicodeEncodeError)
    assert (await file_shop.journal.append(ACME, [draft("after")], None))[0].memory


async def test_a_caller_that_gives_up_does_not_stop_the_others(shop: Shop) -> None:
    impatient = asyncio.create_task(shop.journal.append(ACME, [draft("a")], None))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await shop.journal.append(ACME, [draft("b")], None))[0].memory
    assert "b" in await shop.contents()


async def test_nothing_is_kept_of_a_caller_that_gives_up_while_it_waits(file_shop: Workshop) -> None:
    first = asyncio.create_task(file_shop.journal.append(ACME, [draft("a")], None))
    await asyncio.sleep(0)  # its commit is under way: the next ones wait
    crowd = [asyncio.create_task(file_shop.journal.append(ACME, [draft(f"b{n}")], None)) for n in range(3)]
    await asyncio.sleep(0)
    for impatient in crowd[:2]:
        impatient.cancel()
    await asyncio.wait([first, *crowd])
    assert await file_shop.contents() == ["a", "b2"]


async def test_after_closing_appends_are_refused(installation: Installation) -> None:
    async with installation.open() as shop:
        shop.journal.close()
        with pytest.raises(ShuttingDown):
            await shop.journal.append(ACME, [draft()], None)
