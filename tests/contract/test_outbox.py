"""The promises of `Queue`, `Outbox`, `Ledger`, `DeadLetters` and `Expiry` over one journal."""

from collections.abc import AsyncIterator

import pytest

from core.adapters.sqlite.leases import owner_name
from core.adapters.sqlite.ledger import SqliteLedger
from core.model.errors import LeaseLost
from core.model.memory import decode, parse_id
from core.ports import Backlog, Lease, Parcel
from tests.contract.journals import ACME, OTHER, WINDOW, Installation, Shop, Workshop, draft, named

MUCH = 1 << 30


@pytest.fixture
async def shop(installation: Installation) -> AsyncIterator[Shop]:
    async with installation.open() as opened:
        yield opened


async def written(shop: Shop, *contents: str, org: str = ACME) -> Parcel:
    """These memories, received by the queue as one parcel."""
    await shop.journal.append(org, [draft(c) for c in contents], None)  # type: ignore[arg-type]
    (parcel,) = await shop.queue.receive(10_000, MUCH)
    return parcel


async def test_the_queue_gives_each_org_its_own_parcel_in_time_order(shop: Shop) -> None:
    await shop.journal.append(ACME, [draft("a"), draft("b")], None)
    await shop.journal.append(OTHER, [draft("c")], None)
    await shop.journal.append(ACME, [draft("d")], None)
    parcels = {p.org_id: p for p in await shop.queue.receive(100, MUCH)}
    memories = [decode(line) for line in parcels[ACME].lines.split(b"\n")]
    assert [m.content for m in memories] == ["a", "b", "d"]
    assert parcels[ACME].times == tuple(m.time for m in memories)
    assert parcels[OTHER].count == 1
    assert await shop.queue.receive(100, MUCH) == []


async def test_the_queue_is_bounded_by_count_and_bytes_but_gives_one_at_least(shop: Shop) -> None:
    await shop.journal.append(ACME, [draft("x" * 500), draft("y" * 500), draft("z")], None)
    assert [p.count for p in await shop.queue.receive(10, 1)] == [1]
    assert [p.count for p in await shop.queue.receive(1, MUCH)] == [1]
    assert [p.count for p in await shop.queue.receive(10, MUCH)] == [1]


async def test_what_nobody_took_care_of_comes_by_the_queue_again(file_shop: Workshop) -> None:
    parcel = await written(file_shop, "lost on the way")
    file_shop.clock.advance(61)
    assert await file_shop.queue.receive(10, MUCH) == [parcel]
    assert await file_shop.queue.receive(10, MUCH) == []


async def test_a_closed_queue_owes_nothing_and_may_be_closed_again(file_shop: Workshop) -> None:
    parcel = await written(file_shop, "received")
    await file_shop.queue.close()
    await file_shop.queue.close()
    assert await file_shop.outbox.still_owed(ACME, parcel.times) == set(parcel.times)
    assert not file_shop.queue.is_shared


async def test_what_is_still_owed_is_neither_delivered_nor_dead_nor_gone_nor_anothers(shop: Shop) -> None:
    parcel = await written(shop, "a", "b", "c", "d")
    lease, (owed, delivered, dead, settled) = await shop.leased(), parcel.times
    lines = parcel.lines.split(b"\n")
    for n in (1, 3):
        await shop.outbox.delivered(Parcel(ACME, (parcel.times[n],), lines[n]), lease, 0)
    await shop.outbox.dead(ACME, [dead], "refused", lease)
    await shop.outbox.settled(ACME, [settled], lease)
    assert await shop.outbox.still_owed(ACME, [owed, delivered, dead, settled, 1]) == {owed}
    assert await shop.outbox.still_owed(OTHER, parcel.times) == set()


async def test_steps_of_a_delivery_need_no_lease_where_flushers_share_a_queue(shop: Shop) -> None:
    a, b, c = [await written(shop, content) for content in "abc"]
    await shop.leased()
    assert await shop.outbox.delivered(a, None, 0) == 1
    assert await shop.outbox.delivered(a, None, 0) == 0
    assert await shop.outbox.postpone(b, None, 5) == 1
    assert await shop.outbox.postpone(a, None, 5) == 0
    assert await shop.outbox.dead(ACME, c.times, "refused", None) == 1


async def test_without_the_lease_nothing_dies_that_a_store_has_taken(shop: Shop) -> None:
    parcel = await written(shop, "taken")
    await shop.outbox.delivered(parcel, None, 0)
    assert await shop.outbox.dead(ACME, parcel.times, "refused by a binding before", None) == 0
    assert await shop.letters.list_dead(ACME, 10) == []
    assert await shop.outbox.dead(ACME, parcel.times, "never shown", await shop.leased()) == 1


async def test_waiting_ends_when_something_arrived(shop: Shop) -> None:
    await shop.journal.append(ACME, [draft("here")], None)
    await shop.queue.wait(60)
    await shop.queue.receive(10, MUCH)
    await shop.queue.wait(0)


async def test_delivered_is_a_compare_and_set(shop: Shop) -> None:
    lease = await shop.leased()
    parcel = await written(shop, "a", "b")
    assert await shop.outbox.delivered(parcel, lease, 5) == 2
    assert await shop.outbox.delivered(parcel, lease, 6) == 0
    rows = await shop.outbox.delivered_rows(ACME, 10)
    assert [(r.time, r.dedup_key, r.rounds, r.delivered_at) for r in rows] == [
        (parcel.times[0], draft("a").dedup_key, 0, 5),
        (parcel.times[1], draft("b").dedup_key, 0, 5),
    ]
    assert await shop.ledger.orgs_delivered() == [ACME]


async def test_only_delivered_rows_settle_and_settling_frees_the_payload(shop: Shop) -> None:
    lease = await shop.leased()
    parcel = await written(shop, *[str(i) for i in range(shop.many)])
    assert await shop.outbox.settled(ACME, parcel.times, lease) == 0
    await shop.outbox.delivered(parcel, lease, 0)
    assert await shop.outbox.settled(ACME, parcel.times, lease) == shop.many
    assert await shop.outbox.settled(ACME, parcel.times, lease) == 0
    total = await shop.total()
    assert (total.owed, total.delivered, total.bytes, total.claims) == (0, 0, 0, shop.many)


async def test_postponed_rows_are_found_by_the_sweep_when_due_and_not_by_the_queue(shop: Shop) -> None:
    lease = await shop.leased()
    parcel = await written(shop, "a", "b")
    later = shop.clock.micros() + 100_000_000
    assert await shop.outbox.postpone(parcel, lease, later) == 2
    shop.clock.advance(99)
    now = shop.clock.micros()
    assert await shop.ledger.orgs_owing(now) == []
    assert await shop.outbox.due(ACME, now, 10, MUCH) is None
    assert await shop.queue.receive(10, MUCH) == []
    shop.clock.advance(1)
    now = shop.clock.micros()
    assert await shop.ledger.orgs_owing(now) == [ACME]
    assert await shop.outbox.due(ACME, now, 10, MUCH) == parcel
    assert await shop.outbox.due(OTHER, now, 10, MUCH) is None
    one = await shop.outbox.due(ACME, now, 10, 1)
    assert one is not None
    assert one.times == parcel.times[:1]


async def test_a_row_never_shown_is_owed_again_at_once_with_one_round_more(shop: Shop) -> None:
    lease = await shop.leased()
    parcel = await written(shop, "a")
    assert await shop.outbox.owed_again(ACME, parcel.times, lease) == 0
    await shop.outbox.delivered(parcel, lease, 0)
    assert await shop.outbox.owed_again(ACME, parcel.times, lease) == 1
    assert await shop.outbox.due(ACME, shop.clock.micros(), 10, MUCH) == parcel
    await shop.outbox.delivered(parcel, lease, 0)
    assert (await shop.outbox.delivered_rows(ACME, 10))[0].rounds == 1


async def test_a_dead_letter_stays_readable_and_keeps_its_claim_until_purged(shop: Shop) -> None:
    lease = await shop.leased()
    parcel = await written(shop, "poison")
    assert await shop.outbox.dead(ACME, parcel.times, "the store refuses it", lease) == 1
    assert await shop.outbox.dead(ACME, parcel.times, "again", lease) == 0
    assert await shop.contents() == ["poison"]
    assert (await shop.journal.append(ACME, [draft("poison")], None))[0].memory is None
    (letter,) = await shop.letters.list_dead(None, 10)
    assert (letter.memory.content, letter.reason) == ("poison", "the store refuses it")
    assert await shop.letters.find_dead(letter.memory.id) == letter
    assert await shop.letters.purge_dead(ACME, None) == 1
    assert await shop.contents() == []
    assert (await shop.journal.append(ACME, [draft("poison")], None))[0].memory
    total = await shop.total()
    assert (total.owed, total.dead, total.claims) == (1, 0, 1)


async def test_a_retried_dead_letter_is_owed_and_due(shop: Shop) -> None:
    lease = await shop.leased()
    parcel = await written(shop, "a", "b")
    await shop.outbox.delivered(parcel, lease, 0)
    await shop.outbox.dead(ACME, parcel.times, "never shown", lease)
    ids = [letter.memory.id for letter in await shop.letters.list_dead(ACME, 10)]
    assert await shop.letters.retry_dead(OTHER, ids) == 0
    assert await shop.letters.retry_dead(ACME, [ids[0], "mem_nonsense", "mem_" + "0" * 24]) == 1
    assert await shop.letters.retry_dead(None, None) == 1
    assert await shop.letters.list_dead(None, 10) == []
    assert await shop.outbox.due(ACME, shop.clock.micros(), 10, MUCH) == parcel


async def test_an_id_that_differs_in_its_key_part_names_no_dead_letter(shop: Shop) -> None:
    parcel = await written(shop, "a")
    await shop.outbox.dead(ACME, parcel.times, "x", await shop.leased())
    assert await shop.letters.find_dead(f"mem_{parcel.times[0]:014x}0000000000") is None
    assert await shop.letters.find_dead("a") is None


async def test_whoever_lost_the_lease_changes_nothing(shop: Shop) -> None:
    old = await shop.leased()
    parcel = await written(shop, "a")
    shop.clock.advance(11)
    new = await shop.leases.acquire("successor:0", 10)
    assert new is not None
    assert new.fence > old.fence
    with pytest.raises(LeaseLost):
        await shop.outbox.delivered(parcel, old, 0)
    with pytest.raises(LeaseLost):
        await shop.outbox.dead(ACME, parcel.times, "x", old)
    with pytest.raises(LeaseLost):
        await shop.leases.renew(old, 10)
    await shop.leases.release(old)
    assert await shop.leases.holder() == "successor:0"
    assert await shop.outbox.delivered(parcel, new, 0) == 1


async def test_a_live_lease_is_refused_and_a_released_one_is_taken(shop: Shop) -> None:
    lease = await shop.leased()
    assert await shop.leases.acquire("other:1", 10) is None
    await shop.leases.renew(lease, 100)
    shop.clock.advance(50)
    assert await shop.leases.acquire("other:1", 10) is None
    await shop.leases.release(lease)
    assert await shop.leases.holder() is None
    taken = await shop.leases.acquire("other:1", 10)
    assert taken is not None
    assert taken.fence > lease.fence
    again = await shop.leases.acquire("other:1", 10)
    assert again is not None
    assert again.fence == taken.fence + 1


async def test_a_lease_of_a_process_that_is_dead_is_free(file_shop: Workshop) -> None:
    host, _, pid = owner_name().rpartition(":")
    assert await file_shop.leases.acquire(f"{host}:{2**22 + 1}", 1_000)  # no such process can be
    assert await file_shop.leases.holder() is None
    mine = await file_shop.leases.acquire(f"{host}:{pid}", 10)
    assert mine is not None
    assert await file_shop.leases.acquire("other:1", 10) is None
    again = await file_shop.leases.acquire(f"{host}:{pid}", 10)
    assert again is not None
    assert again.fence == mine.fence + 1


async def test_backlogs_tell_each_orgs_state(shop: Shop) -> None:
    lease = await shop.leased()
    first = await written(shop, "a", "b", "c")
    await shop.outbox.delivered(Parcel(ACME, first.times[:1], b""), lease, 0)
    await shop.outbox.dead(ACME, first.times[1:2], "x", lease)
    await shop.journal.append(OTHER, [draft("z")], None)
    acme, other = await shop.ledger.backlogs()
    assert (acme.org_id, acme.owed, acme.delivered, acme.dead, acme.oldest) == (
        ACME,
        1,
        1,
        1,
        first.times[2],
    )
    assert (other.owed, other.claims) == (1, 1)
    total = await shop.total()
    assert (total.owed, total.delivered, total.dead, total.oldest) == (2, 1, 1, first.times[2])


async def test_one_orgs_backlog_is_that_of_the_list(shop: Shop) -> None:
    lease = await shop.leased()
    first = await written(shop, "a", "b", "c")
    await shop.outbox.delivered(Parcel(ACME, first.times[:1], b""), lease, 0)
    await shop.outbox.dead(ACME, first.times[1:2], "x", lease)
    await shop.journal.append(OTHER, [draft("z")], None)
    for backlog in await shop.ledger.backlogs():
        assert await shop.ledger.backlog(backlog.org_id) == backlog


async def test_an_org_that_never_wrote_has_an_empty_backlog(shop: Shop) -> None:
    assert await shop.ledger.backlog(ACME) == Backlog(ACME, 0, 0, 0, 0, 0, None)


async def test_the_oldest_owed_is_looked_for_among_so_many_rows_at_most(file_shop: Workshop) -> None:
    theirs = await written(file_shop, "a", "b", "c", org=OTHER)
    mine = await written(file_shop, "mine")
    ledger = SqliteLedger(file_shop.database, most_looked_at=2)
    assert (await ledger.backlog(ACME)).oldest == theirs.times[1]
    ledger = SqliteLedger(file_shop.database, most_looked_at=4)
    assert (await ledger.backlog(ACME)).oldest == mine.times[0]


async def walked(shop: Shop, lease: Lease, max_rows: int = 3) -> None:
    while not await shop.expiry.expire(shop.clock.micros() - WINDOW, lease, max_rows):
        pass


async def test_expiry_forgets_old_settled_claims_and_nothing_else(shop: Shop) -> None:
    lease = await shop.leased()
    parcel = await written(shop, *[str(i) for i in range(10)])
    await shop.outbox.delivered(parcel, lease, 0)
    await shop.outbox.settled(ACME, parcel.times[1:], lease)
    await shop.journal.append(ACME, [draft("named")], named("k"))
    shop.clock.advance(WINDOW / 1e6 + 1)
    await shop.journal.append(ACME, [draft("young")], named("k2"))
    await walked(shop, lease)
    total = await shop.total()
    assert total.claims == 3  # the unsettled first one, "named", "young"
    receipts = await shop.journal.append(ACME, [draft(str(i)) for i in range(10)], None)
    assert [r.memory is not None for r in receipts] == [False] + [True] * 9


async def test_expiry_forgets_old_requests(file_shop: Workshop) -> None:
    lease = await file_shop.leased()
    await file_shop.journal.append(ACME, [draft("named")], named("k"))
    file_shop.clock.advance(WINDOW / 1e6 + 1)
    await file_shop.journal.append(ACME, [draft("young")], named("k2"))
    await walked(file_shop, lease)
    count = await file_shop.database.read(lambda c: c.execute("SELECT count(*) FROM requests").fetchone()[0])
    assert count == 1


async def test_expiry_stops_when_the_lease_is_lost(shop: Shop) -> None:
    lease = await shop.leased()
    parcel = await written(shop, "a")
    await shop.outbox.delivered(parcel, lease, 0)
    await shop.outbox.settled(ACME, parcel.times, lease)
    assert (await shop.total()).claims == 1
    shop.clock.advance(WINDOW / 1e6 + 11)
    await shop.leases.acquire("successor:0", 10)
    with pytest.raises(LeaseLost):
        await walked(shop, lease)
    assert (await shop.ledger.total()).claims == 1


async def test_ids_of_receipts_lead_back_to_rows(shop: Shop) -> None:
    receipt = (await shop.journal.append(ACME, [draft("a")], None))[0]
    place = parse_id(receipt.id)
    (parcel,) = await shop.queue.receive(1, MUCH)
    assert place is not None
    assert parcel.times == (place[0],)
