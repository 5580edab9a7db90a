"""The promises of `Deletions`, and of the journal beside it: the deleted is nowhere, the rest untouched."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator

import pytest

from core.adapters.sqlite.graves import GraveBook
from core.adapters.sqlite.journal_reader import SqliteJournalReader
from core.model.deletion import Deletion, Grave
from core.model.errors import ClockStepped, NotFound, TooManyDeletions
from core.model.memory import Exclusion, Memory, MemoryFilter, OrgId, claim_key
from core.ports import Lease, Parcel, TailRow
from tests.clock import ManualClock
from tests.contract.journals import (
    ACME,
    ALWAYS,
    OTHER,
    WINDOW,
    Installation,
    Shop,
    Workshop,
    draft,
    named,
)

NOWHERE = OrgId("org_nowhere")
FOREVER = 2**62


@pytest.fixture
async def shop(installation: Installation) -> AsyncIterator[Shop]:
    async with installation.open() as opened:
        yield opened


@pytest.fixture
async def command(installation: Installation, shop: Shop) -> AsyncIterator[Shop]:
    """Another process at the same journal."""
    async with installation.open() as opened:
        yield opened


async def wrote(shop: Shop, content: str, org: OrgId = ACME, **fields: object) -> Memory:
    (receipt,) = await shop.journal.append(org, [draft(content, **fields)], None)  # type: ignore[arg-type]
    assert receipt.memory is not None
    return receipt.memory


async def settled(shop: Shop, memory: Memory, lease: Lease) -> Memory:
    org_id = OrgId(memory.org_id)
    await shop.outbox.delivered(Parcel(org_id, (memory.time,), b""), lease, 0)
    assert await shop.outbox.settled(org_id, [memory.time], lease) == 1
    return memory


def grave_of(memory: Memory) -> Grave:
    return memory.time, claim_key(memory.dedup_key)


async def buried(shop: Shop, memory: Memory) -> Deletion:
    (deletion,) = await shop.deletions.bury(ACME, [grave_of(memory)])
    return deletion


async def counts(shop: Shop) -> tuple[int, int, int]:
    """Rows and bytes as the ledger has them, and claims; checked against what is there."""
    total, found = await shop.total(), await shop.held()
    assert (total.owed + total.delivered + total.dead, total.bytes, total.claims) == found
    return found


async def test_a_buried_memory_is_gone_from_the_journal_at_once(shop: Shop) -> None:
    doomed, kept = await wrote(shop, "doomed"), await wrote(shop, "kept")
    deletion = await buried(shop, doomed)
    assert (deletion.state, deletion.from_journal, deletion.grave) == ("pending", 1, grave_of(doomed))
    assert await shop.contents() == ["kept"]
    assert (await counts(shop))[0] == 1
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 10)
    assert tail.graves.hides(doomed)
    assert not tail.graves.hides(kept)


async def test_an_id_that_collides_in_time_alone_buries_nothing_else(shop: Shop) -> None:
    memory = await wrote(shop, "innocent")
    (deletion,) = await shop.deletions.bury(ACME, [(memory.time, claim_key("another key"))])
    assert deletion.from_journal == 0
    assert await shop.contents() == ["innocent"]


async def test_a_grave_of_one_org_hides_nothing_of_another(shop: Shop) -> None:
    memory = await wrote(shop, "theirs", org=OTHER)
    await buried(shop, memory)
    assert await shop.contents(OTHER) == ["theirs"]
    tail = await shop.journal.tail(OTHER, MemoryFilter(), ALWAYS, "desc", 10)
    assert not tail.graves


async def test_burying_again_answers_the_same_deletion(shop: Shop) -> None:
    memory = await wrote(shop, "once")
    first = await buried(shop, memory)
    assert await buried(shop, memory) == first
    assert len(await shop.deletions.list_deletions(ACME, 10)) == 1


async def test_burying_what_was_closed_puts_it_in_force_again(shop: Shop) -> None:
    memory = await wrote(shop, "back again")
    first, lease = await buried(shop, memory), await shop.leased()
    await shop.undertaker.progress(first, lease, state="closed", from_store=1, due_at=None, reason="")
    assert not (await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 1)).graves
    again = await buried(shop, memory)
    assert (again.id, again.state, again.due_at) == (first.id, "pending", shop.clock.micros())
    assert (await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 1)).graves.hides(memory)


async def test_an_equal_memory_may_be_written_after_a_deletion(shop: Shop) -> None:
    lease = await shop.leased()
    doomed = await wrote(shop, "again")
    gone = await settled(shop, await wrote(shop, "and again"), lease)
    await shop.deletions.bury(ACME, [grave_of(doomed), grave_of(gone)])
    assert await shop.journal.claimed_at(ACME, doomed.dedup_key) is None
    fresh = await wrote(shop, "again"), await wrote(shop, "and again")
    assert await shop.contents() == ["again", "and again"]
    assert [m.time for m in fresh] > [doomed.time, gone.time]
    receipts = await shop.journal.append(ACME, [draft("again")], None)
    assert receipts[0].memory is None
    await counts(shop)


async def test_a_retried_append_does_not_bring_back_what_was_deleted(shop: Shop) -> None:
    drafts = [draft("a"), draft("b")]
    first = await shop.journal.append(ACME, drafts, named("k"))
    assert first[0].memory is not None
    await buried(shop, first[0].memory)
    retried = await shop.journal.append(ACME, drafts, named("k"))
    assert retried == first
    assert await shop.contents() == ["b"]
    await counts(shop)


async def test_a_retried_append_that_was_a_duplicate_stays_one_when_the_winner_is_deleted(
    shop: Shop,
) -> None:
    winner = await wrote(shop, "same")
    first = await shop.journal.append(ACME, [draft("same")], named("k"))
    assert first[0].memory is None
    await buried(shop, winner)
    assert await shop.journal.append(ACME, [draft("same")], named("k")) == first
    assert await shop.contents() == []
    assert (await wrote(shop, "same")).time > winner.time  # a new request is a new memory


async def test_a_retry_of_what_an_exclusion_covers_stores_nothing(shop: Shop) -> None:
    lease = await shop.leased()
    first = await shop.journal.append(ACME, [draft("x", session_id="s")], named("k"))
    assert first[0].memory is not None
    await settled(shop, first[0].memory, lease)
    await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    assert await shop.journal.append(ACME, [draft("x", session_id="s")], named("k")) == first
    assert await shop.contents() == []


async def test_an_equal_memory_is_stored_while_nobody_knows_whether_the_settled_one_was_covered(
    shop: Shop,
) -> None:
    lease = await shop.leased()
    await settled(shop, await wrote(shop, "x", session_id="s"), lease)
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    assert (await wrote(shop, "x", session_id="t")).session_id == "t"
    await settled(shop, await wrote(shop, "y", session_id="t"), lease)
    await shop.undertaker.progress(deletion, lease, state="removed", from_store=1, due_at=1, reason="")
    receipts = await shop.journal.append(ACME, [draft("y", session_id="t")], None)
    assert receipts[0].memory is None


async def test_a_claim_held_by_an_unsettled_memory_that_is_not_covered_still_holds(shop: Shop) -> None:
    await wrote(shop, "x", session_id="t")
    await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    receipts = await shop.journal.append(ACME, [draft("x", session_id="s")], None)
    assert receipts[0].memory is None


async def test_a_covered_memory_gives_up_its_claim_before_it_is_erased(shop: Shop) -> None:
    old = await wrote(shop, "x", session_id="s")
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    fresh = await wrote(shop, "x", session_id="s")
    assert await shop.contents() == ["x"]
    await shop.deletions.erase(deletion)
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 9)
    assert tail.memories == [fresh]
    assert fresh.time > old.time
    assert await shop.journal.claimed_at(ACME, fresh.dedup_key) == fresh.time
    await counts(shop)


@pytest.mark.parametrize(
    ("exclusion", "left"),
    [
        (Exclusion(until=FOREVER, session_id="s"), ["a", "c"]),
        (Exclusion(until=FOREVER, agent_ids=("one", "two")), ["c"]),
        (Exclusion(until=FOREVER, agent_ids=("two",)), ["a", "c"]),
        (Exclusion(until=FOREVER, session_id="s", agent_ids=("one",)), ["a", "b", "c"]),
        (Exclusion(until=FOREVER), []),
        (Exclusion(until=0), ["a", "b", "c"]),
    ],
)
async def test_an_exclusion_hides_what_it_covers_and_erasing_takes_it_out(
    shop: Shop, exclusion: Exclusion, left: list[str]
) -> None:
    await wrote(shop, "a", agent_id="one")
    await wrote(shop, "b", agent_id="two", session_id="s")
    await wrote(shop, "c", agent_id="three", session_id="t")
    await wrote(shop, "other", org=OTHER, session_id="s", agent_id="one")
    deletion = await shop.deletions.exclude(ACME, exclusion)
    assert await shop.contents() == left
    assert (await counts(shop))[0] == 4
    erased = await shop.deletions.erase(deletion)
    assert erased.from_journal == 3 - len(left)
    assert (await counts(shop))[0] == 1 + len(left)
    assert await shop.contents() == left
    assert await shop.contents(OTHER) == ["other"]
    assert await shop.deletions.erase(deletion) == erased


async def test_what_is_written_after_an_exclusion_stays(shop: Shop) -> None:
    await wrote(shop, "old", session_id="s")
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    assert deletion.exclusion is not None
    assert deletion.exclusion.until < FOREVER
    await wrote(shop, "new", session_id="s")
    await shop.deletions.erase(deletion)
    assert await shop.contents(session_id="s") == ["new"]


async def test_the_index_of_the_tail_finds_nothing_deleted_by_another_process(
    shop: Shop, command: Shop
) -> None:
    server = shop
    doomed = await wrote(server, "doomed", session_id="s", agent_id="a")
    await wrote(server, "covered", session_id="t", agent_id="a")
    kept = await wrote(server, "kept", agent_id="a")
    await command.deletions.bury(ACME, [grave_of(doomed)])
    await command.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="t"))
    for filter in (MemoryFilter(), MemoryFilter(agent_ids=("a",)), MemoryFilter(event_types=("general",))):
        tail = await server.journal.tail(ACME, filter, ALWAYS, "desc", 10)
        assert tail.memories == [kept]
        rows = await server.journal.tail_rows(ACME, filter)
        assert rows.rows == [TailRow(kept.time, kept.dedup_key, "episodic", "general")]
        assert rows.graves == tail.graves
    assert await server.contents(session_id="t") == []


async def test_a_page_of_the_tail_is_as_long_as_there_are_visible_memories(shop: Shop) -> None:
    memories = [await wrote(shop, str(n), session_id="s" if n % 2 else "") for n in range(20)]
    await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    await shop.deletions.bury(ACME, [grave_of(memories[18])])
    for filter in (MemoryFilter(), MemoryFilter(memory_types=("episodic",))):
        tail = await shop.journal.tail(ACME, filter, ALWAYS, "desc", 5)
        assert [m.content for m in tail.memories] == ["16", "14", "12", "10", "8"]


async def test_a_reader_without_an_index_sees_the_same(file_shop: Workshop) -> None:
    shop = file_shop
    reader = SqliteJournalReader(shop.database, clock=shop.clock, window=WINDOW, book=GraveBook())
    assert await reader.tail(ACME, MemoryFilter(), ALWAYS, "asc", 9) == await shop.journal.tail(
        ACME, MemoryFilter(), ALWAYS, "asc", 9
    )
    doomed = await wrote(shop, "doomed", session_id="s")
    kept = await wrote(shop, "kept", session_id="s")
    await buried(shop, doomed)
    for filter in (MemoryFilter(), MemoryFilter(session_id="s"), MemoryFilter(session_id="t")):
        mine = await reader.tail(ACME, filter, ALWAYS, "asc", 9)
        assert mine == await shop.journal.tail(ACME, filter, ALWAYS, "asc", 9)
        assert await reader.tail_rows(ACME, filter) == await shop.journal.tail_rows(ACME, filter)
    assert await reader.claimed_at(ACME, kept.dedup_key) == kept.time
    assert await reader.claimed_at(ACME, doomed.dedup_key) is None


async def test_steps_of_the_flusher_on_deleted_rows_do_nothing(shop: Shop) -> None:
    lease = await shop.leased()
    doomed, kept = await wrote(shop, "doomed"), await wrote(shop, "kept")
    (parcel,) = await shop.queue.receive(10, 1 << 20)
    await buried(shop, doomed)
    assert await shop.outbox.postpone(parcel, lease, 0) == 1
    assert await shop.outbox.delivered(parcel, lease, 0) == 1
    assert [row.time for row in await shop.outbox.delivered_rows(ACME, 10)] == [kept.time]
    assert await shop.outbox.dead(ACME, [doomed.time], "why", lease) == 0
    assert await shop.outbox.owed_again(ACME, [doomed.time], lease) == 0
    assert await shop.outbox.settled(ACME, parcel.times, lease) == 1
    assert await shop.letters.list_dead(None, 10) == []
    assert (await counts(shop))[:2] == (0, 0)


async def test_all_that_is_settled_stays_readable_when_the_newest_row_was_deleted(shop: Shop) -> None:
    lease = await shop.leased()
    first, newest = await wrote(shop, "first"), await wrote(shop, "newest")
    await buried(shop, newest)
    await settled(shop, first, lease)
    waiting = await wrote(shop, "waiting")
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 9)
    assert tail.memories == [waiting]
    assert tail.settled_through == first.time


async def test_dead_letters_go_with_their_memory(shop: Shop) -> None:
    lease = await shop.leased()
    memory = await wrote(shop, "poison", session_id="s")
    await shop.outbox.dead(ACME, [memory.time], "refused", lease)
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    await shop.deletions.erase(deletion)
    assert await shop.letters.list_dead(None, 10) == []
    assert (await counts(shop))[0] == 0


async def test_no_stamp_is_given_twice_after_the_newest_memory_was_deleted(
    installation: Installation,
) -> None:
    async with installation.open() as shop:
        memories = [await wrote(shop, str(n)) for n in range(5)]  # the clock stands: stamps run ahead of it
        await shop.deletions.bury(ACME, [grave_of(m) for m in memories])
    async with installation.open() as shop:
        assert (await wrote(shop, "0")).time > memories[-1].time
        assert await shop.contents() == ["0"]


async def test_a_clock_set_back_cannot_hide_what_is_written_after_an_exclusion(
    shop: Shop, command: Shop, clock: ManualClock
) -> None:
    server = shop
    await wrote(server, "before")
    clock.advance(60)
    await command.deletions.exclude(ACME, Exclusion(until=FOREVER))
    clock.advance(-30)
    with pytest.raises(ClockStepped):
        await wrote(server, "hidden at birth")
    await wrote(server, "elsewhere", org=OTHER)
    clock.advance(30)
    await wrote(server, "after")
    assert await server.contents() == ["after"]


async def test_an_org_that_never_wrote_can_delete(shop: Shop) -> None:
    shop.clock.advance(5)
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, agent_ids=("a",)))
    assert deletion.exclusion == Exclusion(until=shop.clock.micros(), agent_ids=("a",))
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 1)
    assert tail.graves.exclusions == (deletion.exclusion,)
    assert tail.settled_through == shop.clock.micros()
    assert (await wrote(shop, "new", agent_id="a")).time == shop.clock.micros()
    assert await shop.contents() == ["new"]


async def test_an_unknown_org_deletes_nothing(shop: Shop) -> None:
    with pytest.raises(NotFound):
        await shop.deletions.bury(NOWHERE, [(1, b"k" * 16)])
    with pytest.raises(NotFound):
        await shop.deletions.exclude(NOWHERE, Exclusion(until=1))
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=1))
    assert await shop.deletions.find_deletion(OTHER, deletion.id) is None
    assert await shop.deletions.find_deletion(ACME, "del_none") is None


async def test_an_exclusion_of_the_same_scope_extends_the_open_one(shop: Shop) -> None:
    scope = Exclusion(until=FOREVER, agent_ids=("a", "b"))
    first = await shop.deletions.exclude(ACME, scope)
    shop.clock.advance(1)
    await wrote(shop, "later", agent_id="b")
    again = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, agent_ids=("b", "a")))
    assert again.id == first.id
    assert again.exclusion is not None
    assert first.exclusion is not None
    assert again.exclusion.until > first.exclusion.until
    assert await shop.contents() == []
    assert await shop.deletions.exclude(ACME, Exclusion(until=5, agent_ids=("a", "b"))) == again
    other = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, agent_ids=("a",)))
    assert other.id != first.id


async def test_a_deletion_is_found_by_its_id_alone_by_whoever_may_see_all(shop: Shop) -> None:
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=1, session_id="s"))
    assert await shop.deletions.find_deletion(None, deletion.id) == deletion
    assert await shop.deletions.find_deletion(None, "del_none") is None


async def test_open_deletions_are_bounded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for limits in ("sqlite", "dynamodb"):
        monkeypatch.setattr(f"core.adapters.{limits}.deletions.MOST_EXCLUSIONS", 2)
        monkeypatch.setattr(f"core.adapters.{limits}.deletions.MOST_GRAVES", 1)
    memory = await wrote(shop, "kept after all")
    for session in ("s", "t"):
        await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id=session))
    with pytest.raises(TooManyDeletions):
        await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="u"))
    await shop.deletions.bury(ACME, [(1, b"k" * 16)])
    with pytest.raises(TooManyDeletions):
        await shop.deletions.bury(ACME, [grave_of(memory)])
    assert await shop.contents() == ["kept after all"]
    await shop.deletions.exclude(OTHER, Exclusion(until=FOREVER))


async def test_many_sessions_are_deleted_one_after_another(shop: Shop) -> None:
    kept = [await wrote(shop, f"in {n}", session_id=f"s{n}") for n in range(70)][-1]
    for n in range(69):
        await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id=f"s{n}"))
    assert await shop.contents() == [kept.content]


async def test_the_newest_deletions_are_listed_first(shop: Shop) -> None:
    first = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    shop.clock.advance(1)
    second = await shop.deletions.exclude(OTHER, Exclusion(until=FOREVER))
    assert await shop.deletions.list_deletions(None, 9) == [second, first]
    assert await shop.deletions.list_deletions(ACME, 9) == [first]
    assert await shop.deletions.list_deletions(None, 1) == [second]


async def test_free_claims_stay_known_until_the_window_is_over(file_shop: Workshop) -> None:
    shop = file_shop
    lease = await shop.leased()
    await buried(shop, await wrote(shop, "x"))
    assert (await counts(shop))[2] == 1
    assert await shop.expiry.expire(shop.clock.micros() - WINDOW, lease, 10)
    assert (await counts(shop))[2] == 1
    shop.clock.advance(25 * 3600)
    assert await shop.expiry.expire(shop.clock.micros() - WINDOW, lease, 10)
    assert (await counts(shop))[2] == 0


async def test_erasing_goes_on_over_more_rows_than_one_look_takes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.sqlite.erasing.LOOKED_AT", 3)
    monkeypatch.setattr("core.adapters.dynamodb.erasing._AT_ONCE", 4)
    for n in range(10):
        await wrote(shop, str(n), session_id="s" if n % 3 else "t")
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    assert (await shop.deletions.erase(deletion)).from_journal == 6
    assert await shop.contents() == ["0", "3", "6", "9"]


async def test_a_restored_row_is_erased_by_its_grave(file_shop: Workshop) -> None:
    shop = file_shop
    memory = await wrote(shop, "out of a backup")
    line = await shop.database.read(
        lambda c: c.execute("SELECT time, org_no, due_at, payload FROM journal").fetchone()
    )
    deletion = await buried(shop, memory)

    def restore(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO journal (time, org_no, due_at, payload) VALUES (?, ?, ?, ?)", line)
        connection.execute("UPDATE claims SET time = abs(time)")
        connection.execute("UPDATE ledger SET rows = rows + 1, bytes = bytes + ?", (len(line[3]),))

    await shop.database.write(restore)
    assert await shop.contents() == []
    assert (await wrote(shop, "out of a backup")).time > memory.time
    assert (await shop.deletions.erase(deletion)).from_journal == 2
    assert await shop.contents() == ["out of a backup"]
    await counts(shop)


async def test_erasing_for_an_org_that_was_deleted_meanwhile_does_nothing(file_shop: Workshop) -> None:
    shop = file_shop
    deletion = await buried(shop, await wrote(shop, "x"))
    await shop.database.write(lambda c: c.execute("DELETE FROM ledger WHERE org_id = ?", (ACME,)).rowcount)
    assert await shop.deletions.erase(deletion) == deletion


async def test_deletions_beside_appends_cover_what_was_acknowledged_before_and_nothing_after(
    shop: Shop, command: Shop
) -> None:
    doomed: set[int] = set()
    fresh: set[int] = set()

    async def write(n: int, into: set[int]) -> None:
        into.add((await wrote(shop, f"{len(into)} {n}", session_id="s")).time)

    for turn in range(20 if shop.many > 1_000 else 5):
        shop.clock.advance(0.001)
        await asyncio.gather(*(write(turn * 100 + n, doomed) for n in range(10)))
        under_way = asyncio.gather(*(write(turn * 100 + n, set()) for n in range(10, 20)))
        deletion = await command.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
        await under_way
        fresh = set()
        await asyncio.gather(*(write(turn * 100 + n, fresh) for n in range(20, 30)))
        await command.deletions.erase(deletion)
        tail = await shop.journal.tail(ACME, MemoryFilter(session_id="s"), ALWAYS, "asc", 1_000)
        seen = {memory.time for memory in tail.memories}
        assert fresh <= seen
        assert not doomed & seen
        doomed |= fresh
    await counts(shop)


async def test_a_restored_claim_is_freed_by_its_grave(file_shop: Workshop) -> None:
    shop = file_shop
    lease = await shop.leased()
    memory = await settled(shop, await wrote(shop, "x"), lease)
    deletion = await buried(shop, memory)
    await shop.database.write(lambda c: c.execute("UPDATE claims SET time = abs(time)").rowcount)
    assert await shop.journal.claimed_at(ACME, memory.dedup_key) == memory.time
    await shop.deletions.erase(deletion)
    assert await shop.journal.claimed_at(ACME, memory.dedup_key) is None


async def test_two_that_erase_the_same_count_every_memory_once(shop: Shop, command: Shop) -> None:
    for n in range(30):
        await wrote(shop, str(n), session_id="s")
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    await asyncio.gather(*(one.deletions.erase(deletion) for one in (shop, command, shop)))
    found = await shop.deletions.find_deletion(ACME, deletion.id)
    assert found is not None
    assert found.from_journal == 30
    await counts(shop)


async def test_what_is_known_of_many_orgs_is_bounded_and_read_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.sqlite.graves._KNOWN_ORGS", 1)
    monkeypatch.setattr("core.adapters.dynamodb.journal.graves._KNOWN_ORGS", 1)
    for org in (ACME, OTHER):
        await wrote(shop, "gone", org=org)
        await shop.deletions.exclude(org, Exclusion(until=FOREVER))
    for org in (ACME, OTHER, ACME, OTHER):
        assert await shop.contents(org) == []
