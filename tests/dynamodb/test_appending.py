"""Appends when calls fail, are carried out twice, or meet those of other processes."""

import asyncio
import random

import pytest

from core.adapters.aws.api import AwsError
from core.adapters.dynamodb.journal.admission import FRESH_SECONDS
from core.adapters.dynamodb.journal.expiry import DynamoExpiry
from core.adapters.dynamodb.journal.forgetting import STRAGGLERS, forget_org
from core.adapters.dynamodb.journal.rows import SECOND, memory_of, row_of
from core.adapters.dynamodb.journal.standing import Standing, read_standing
from core.adapters.dynamodb.keys import (
    claim_key_of,
    ledger_key,
    org_key,
    request_partitions,
    row_partitions,
)
from core.adapters.dynamodb.statements import Delete, Put, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import Graves
from core.model.errors import (
    ClockStepped,
    DatabaseError,
    JournalFull,
    MetadataBusy,
    RequestTooLarge,
    Unauthenticated,
)
from core.model.journal_limits import JournalLimits
from core.model.memory import Exclusion, Memory, OrgId, claim_key, parse_id
from core.ports import Receipt
from tests.contract.journals import ACME, OTHER, WINDOW, draft, named
from tests.dynamodb.scripted import DENIED, NO_ANSWER, THROTTLED, always, cancelled, once
from tests.dynamodb.shops import SHARDS, TableShop, open_shop, scripted_shop

DAY = 24 * 3600


def memories(receipts: list[Receipt]) -> list[Memory]:
    return [receipt.memory for receipt in receipts if receipt.memory]


async def rows_in(shop: TableShop) -> int:
    return sum([1 for pk in row_partitions(ACME, SHARDS) async for _ in shop.dynamo.query(pk)])


async def claim_on(shop: TableShop, key: str) -> dict[str, object] | None:
    return await shop.dynamo.get(claim_key_of(ACME, SHARDS, claim_key(key)))


@pytest.mark.parametrize("key", [None, named("k")])
async def test_a_write_whose_answer_was_lost_knows_itself(shop: TableShop, key: object) -> None:
    edge, script = scripted_shop(shop)
    script.after = once(NO_ANSWER, "TransactWriteItems")
    await edge.journal.append(OTHER, [draft("first of this org")], None)
    script.after = once(NO_ANSWER, "TransactWriteItems")
    receipts = await edge.journal.append(ACME, [draft("a"), draft("b")], None)
    assert script.calls.count("TransactWriteItems") >= 4
    assert await shop.contents() == ["a", "b"]
    assert [m.content for m in memories(receipts)] == ["a", "b"]
    assert await rows_in(shop) == 2


async def test_a_write_that_never_got_an_answer_is_found_by_its_retry(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("before")], None)
    edge, script = scripted_shop(shop)
    script.before = always(NO_ANSWER, "PutItem")
    with pytest.raises(MetadataBusy):
        await edge.journal.append(ACME, [draft("a"), draft("before")], named("k"))
    verdicts = [NO_ANSWER, None, None]  # told of the duplicate; stored; repeated, since nobody said so
    script.after = once(NO_ANSWER, "TransactWriteItems")
    script.before = lambda operation, _: verdicts.pop() if operation == "TransactWriteItems" else None
    with pytest.raises(MetadataBusy):
        await edge.journal.append(ACME, [draft("a"), draft("before")], named("k"))
    assert await shop.contents() == ["before", "a"]
    shop.clock.advance(60)
    first = await shop.journal.append(ACME, [draft("a"), draft("before")], named("k"))
    assert [receipt.memory is not None for receipt in first] == [True, False]
    assert memories(first)[0].time < shop.clock.micros() - 59 * SECOND
    assert await shop.contents() == ["before", "a"]


async def test_what_two_tries_of_one_request_stored_is_its_own(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.dynamodb.journal.storing.MOST_IN_TRANSACTION", 10)
    await shop.journal.append(ACME, [draft("x")], None)
    batch = [draft(str(n)) for n in range(12)]
    shop.clock.advance(1)
    edge, script = scripted_shop(shop)
    left = [None, THROTTLED, None]
    script.before = lambda operation, _: left.pop() if operation == "TransactWriteItems" and left else None
    with pytest.raises(MetadataBusy):
        await edge.journal.append(ACME, batch, named("k"))
    stored = await rows_in(shop) - 1
    assert stored in (7, 10), "each transaction stands for itself"
    receipts = await edge.journal.append(ACME, batch, named("k"))
    assert len(memories(receipts)) == 12
    assert sorted(await shop.contents()) == sorted(["x", *map(str, range(12))])
    assert await shop.journal.append(ACME, batch, named("k")) == receipts


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (THROTTLED, MetadataBusy),
        (NO_ANSWER, MetadataBusy),
        (cancelled("None", "TransactionConflict"), MetadataBusy),
        (cancelled("None", "ThrottlingError"), MetadataBusy),
        (DENIED, DatabaseError),
        (AwsError("ResourceNotFoundException", "no such table", 400), DatabaseError),
    ],
)
async def test_what_could_not_be_written_is_not_acknowledged(
    shop: TableShop, error: AwsError, raised: type[Exception]
) -> None:
    await shop.journal.append(ACME, [draft("before")], None)
    edge, script = scripted_shop(shop)
    script.before = always(error, "TransactWriteItems")
    with pytest.raises(raised):
        await edge.journal.append(ACME, [draft("lost")], None)
    assert await shop.contents() == ["before"]
    script.before = lambda *_: None
    assert (await edge.journal.append(ACME, [draft("lost")], None))[0].memory


async def test_a_table_that_hangs_is_busy_in_time(shop: TableShop) -> None:
    edge, script = scripted_shop(shop)
    edge.dynamo.__dict__["timeout"] = 0.05

    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    script.meanwhile = hang
    with pytest.raises(MetadataBusy):
        await edge.journal.append(ACME, [draft("a")], None)


async def test_one_duplicate_among_many_is_told_apart_and_the_rest_is_stored(shop: TableShop) -> None:
    old = await shop.journal.append(ACME, [draft(str(n)) for n in (3, 40, 99)], None)
    receipts = await shop.journal.append(ACME, [draft(str(n)) for n in range(120)], None)
    assert len(memories(receipts)) == 117
    assert [receipts[n].id for n in (3, 40, 99)] == [receipt.id for receipt in old]
    assert len(await shop.contents()) == 120


async def test_two_processes_that_write_the_same_at_once_share_the_winners(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("x")], None)
    other = open_shop(shop.dynamo, shop.clock)
    batch = [draft(str(n)) for n in range(20)]
    ours, theirs = await asyncio.gather(
        shop.journal.append(ACME, batch, None), other.journal.append(ACME, batch[::-1], None)
    )
    theirs.reverse()
    assert [receipt.id for receipt in ours] == [receipt.id for receipt in theirs]
    assert all((a.memory is None) != (b.memory is None) for a, b in zip(ours, theirs, strict=True))
    assert sorted(await shop.contents()) == sorted(["x", *map(str, range(20))])


async def test_stamps_that_collide_with_another_process_are_given_anew(shop: TableShop) -> None:
    others = [open_shop(shop.dynamo, shop.clock) for _ in range(3)]
    batches = [[draft(f"{name} {n}") for n in range(8)] for name in range(3)]
    answers = await asyncio.gather(
        *(each.journal.append(ACME, batch, None) for each, batch in zip(others, batches, strict=True))
    )
    times = [memory.time for answer in answers for memory in memories(answer)]
    assert len(set(times)) == 24
    assert len(await shop.contents()) == 24
    for answer, batch in zip(answers, batches, strict=True):
        assert [memory.content for memory in memories(answer)] == [one.content for one in batch]


async def test_a_time_to_live_comes_with_settling_and_not_before(shop: TableShop) -> None:
    (receipt,) = await shop.journal.append(ACME, [draft("a", key="k")], named("request"))
    claim = await claim_on(shop, "k")
    assert claim is not None
    assert "ttl" not in claim
    (parcel,) = await shop.queue.receive(10, 1 << 20)
    lease = await shop.leased()
    await shop.outbox.delivered(parcel, lease, 0)
    await shop.outbox.settled(ACME, parcel.times, lease)
    claim = await claim_on(shop, "k")
    place = parse_id(receipt.id)
    assert claim is not None
    assert place is not None
    assert claim["ttl"] == (place[0] + WINDOW) // SECOND + DAY
    (request,) = [r for pk in request_partitions(ACME, SHARDS) async for r in shop.dynamo.query(pk)]
    assert request["ttl"] == (shop.clock.micros() + WINDOW) // SECOND + DAY


async def test_a_memory_whose_text_is_much_longer_as_json_is_kept_compressed(shop: TableShop) -> None:
    content = "".join(random.Random(1).choices('\x01\x02\x03\x04\x1f"\\', k=250_000))
    (receipt,) = await shop.journal.append(ACME, [draft(content, metadata_json='{"a":"b"}')], None)
    assert receipt.memory is not None
    assert await shop.contents() == [content]


async def test_many_large_memories_are_spread_over_transactions(shop: TableShop) -> None:
    text = random.Random(2)
    contents = [bytes(text.choices(range(32, 127), k=250_000)).decode() for _ in range(25)]
    receipts = await shop.journal.append(ACME, [draft(content) for content in contents], None)
    assert [memory.content for memory in memories(receipts)] == contents


async def test_a_memory_that_no_item_can_hold_is_refused_with_the_limit_and_nothing_stored(
    shop: TableShop,
) -> None:
    noise = random.Random(3).randbytes(400_000).hex()
    with pytest.raises(RequestTooLarge, match="about 400 KB"):
        await shop.journal.append(ACME, [draft("small"), draft(noise)], None)
    assert await shop.contents() == []


def test_rows_hold_lines_plain_or_packed() -> None:
    for content in ("short", "long " * 1_000):
        memory = Memory(5, ACME, "a", "", "episodic", "general", content, "", "", "k", 0.0, "")
        row = row_of(ACME, 2, memory, key=b"k", token=b"t", due=1)
        assert memory_of(row) == memory
        assert ("packed" in row) == (content != "short")


async def test_nothing_is_stamped_at_or_before_what_was_deleted(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    await shop.journal.append(OTHER, [draft("a")], None)
    ahead = shop.clock.micros() + SECOND // 2
    change = "SET #stamped_through = :time"
    await shop.dynamo.write(Update(ledger_key(ACME), change, values={"time": ahead}))
    shop.clock.advance(FRESH_SECONDS)
    ahead = shop.clock.micros() + SECOND // 2
    await shop.dynamo.write(Update(ledger_key(ACME), change, values={"time": ahead}))
    (receipt,) = await shop.journal.append(ACME, [draft("b")], None)
    assert receipt.memory is not None
    assert receipt.memory.time == ahead + 1
    far = {"time": shop.clock.micros() + 60 * SECOND}
    await shop.dynamo.write(Update(ledger_key(ACME), change, values=far))
    shop.clock.advance(FRESH_SECONDS)
    with pytest.raises(ClockStepped):
        await shop.journal.append(ACME, [draft("c")], None)
    assert (await shop.journal.append(OTHER, [draft("c")], None))[0].memory


async def test_a_process_whose_clock_stepped_back_refuses_until_it_caught_up(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    shop.clock.step_wall(-5)
    with pytest.raises(ClockStepped):
        await shop.journal.append(ACME, [draft("b")], None)
    shop.clock.advance(4.5)
    assert (await shop.journal.append(ACME, [draft("b")], None))[0].memory


async def test_a_copy_of_the_ledger_is_used_for_two_seconds(shop: TableShop) -> None:
    edge, script = scripted_shop(shop)
    for n in range(5):
        await edge.journal.append(ACME, [draft(str(n))], None)
    assert script.calls.count("UpdateItem") == 1, "one to begin the org's ledger"
    edge.clock.advance(FRESH_SECONDS)
    await edge.journal.append(ACME, [draft("later")], None)
    assert script.calls.count("UpdateItem") == 2
    standing = await read_standing(shop.dynamo, ACME)
    assert standing is not None
    assert standing.rows == 6
    edge.clock.step_wall(-1)
    edge.clock.step_wall(1 + FRESH_SECONDS)
    await edge.journal.append(ACME, [draft("thawed")], None)
    assert script.calls.count("UpdateItem") == 3, "a process may have been frozen with its monotonic clock"


async def test_appends_at_once_read_the_ledger_once(shop: TableShop) -> None:
    edge, script = scripted_shop(shop)
    await asyncio.gather(*(edge.journal.append(ACME, [draft(str(n))], None) for n in range(8)))
    assert script.calls.count("UpdateItem") == 1
    assert (await shop.total()).claims == 8


async def test_what_a_failed_append_was_counted_for_is_taken_back(shop: TableShop) -> None:
    edge, script = scripted_shop(shop, JournalLimits(memories_per_org=3))
    script.before = always(THROTTLED, "TransactWriteItems")
    for _ in range(4):
        with pytest.raises(MetadataBusy):
            await edge.journal.append(ACME, [draft("a"), draft("b")], None)
    script.before = lambda *_: None
    await edge.journal.append(ACME, [draft("a"), draft("b")], None)
    with pytest.raises(JournalFull):
        await edge.journal.append(ACME, [draft("c"), draft("d")], None)
    assert (await edge.journal.append(ACME, [draft("c")], None))[0].memory


async def test_orgs_without_number_do_not_fill_a_process(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.dynamodb.journal.admission._MOST_COPIES", 1)
    monkeypatch.setattr("core.adapters.dynamodb.journal.standing._MOST_KNOWN", 1)
    for org in (ACME, OTHER, ACME):
        assert (await shop.journal.append(org, [draft(str(random.random()))], None))[0].memory
    assert len(shop.journal._admission._copies) == 1


async def test_an_org_that_is_deleted_between_looking_and_entering_stays_deleted(shop: TableShop) -> None:
    edge, script = scripted_shop(shop)

    async def delete(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            await shop.orgs.delete_org(ACME)

    script.meanwhile = delete
    with pytest.raises(Unauthenticated):
        await edge.journal.append(ACME, [draft("a")], None)
    assert await shop.dynamo.get(ledger_key(ACME)) is None


async def test_what_an_edge_wrote_just_after_a_deletion_of_its_org_is_dropped_in_the_end(
    shop: TableShop,
) -> None:
    await shop.journal.append(ACME, [draft("before")], None)
    await shop.orgs.delete_org(ACME)
    await shop.journal.append(ACME, [draft("straggler")], named("k"))
    assert await rows_in(shop) == 1
    assert await shop.contents() == [], "nobody reads it"
    assert await shop.ledger.orgs_owing(shop.clock.micros() + 3600 * SECOND) == []
    expiry = DynamoExpiry(shop.dynamo, clock=shop.clock, recount_every=0)
    lease = await shop.leased()
    while not await expiry.expire(0, lease, 10):
        pass
    assert await rows_in(shop) == 0
    assert await shop.dynamo.get(ledger_key(ACME)) is not None, "a tombstone"
    shop.clock.advance(STRAGGLERS / SECOND)
    while not await expiry.expire(0, lease, 10):
        pass
    assert await shop.dynamo.get(ledger_key(ACME)) is None


async def test_an_org_is_forgotten_once_and_not_while_it_is_there(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("kept")], None)
    await forget_org(shop.dynamo, ACME, 30)
    assert await shop.contents() == ["kept"]
    await gone(shop)
    await forget_org(shop.dynamo, ACME, 7)
    await forget_org(shop.dynamo, OrgId("org_that_never_wrote"), 30)
    item = await shop.dynamo.get(ledger_key(ACME))
    assert item is not None
    assert item["gone"] == 5
    assert await rows_in(shop) == 0


async def gone(shop: TableShop, since: int = 5) -> None:
    """As an org is whose journal is forgotten."""
    await shop.dynamo.write(Delete(org_key(ACME)))
    await forget_org(shop.dynamo, ACME, since)


async def make_again(shop: TableShop) -> None:
    pk, sk = org_key(ACME)
    await shop.dynamo.write(Put({PK: pk, SK: sk}))
    shop.clock.advance(FRESH_SECONDS)


@pytest.mark.parametrize("at", ["TransactWriteItems", "DeleteItem"])
async def test_an_org_made_again_loses_nothing_to_who_is_still_erasing(shop: TableShop, at: str) -> None:
    await shop.journal.append(ACME, [draft("before")], None)
    await gone(shop)
    await shop.journal.append(ACME, [draft("straggler")], None)
    housekeeper, script = scripted_shop(shop)
    done = False

    async def others(operation: str, _: object) -> None:
        nonlocal done
        if operation == at and not done:
            done = True
            await make_again(shop)
            await shop.journal.append(ACME, [draft("new")], None)

    script.meanwhile = others
    lease = await shop.leased()
    while not await housekeeper.expiry.expire(0, lease, 10):
        pass
    assert done
    assert await shop.contents() == ["new"]
    assert (await shop.journal.append(ACME, [draft("new")], None))[0].memory is None


async def test_an_org_that_goes_while_it_is_forgotten_is_left(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("before")], None)
    operator, script = scripted_shop(shop)

    async def drop(operation: str, _: object) -> None:
        if operation == "GetItem":
            await shop.dynamo.write(Delete(ledger_key(ACME)))

    script.meanwhile = drop
    await shop.dynamo.write(Delete(org_key(ACME)))
    await forget_org(operator.dynamo, ACME, 30)
    assert await rows_in(shop) == 1


async def test_an_org_made_again_by_many_edges_begins_once_and_loses_nothing(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft(f"before {n}") for n in range(20)], None)
    await gone(shop)
    await shop.journal.append(ACME, [draft("straggler")], None)
    await make_again(shop)
    edges = [open_shop(shop.dynamo, shop.clock) for _ in range(5)]
    for n, edge in enumerate(edges):
        await asyncio.gather(
            *(other.journal.append(ACME, [draft(f"{n} {m}")], None) for m, other in enumerate([edge, *edges]))
        )
    assert sorted(await shop.contents()) == sorted(f"{n} {m}" for n in range(5) for m in range(6))


async def test_a_tombstone_without_its_org_lets_nobody_in(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("before")], None)
    await gone(shop)
    with pytest.raises(Unauthenticated):
        await open_shop(shop.dynamo, shop.clock).journal.append(ACME, [draft("a")], None)


async def test_a_ledger_that_never_stands_still_is_busy(shop: TableShop) -> None:
    edge, script = scripted_shop(shop)
    script.before = lambda operation, _: (
        cancelled("None", "ConditionalCheckFailed") if operation == "TransactWriteItems" else None
    )
    with pytest.raises(MetadataBusy):
        await edge.journal.append(ACME, [draft("a")], None)


async def freed(shop: TableShop, key: str) -> None:
    place = claim_key_of(ACME, SHARDS, claim_key(key))
    await shop.dynamo.write(Update(place, "SET #freed = :true", values={"true": True}))


async def test_a_freed_claim_is_free_but_not_for_who_was_told_of_it(shop: TableShop) -> None:
    (won,) = await shop.journal.append(ACME, [draft("a", key="k")], named("winner"))
    (told,) = await shop.journal.append(ACME, [draft("a", key="k")], named("told"))
    assert told.memory is None
    for pk in row_partitions(ACME, SHARDS):
        await shop.dynamo.batch_write(deletes=[(i["pk"], i["sk"]) async for i in shop.dynamo.query(pk)])
    await freed(shop, "k")
    assert await shop.journal.append(ACME, [draft("a", key="k")], named("winner")) == [won]
    assert await shop.journal.append(ACME, [draft("a", key="k")], named("told")) == [told]
    assert await shop.journal.claimed_at(ACME, "k") is None
    assert await shop.contents() == []
    assert (await shop.journal.append(ACME, [draft("a", key="k")], named("new")))[0].memory
    assert await shop.contents() == ["a"]


async def hidden(shop: TableShop, graves: Graves) -> None:
    """As a deletion has it that is not carried out yet."""
    await shop.dynamo.write(Update(ledger_key(ACME), "SET #deletions_version = :v", values={"v": 1}))
    shop.journal._book._known[ACME] = (1, graves)


@pytest.mark.parametrize("scope", ["session", "other", "grave"])
async def test_a_memory_that_was_deleted_keeps_nobody_from_its_key(shop: TableShop, scope: str) -> None:
    (receipt,) = await shop.journal.append(ACME, [draft("a", key="k", session_id="s")], None)
    assert receipt.memory is not None
    time = receipt.memory.time
    graves = {
        "session": Graves((Exclusion(until=time + 1, session_id="s"),)),
        "other": Graves((Exclusion(until=time + 1, session_id="other"),)),
        "grave": Graves((), frozenset([(time, claim_key("k"))])),
    }[scope]
    await hidden(shop, graves)
    (again,) = await shop.journal.append(ACME, [draft("a", key="k", session_id="s")], None)
    assert (again.memory is None) == (scope == "other")
    assert (again.id == receipt.id) == (scope == "other")


async def test_of_many_that_take_over_a_deleted_memory_one_wins(shop: TableShop) -> None:
    (receipt,) = await shop.journal.append(ACME, [draft("a", key="k")], None)
    assert receipt.memory is not None
    await hidden(shop, Graves((), frozenset([(receipt.memory.time, claim_key("k"))])))
    answers = await asyncio.gather(
        *(shop.journal.append(ACME, [draft("a", key="k")], None) for _ in range(8))
    )
    created = [answer[0] for answer in answers if answer[0].memory]
    assert len(created) == 1
    assert {answer[0].id for answer in answers} == {created[0].id}


async def test_a_claim_that_ends_while_it_is_taken_over_is_free(shop: TableShop) -> None:
    (receipt,) = await shop.journal.append(ACME, [draft("a", key="k")], None)
    assert receipt.memory is not None
    edge, script = scripted_shop(shop)
    await hidden(edge, Graves((), frozenset([(receipt.memory.time, claim_key("k"))])))
    transactions = 0

    async def purge(operation: str, _: object) -> None:
        nonlocal transactions
        transactions += operation == "TransactWriteItems"
        if transactions == 2:
            await shop.dynamo.write(Delete(claim_key_of(ACME, SHARDS, claim_key("k"))))

    script.meanwhile = purge
    assert (await edge.journal.append(ACME, [draft("a", key="k")], None))[0].memory


async def test_conditions_that_fail_again_and_again_end_as_busy(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("first")], None)
    edge, script = scripted_shop(shop)
    script.before = lambda operation, _: (
        cancelled("None", "ConditionalCheckFailed") if operation == "TransactWriteItems" else None
    )
    with pytest.raises(MetadataBusy, match="same memories"):
        await edge.journal.append(ACME, [draft("a")], None)


async def test_a_request_that_is_gone_with_its_org_is_told_nothing(shop: TableShop) -> None:
    (won,) = await shop.journal.append(ACME, [draft("a", key="k")], None)
    edge, script = scripted_shop(shop)
    updates = 0

    async def forget(operation: str, _: object) -> None:
        nonlocal updates
        updates += operation == "UpdateItem"
        if updates == 2:
            for pk in request_partitions(ACME, SHARDS):
                gone = [(i["pk"], i["sk"]) async for i in shop.dynamo.query(pk)]
                await shop.dynamo.batch_write(deletes=gone)

    script.meanwhile = forget
    (told,) = await edge.journal.append(ACME, [draft("a", key="k")], named("k"))
    assert (told.id, told.memory) == (won.id, None)


async def test_a_standing_of_an_org_that_is_gone_is_none(shop: TableShop) -> None:
    assert await read_standing(shop.dynamo, ACME) is None
    await shop.journal.append(ACME, [draft("a")], None)
    assert isinstance(await read_standing(shop.dynamo, ACME), Standing)
    await gone(shop)
    assert await read_standing(shop.dynamo, ACME) is None
