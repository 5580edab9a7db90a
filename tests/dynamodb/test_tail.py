"""Reads of the tail while others settle, delete and write."""

from typing import Any

import pytest

from core.adapters.dynamodb.journal.reading import where_of
from core.adapters.dynamodb.keys import ledger_key
from core.adapters.dynamodb.statements import Delete, Update
from core.model.deletion import Graves
from core.model.errors import MetadataBusy
from core.model.memory import Exclusion, MemoryFilter, OrgId, Span, claim_key
from core.model.tenant import Org
from core.model.timewindow import moment_of
from tests.contract.journals import ACME, ALWAYS, draft
from tests.dynamodb.shops import SHARDS, TableShop, open_shop, scripted_shop

ANY = MemoryFilter()


async def settle(shop: TableShop, count: int) -> None:
    lease = await shop.leased()
    for parcel in await shop.queue.receive(count, 1 << 30):
        await shop.outbox.delivered(parcel, lease, 0)
        await shop.outbox.settled(parcel.org_id, parcel.times, lease)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 5, 12, 40])
async def test_rows_of_all_partitions_come_in_one_order(shop: TableShop, order: Any, limit: int) -> None:
    await shop.journal.append(ACME, [draft(str(n)) for n in range(30)], None)
    tail = await shop.journal.tail(ACME, ANY, ALWAYS, order, limit)
    numbers = list(range(30)) if order == "asc" else list(range(29, -1, -1))
    assert [int(memory.content) for memory in tail.memories] == numbers[:limit]


@pytest.mark.parametrize("settles_before", ["Query", "GetItem"])
async def test_a_memory_that_settles_during_a_read_is_in_the_tail_or_asked_of_the_store(
    shop: TableShop, settles_before: str
) -> None:
    receipts = await shop.journal.append(ACME, [draft(str(n)) for n in range(6)], None)
    edge, script = scripted_shop(shop)
    await edge.journal.tail(ACME, ANY, ALWAYS, "asc", 10)
    done = 0

    async def settles(operation: str, _: object) -> None:
        nonlocal done
        if operation == settles_before:
            done += 1
            await settle(shop, 2)

    script.meanwhile = settles
    tail = await edge.journal.tail(ACME, ANY, ALWAYS, "asc", 10)
    assert done
    found = {memory.id for memory in tail.memories}
    for receipt in receipts:
        assert receipt.memory is not None
        assert receipt.id in found or receipt.memory.time <= tail.settled_through
    assert len(found) == 6 or settles_before == "Query"


async def test_a_filter_is_applied_by_the_table_as_far_as_it_can_and_to_the_end_here(shop: TableShop) -> None:
    await shop.journal.append(
        ACME,
        [
            draft(f"{agent} {session} {n}", agent_id=agent, session_id=session)
            for agent in "xyz"
            for session in ("", "s")
            for n in range(3)
        ],
        None,
    )
    assert await shop.contents(session_id="s", agent_ids=("x",)) == ["x s 0", "x s 1", "x s 2"]
    assert await shop.contents(agent_ids=("y", "z"), content_contains="s 1") == ["y s 1", "z s 1"]
    assert len(await shop.contents(agent_ids=(*map(str, range(150)), "x"))) == 6
    assert where_of(MemoryFilter(agent_ids=tuple(map(str, range(101))))) == ("", {})


async def test_counting_takes_all_that_matches(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a", session_id="s"), draft("b")], None)
    rows = await shop.journal.tail_rows(ACME, MemoryFilter(session_id="s"))
    assert [row.dedup_key for row in rows.rows] == [draft("a").dedup_key]
    assert len((await shop.journal.tail_rows(ACME, ANY)).rows) == 2
    assert (await shop.journal.tail_rows(OrgId("org_nobody"), ANY)).rows == []


async def test_an_empty_span_has_nothing_in_it(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    tail = await shop.journal.tail(ACME, ANY, Span(5, 5), "asc", 10)
    assert tail.memories == []


async def version(shop: TableShop, number: int) -> None:
    change = Update(ledger_key(ACME), "SET #deletions_version = :v", values={"v": number})
    await shop.dynamo.write(change)


async def test_a_deletion_that_appears_during_a_read_has_it_read_again(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipts = await shop.journal.append(ACME, [draft("a"), draft("b", key="k"), draft("c")], None)
    buried = receipts[1].memory
    assert buried is not None
    graves = Graves((Exclusion(until=buried.time),), frozenset([(buried.time, claim_key("k"))]))

    async def read_graves(_: object, org_id: OrgId) -> Graves:
        assert org_id == ACME
        return graves

    monkeypatch.setattr("core.adapters.dynamodb.journal.graves.read_graves", read_graves)
    edge, script = scripted_shop(shop)
    await edge.journal.tail(ACME, ANY, ALWAYS, "asc", 10)

    async def deletes(operation: str, _: object) -> None:
        if operation == "GetItem":
            await version(shop, 3)

    script.meanwhile = deletes
    tail = await edge.journal.tail(ACME, ANY, ALWAYS, "asc", 10)
    assert [memory.content for memory in tail.memories] == ["c"]
    assert tail.graves == graves
    script.meanwhile = None
    script.calls.clear()
    assert (await edge.journal.tail(ACME, ANY, ALWAYS, "asc", 10)).graves == graves
    assert script.calls.count("GetItem") == 1
    assert script.calls.count("Query") == SHARDS


async def test_deletions_that_never_stand_still_are_busy(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    edge, script = scripted_shop(shop)
    number = 0

    async def deletes(operation: str, _: object) -> None:
        nonlocal number
        if operation == "GetItem":
            number += 1
            await version(shop, number)

    script.meanwhile = deletes
    with pytest.raises(MetadataBusy):
        await edge.journal.tail(ACME, ANY, ALWAYS, "asc", 10)


async def test_an_org_that_goes_during_a_read_has_no_journal(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    await shop.journal.tail(ACME, ANY, ALWAYS, "asc", 10)
    await shop.orgs.delete_org(ACME)
    tail = await shop.journal.tail(ACME, ANY, ALWAYS, "asc", 10)
    assert (tail.memories, tail.settled_through) == ([], shop.clock.micros())


async def test_an_org_made_again_with_other_partitions_is_read_in_them(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.journal.append(ACME, [draft("before")], None)
    await shop.journal.tail(ACME, ANY, ALWAYS, "asc", 10)
    assert await shop.outbox.still_owed(ACME, (1,)) == set()
    await shop.orgs.delete_org(ACME)
    await shop.dynamo.write(Delete(ledger_key(ACME)))
    await shop.orgs.create_org(Org(ACME, "acme", moment_of(shop.clock.micros())))
    shop.clock.advance(2)
    (receipt,) = await open_shop(shop.dynamo, shop.clock, shards=1).journal.append(ACME, [draft("a")], None)
    assert receipt.memory is not None
    assert await shop.contents() == ["a"]
    monkeypatch.setattr("core.adapters.dynamodb.journal.standing._KNOWN_SECONDS", 0.0)
    times = (receipt.memory.time,)
    assert await shop.outbox.still_owed(ACME, times) == set(times)


async def test_no_more_graves_are_kept_than_of_so_many_orgs(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.dynamodb.journal.graves._KNOWN_ORGS", 1)
    book = shop.journal._book
    await book.of(ACME, 1)
    await book.of(OrgId("org_2"), 1)
    assert book.known(ACME)[0] == 0
    assert book.known(OrgId("org_2"))[0] == 1
