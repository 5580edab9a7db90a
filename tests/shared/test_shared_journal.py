"""Several journals on one file, as several sandboxes have it open."""

import asyncio
import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.adapters.sqlite.rollback import journal_of
from core.adapters.sqlite.waiting_turns import WaitingTurns
from core.model.errors import ClockStepped, DatabaseError
from core.model.memory import Exclusion, claim_key
from core.ports import Parcel
from tests.clock import ManualClock
from tests.contract.journals import ACME, Workshop, draft, workshop
from tests.contract.test_forgotten_bytes import FOREVER, MARK, fill, found_in, settle


@pytest.fixture
def shops(tmp_path: Path, clock: ManualClock) -> Iterator[list[Workshop]]:
    with contextlib.ExitStack() as stack:
        path = tmp_path / "m.db"
        yield [stack.enter_context(workshop(path, clock, mode="sqlite-shared")) for _ in range(3)]


async def test_stamps_ascend_whoever_gives_them(shops: list[Workshop]) -> None:
    given = []
    for n in range(30):
        (receipt,) = await shops[n % 3].journal.append(ACME, [draft(str(n))], None)
        assert receipt.memory is not None
        given.append(receipt.memory.time)
    assert given == sorted(set(given))
    assert await shops[0].contents() == [str(n) for n in range(30)]


async def test_of_equal_writes_in_many_processes_one_is_created(shops: list[Workshop]) -> None:
    answers = await asyncio.gather(
        *(shops[n % 3].journal.append(ACME, [draft("same")], None) for n in range(30))
    )
    assert len({receipt.id for (receipt,) in answers}) == 1
    assert sum(receipt.memory is not None for (receipt,) in answers) == 1


async def test_a_process_whose_clock_is_behind_stamps_after_what_is_there_or_refuses(
    shops: list[Workshop], tmp_path: Path, clock: ManualClock
) -> None:
    ahead = ManualClock()
    ahead.step_wall(0.9)
    with workshop(tmp_path / "m.db", ahead, mode="sqlite-shared") as fast:
        (first,) = await fast.journal.append(ACME, [draft("ahead")], None)
        (second,) = await shops[0].journal.append(ACME, [draft("behind")], None)
        assert first.memory is not None
        assert second.memory is not None
        assert second.memory.time == first.memory.time + 1
        ahead.step_wall(0.2)
        await fast.journal.append(ACME, [draft("far ahead")], None)
        with pytest.raises(ClockStepped):
            await shops[0].journal.append(ACME, [draft("too far behind")], None)


async def test_what_was_settled_or_deleted_still_counts_for_the_next_stamp(shops: list[Workshop]) -> None:
    receipts = await shops[0].journal.append(ACME, [draft("settled"), draft("deleted")], None)
    one, two = (receipt.memory for receipt in receipts)
    assert one is not None
    assert two is not None
    await settle(shops[1], [one])
    await shops[1].deletions.bury(ACME, [(two.time, claim_key(two.dedup_key))])
    (third,) = await shops[2].journal.append(ACME, [draft("third")], None)
    assert third.memory is not None
    assert third.memory.time == two.time + 1


async def test_an_append_whose_turn_does_not_come_is_refused_with_nothing_stored(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.contract.journals.PATIENCE", 0.1)
    with workshop(tmp_path / "m.db", clock, mode="sqlite-shared") as shop:
        with contextlib.closing(WaitingTurns(tmp_path / "m.db.turn", 5)) as other, other.held():
            answers = await asyncio.gather(
                *(shop.journal.append(ACME, [draft(str(n))], None) for n in range(3)), return_exceptions=True
            )
        assert all(isinstance(answer, DatabaseError) and answer.retry_after == 1 for answer in answers)
        assert await shop.contents() == []
        assert (await shop.journal.append(ACME, [draft("0")], None))[0].memory


async def test_a_caller_that_gives_up_waits_for_the_end_of_what_it_began(shops: list[Workshop]) -> None:
    with contextlib.closing(WaitingTurns(shops[0].database.path.with_name("m.db.turn"), 5)) as other:
        other.take()
        append = asyncio.create_task(shops[0].journal.append(ACME, [draft("a")], None))
        await asyncio.sleep(0)
        append.cancel()
        await asyncio.wait([append], timeout=0.05)
        assert not append.done()
        other.release()
        with pytest.raises(asyncio.CancelledError):
            await append
    assert await shops[1].contents() == ["a"]


async def test_when_all_who_waited_gave_up_the_road_is_free(shops: list[Workshop]) -> None:
    shop = shops[0]
    await shop.database.lane.entered()
    append = asyncio.create_task(shop.journal.append(ACME, [draft("a")], None))
    await asyncio.sleep(0)
    append.cancel()
    await asyncio.sleep(0)
    shop.database.lane.leave()
    with pytest.raises(asyncio.CancelledError):
        await append
    assert (await shop.journal.append(ACME, [draft("b")], None))[0].memory
    assert await shop.contents() == ["b"]


async def test_a_restored_database_is_read_with_its_own_deletions(
    shops: list[Workshop], tmp_path: Path, clock: ManualClock
) -> None:
    with workshop(tmp_path / "old.db", clock, mode="sqlite-shared") as old:
        for shop in (old, shops[0]):
            await shop.journal.append(ACME, [draft("a", session_id="a"), draft("b", session_id="b")], None)
        await old.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="a"))
    await shops[0].deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="b"))
    assert await shops[0].contents() == ["a"]
    (tmp_path / "old.db").replace(tmp_path / "m.db")
    assert await shops[0].contents() == ["b"]


async def test_no_text_survives_its_deletion(shops: list[Workshop], tmp_path: Path) -> None:
    shop, rng = shops[0], random.Random(7)
    memories = await fill(shop, rng, 500)
    rng.shuffle(memories)
    await settle(shop, memories[:300])
    await shop.outbox.dead(ACME, [m.time for m in memories[300:320]], MARK, await shop.leased())
    assert set(found_in(tmp_path)) == {"m.db", "m.db-journal"}
    await shops[1].deletions.bury(ACME, [(m.time, claim_key(m.dedup_key)) for m in memories[310:400]])
    deletion = await shops[1].deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    await shops[2].deletions.erase(deletion)
    assert found_in(tmp_path) == {}
    assert journal_of(tmp_path / "m.db").exists()


async def test_a_deletion_is_done_also_where_its_journal_cannot_be_wiped(
    shops: list[Workshop], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no")

    await shops[0].journal.append(ACME, [draft("a", session_id="s")], None)
    with monkeypatch.context() as patch:
        patch.setattr("core.adapters.sqlite.shared.wipe_journal", refuse)
        await shops[0].deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    assert await shops[1].contents() == []


async def test_two_followers_of_the_journal_see_what_others_append(shops: list[Workshop]) -> None:
    await shops[0].journal.append(ACME, [draft("a")], None)
    parcels: list[Parcel] = []
    for shop in shops[1:]:
        await shop.queue.wait(5)
        parcels += await shop.queue.receive(10, 1 << 20)
    assert [parcel.count for parcel in parcels] == [1, 1]


async def test_an_org_beside_one_with_a_large_backlog_reads_its_own_rows_alone(
    shops: list[Workshop],
) -> None:
    shop = shops[0]
    for start in range(0, 4_000, 1_000):
        await shop.journal.append(ACME, [draft(str(start + n)) for n in range(1_000)], None)
    (receipt,) = await shop.journal.append("org_other", [draft("mine")], None)  # type: ignore[arg-type]
    assert receipt.memory is not None
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    def read(connection: object) -> list[tuple[bytes]]:
        connection.set_progress_handler(count, 100)  # type: ignore[attr-defined]
        try:
            return connection.execute(  # type: ignore[attr-defined, no-any-return]
                """SELECT payload FROM journal WHERE time >= 0 AND time < ? AND org_no =
                   (SELECT org_no FROM ledger WHERE org_id = 'org_other') ORDER BY time""",
                (2**62,),
            ).fetchall()
        finally:
            connection.set_progress_handler(None, 0)  # type: ignore[attr-defined]

    assert len(await shop.database.read(read)) == 1
    assert steps < 5
