"""The flusher's steps when they are broken off, carried out twice, or overtaken by a new owner."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.adapters.aws.api import AwsError
from core.adapters.dynamodb.journal.standing import read_standing
from core.adapters.dynamodb.keys import binding_key, claim_key_of, move_key, row_key
from core.adapters.dynamodb.statements import Put, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import LeaseLost, MetadataBusy
from core.model.memory import MemoryFilter, OrgId, claim_key
from core.ports import Lease, Parcel
from tests.contract.journals import ACME, ALWAYS, WINDOW, draft
from tests.dynamodb.scripted import NO_ANSWER, THROTTLED, ScriptedAws, always
from tests.dynamodb.shops import SHARDS, TableShop, scripted_shop

NOBODY = OrgId("org_nobody")
MUCH = 1 << 30


async def delivered(shop: TableShop, *contents: str) -> tuple[Parcel, Lease]:
    await shop.journal.append(ACME, [draft(content, key=content) for content in contents], None)
    (parcel,) = await shop.queue.receive(1_000, MUCH)
    lease = await shop.leased()
    await shop.outbox.delivered(parcel, lease, 0)
    return parcel, lease


async def row_at(shop: TableShop, time: int) -> dict[str, Any] | None:
    return await shop.dynamo.get(row_key(ACME, SHARDS, time))


async def claim_on(shop: TableShop, key: str) -> dict[str, Any]:
    claim = await shop.dynamo.get(claim_key_of(ACME, SHARDS, claim_key(key)))
    assert claim is not None
    return claim


def breaking(script: ScriptedAws, at: int, error: AwsError, *, is_done: bool) -> None:
    """The call of this number, and all after it, fail; where it `is_done`, that one was carried out."""
    made = 0

    def fails(_: str, __: Mapping[str, Any]) -> AwsError | None:
        nonlocal made
        made += 1
        return error if made > at + is_done else None

    def loses(_: str, __: Mapping[str, Any]) -> AwsError | None:
        return error if made > at else None

    script.before = fails
    if is_done:
        script.after = loses


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("at", range(9))
async def test_settling_may_be_broken_off_anywhere(shop: TableShop, at: int, is_done: bool) -> None:
    parcel, lease = await delivered(shop, "a", "b")
    flusher, script = scripted_shop(shop)
    assert await flusher.outbox.still_owed(ACME, parcel.times) == set()
    breaking(script, at, THROTTLED, is_done=is_done)
    try:
        await flusher.outbox.settled(ACME, parcel.times, lease)
    except MetadataBusy:
        pass
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 10)
    left = {memory.time for memory in tail.memories}
    for time, key in zip(parcel.times, "ab", strict=True):
        row, claim = await row_at(shop, time), await claim_on(shop, key)
        assert row is not None or tail.settled_through >= time, "readers ask the store for what went"
        assert row is not None or claim["settled"], "no claim outlives its row forever"
        assert (row is not None) == (time in left)
    await shop.outbox.settled(ACME, parcel.times, lease)
    assert await shop.contents() == []
    shop.clock.advance(WINDOW / 1e6 + 1)
    again = await shop.journal.append(ACME, [draft("a", key="a"), draft("b", key="b")], None)
    assert all(receipt.memory for receipt in again)


async def test_a_claim_marked_settled_too_early_is_held_again(shop: TableShop) -> None:
    parcel, lease = await delivered(shop, "a")
    flusher, script = scripted_shop(shop)
    script.before = always(THROTTLED, "DeleteItem")
    with pytest.raises(MetadataBusy):
        await flusher.outbox.settled(ACME, parcel.times, lease)
    assert (await claim_on(shop, "a"))["settled"]
    assert await shop.outbox.owed_again(ACME, parcel.times, lease) == 1
    claim = await claim_on(shop, "a")
    assert "settled" not in claim
    assert "ttl" not in claim
    shop.clock.advance(10 * WINDOW / 1e6)
    assert (await shop.journal.append(ACME, [draft("a", key="a")], None))[0].memory is None


async def test_a_claim_that_another_memory_holds_by_now_is_left_alone(shop: TableShop) -> None:
    parcel, lease = await delivered(shop, "a")
    flusher, script = scripted_shop(shop)
    script.before = always(THROTTLED, "DeleteItem")
    with pytest.raises(MetadataBusy):
        await flusher.outbox.settled(ACME, parcel.times, lease)
    shop.clock.advance(WINDOW / 1e6 + 1)
    (newer,) = await shop.journal.append(ACME, [draft("a", key="a")], None)
    assert newer.memory is not None
    lease = await shop.leased()
    assert await shop.outbox.settled(ACME, parcel.times, lease) == 1
    claim = await claim_on(shop, "a")
    assert claim["time"] == newer.memory.time
    assert "settled" not in claim
    assert await shop.contents() == ["a"]


async def test_an_owner_that_paused_does_not_settle_what_its_successor_sent_again(shop: TableShop) -> None:
    parcel, lease = await delivered(shop, "a")
    flusher, script = scripted_shop(shop)

    async def succeed(operation: str, _: object) -> None:
        if operation == "DeleteItem":
            shop.clock.advance(11)
            successor = await shop.leases.acquire("successor", 10)
            assert successor is not None
            assert await shop.outbox.owed_again(ACME, parcel.times, successor) == 1
            assert await shop.outbox.delivered(parcel, successor, 5) == 1

    script.meanwhile = succeed
    assert await flusher.outbox.settled(ACME, parcel.times, lease) == 0
    assert [row.rounds for row in await shop.outbox.delivered_rows(ACME, 10)] == [1]
    assert await shop.contents() == ["a"]


async def test_nothing_dies_that_a_successor_sent_again(shop: TableShop) -> None:
    parcel, lease = await delivered(shop, "a")
    flusher, script = scripted_shop(shop)

    async def succeed(operation: str, _: object) -> None:
        if operation == "UpdateItem":
            await shop.outbox.owed_again(ACME, parcel.times, lease)

    script.meanwhile = succeed
    assert await flusher.outbox.dead(ACME, parcel.times, "never shown", lease) == 0
    assert await shop.outbox.still_owed(ACME, parcel.times) == set(parcel.times)


async def test_a_lease_that_is_lost_before_the_look_stops_every_step(shop: TableShop) -> None:
    parcel, lease = await delivered(shop, "a")
    shop.clock.advance(11)
    assert await shop.leases.acquire("successor", 10)
    with pytest.raises(LeaseLost):
        await shop.outbox.settled(ACME, parcel.times, lease)
    with pytest.raises(LeaseLost):
        await shop.outbox.owed_again(ACME, parcel.times, lease)
    with pytest.raises(LeaseLost):
        await shop.outbox.postpone(parcel, lease, 0)
    assert len(await shop.outbox.delivered_rows(ACME, 10)) == 1


async def test_nothing_settles_under_another_binding_or_during_a_move(shop: TableShop) -> None:
    parcel, lease = await delivered(shop, "a")
    assert await shop.outbox.settled(ACME, parcel.times, lease, "arc_1") == 0, "no binding at all"
    pk, sk = binding_key(ACME)
    await shop.dynamo.write(Put({PK: pk, SK: sk, "id": "arc_2"}))
    assert await shop.outbox.settled(ACME, parcel.times, lease, "arc_1") == 0
    pk, sk = move_key(ACME)
    until = shop.clock.micros() + 1_000_000
    await shop.dynamo.write(Put({PK: pk, SK: sk, "token": "t", "until": until}))
    assert await shop.outbox.settled(ACME, parcel.times, lease, "arc_2") == 0
    shop.clock.advance(1)
    assert await shop.outbox.settled(ACME, parcel.times, lease, "arc_2") == 1


async def test_nothing_settles_of_an_org_that_was_just_deleted(shop: TableShop) -> None:
    parcel, lease = await delivered(shop, "a")
    flusher, script = scripted_shop(shop)
    assert await flusher.outbox.still_owed(ACME, parcel.times) == set()

    async def delete(operation: str, parameters: Mapping[str, Any]) -> None:
        if operation == "UpdateItem":
            await shop.orgs.delete_org(ACME)

    script.meanwhile = delete
    assert await flusher.outbox.settled(ACME, parcel.times, lease) == 0


async def test_settled_through_never_goes_back(shop: TableShop) -> None:
    first, lease = await delivered(shop, "a")
    shop.clock.advance(1)
    second, lease = await delivered(shop, "b")
    assert await shop.outbox.settled(ACME, second.times, lease) == 1
    assert await shop.outbox.settled(ACME, first.times, lease) == 1
    standing = await read_standing(shop.dynamo, ACME)
    assert standing is not None
    assert standing.settled_through == second.times[0]


async def test_counters_that_cannot_be_told_stop_nothing(shop: TableShop) -> None:
    parcel, lease = await delivered(shop, "a")
    flusher, script = scripted_shop(shop)

    def throttles(operation: str, parameters: Mapping[str, Any]) -> AwsError | None:
        return THROTTLED if "ADD" in parameters.get("UpdateExpression", "") else None

    script.before = throttles
    assert await flusher.outbox.settled(ACME, parcel.times, lease) == 1
    assert (await shop.total()).owed == 0


async def test_an_org_without_a_journal_owes_nothing(shop: TableShop) -> None:
    parcel, lease = Parcel(NOBODY, (1, 2), b""), await shop.leased()
    outbox = shop.outbox
    assert await outbox.due(NOBODY, 2**60, 10, MUCH) is None
    assert await outbox.still_owed(NOBODY, (1,)) == set()
    assert await outbox.delivered(parcel, lease, 0) == 0
    assert await outbox.postpone(parcel, None, 0) == 0
    assert await outbox.delivered_rows(NOBODY, 10) == []
    assert await outbox.settled(NOBODY, (1,), lease) == 0
    assert await outbox.owed_again(NOBODY, (1,), lease) == 0
    assert await outbox.dead(NOBODY, (1,), "why", lease) == 0
    assert await shop.journal.claimed_at(NOBODY, "k") is None
    assert await shop.letters.list_dead(NOBODY, 10) == []


async def test_many_rows_are_changed_in_chunks(shop: TableShop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.adapters.dynamodb.journal.changing.CHUNK", 4)
    parcel, lease = await delivered(shop, *map(str, range(10)))
    assert await shop.outbox.owed_again(ACME, parcel.times[:5], lease) == 5
    assert await shop.outbox.dead(ACME, parcel.times[5:], "why", lease) == 5
    assert await shop.outbox.delivered(parcel, None, 0) == 5
    assert await shop.outbox.settled(ACME, parcel.times, lease) == 5


async def test_what_the_queue_lost_is_owed_and_due_after_its_chance(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("lost on the way")], None)
    now = shop.clock.micros()
    assert await shop.ledger.orgs_owing(now) == []
    assert await shop.outbox.due(ACME, now, 10, MUCH) is None
    shop.clock.advance(60)
    now = shop.clock.micros()
    assert await shop.ledger.orgs_owing(now) == [ACME]
    parcel = await shop.outbox.due(ACME, now, 10, MUCH)
    assert parcel is not None
    assert parcel.count == 1


async def test_an_org_is_looked_through_now_and_then_and_at_once_where_something_changed(
    shop: TableShop,
) -> None:
    parcel, lease = await delivered(shop, "a")
    await shop.outbox.settled(ACME, parcel.times, lease)
    await shop.total()
    flusher, script = scripted_shop(shop)

    async def looks() -> int:
        script.calls.clear()
        await flusher.ledger.orgs_owing(shop.clock.micros())
        return script.calls.count("Query")

    assert await looks() == 1 + SHARDS
    assert await looks() == 0
    shop.clock.advance(31)
    assert await looks() == 1, "the list alone"
    await shop.journal.append(ACME, [draft("b")], None)
    shop.clock.advance(31)
    assert await looks() == 1 + SHARDS
    shop.clock.advance(150)
    assert await looks() == 1 + SHARDS
    await shop.orgs.delete_org(ACME)
    shop.clock.advance(150)
    assert await looks() == 1


async def test_a_look_at_many_rows_goes_on_where_the_last_one_ended(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.dynamodb.journal.reading._MOST_PAGES", 2)
    monkeypatch.setattr("core.adapters.dynamodb.journal.ledger._MOST_PAGES", 1)
    flusher, script = scripted_shop(shop)

    async def shorten(operation: str, parameters: Mapping[str, Any]) -> None:
        if operation == "Query":
            parameters["Limit"] = 1  # type: ignore[index]

    script.meanwhile = shorten
    await shop.journal.append(ACME, [draft(str(n)) for n in range(20)], None)
    (parcel,) = await shop.queue.receive(100, MUCH)
    later = shop.clock.micros() + 10**9
    await shop.outbox.postpone(Parcel(ACME, parcel.times[:18], b""), None, later)
    shop.clock.advance(100)
    now = shop.clock.micros()
    assert await flusher.ledger.orgs_owing(now) == [ACME], "there are more rows than were looked at"
    found = None
    for _ in range(5):
        found = found or await flusher.outbox.due(ACME, now, 10, MUCH)
    assert found is not None
    assert found.times == parcel.times[18:]
    assert (await flusher.outbox.due(ACME, later, 4, MUCH)) is not None
    assert (await shop.outbox.due(ACME, later, 4, MUCH)) is not None
    await shop.outbox.delivered(Parcel(ACME, parcel.times[:18], b""), None, 0)
    total = await flusher.ledger.total()
    assert total.oldest is not None
    assert total.oldest <= parcel.times[18]


async def test_a_look_that_took_all_it_could_begins_again_at_the_front(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft(str(n)) for n in range(4)], None)
    shop.clock.advance(60)
    now = shop.clock.micros()
    seen = [await shop.outbox.due(ACME, now, 2, MUCH) for _ in range(3)]
    assert [parcel.count for parcel in seen if parcel] == [2, 2, 2]
    assert seen[0] == seen[2]
    assert seen[0] != seen[1]


async def test_two_that_reach_for_the_lease_at_once_do_not_both_get_it(shop: TableShop) -> None:
    flusher, script = scripted_shop(shop)

    async def be_quicker(operation: str, _: object) -> None:
        if operation == "UpdateItem":
            assert await shop.leases.acquire("quicker", 10)

    script.meanwhile = be_quicker
    assert await flusher.leases.acquire("slower", 10) is None
    assert await shop.leases.holder() == "quicker"


@pytest.mark.parametrize("was_held", [False, True])
async def test_a_lease_whose_answer_was_lost_is_known(shop: TableShop, was_held: bool) -> None:
    if was_held:
        await shop.leases.release(await shop.leased())
    flusher, script = scripted_shop(shop)
    lost = [NO_ANSWER]
    script.after = lambda operation, _: lost.pop() if operation == "UpdateItem" and lost else None
    lease = await flusher.leases.acquire("me", 10)
    assert lease is not None
    await shop.leases.renew(lease, 10)


async def test_a_lease_that_nobody_ever_had_is_nobodys(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    assert await shop.leases.holder() is None
    with pytest.raises(LeaseLost):
        await shop.leases.renew(Lease("me", 1), 10)
    with pytest.raises(LeaseLost):
        await shop.outbox.delivered(Parcel(ACME, (1,), b""), Lease("me", 1), 0)


async def test_a_purged_memory_whose_key_another_one_holds_goes_alone(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a", key="a")], None)
    (parcel,) = await shop.queue.receive(10, MUCH)
    await shop.outbox.dead(ACME, parcel.times, "why", None)
    place = claim_key_of(ACME, SHARDS, claim_key("a"))
    await shop.dynamo.write(Update(place, "SET #time = :t", values={"t": 7}))
    assert await shop.letters.purge_dead(ACME, None) == 1
    assert (await claim_on(shop, "a"))["time"] == 7
    assert await shop.contents() == []


async def test_a_dead_letter_that_others_took_care_of_is_not_counted(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a", key="a")], None)
    (parcel,) = await shop.queue.receive(10, MUCH)
    await shop.outbox.dead(ACME, parcel.times, "why", None)
    operator, script = scripted_shop(shop)

    async def retry(operation: str, _: object) -> None:
        if operation in ("TransactWriteItems", "UpdateItem"):
            await shop.letters.retry_dead(ACME, None)

    script.meanwhile = retry
    assert await operator.letters.purge_dead(ACME, None) == 0
    await shop.outbox.dead(ACME, parcel.times, "why", None)
    assert await operator.letters.retry_dead(ACME, None) == 0
    assert await shop.contents() == ["a"]


async def test_an_org_that_was_counted_lately_is_not_counted_again(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    lease = await shop.leased()
    shop.expiry._every = 100.0  # type: ignore[attr-defined]

    async def turns() -> int:
        made = 1
        while not await shop.expiry.expire(0, lease, 1):
            made += 1
        return made

    assert await turns() == 2 * SHARDS + 1, "a turn for every partition"
    assert await turns() == 1
    shop.clock.advance(100)
    lease = await shop.leased()
    assert await turns() > 1
    assert (await shop.ledger.total()).owed == 1


async def test_an_org_that_goes_while_it_waits_to_be_counted_is_left_out(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    flusher, script = scripted_shop(shop)
    lease, reads = await shop.leased(), 0

    async def delete(operation: str, _: object) -> None:
        nonlocal reads
        reads += operation == "GetItem"
        if reads == 2:
            await shop.orgs.delete_org(ACME)

    script.meanwhile = delete
    assert await flusher.expiry.expire(0, lease, 10)


async def test_a_recount_mends_what_the_counters_missed(shop: TableShop) -> None:
    parcel, lease = await delivered(shop, "a", "b")
    await shop.journal.append(ACME, [draft("c")], None)
    await shop.outbox.dead(ACME, parcel.times[:1], "why", lease)
    while not await shop.expiry.expire(0, lease, 10):
        pass
    (backlog,) = await shop.ledger.backlogs()
    assert (backlog.owed, backlog.delivered, backlog.dead, backlog.claims) == (1, 1, 1, 3)
    assert backlog.bytes > 0
