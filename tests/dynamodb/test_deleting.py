"""Deletions when calls fail, are carried out twice, or meet slow edges and other processes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from core.adapters.aws.api import AwsError
from core.adapters.dynamodb import deletion_items as items
from core.adapters.dynamodb import deletion_lists as lists
from core.adapters.dynamodb.announcing import announce
from core.adapters.dynamodb.deletions import DynamoDeletions
from core.adapters.dynamodb.items import Item, decoded
from core.adapters.dynamodb.journal.admission import FRESH_SECONDS, SLOW_SECONDS
from core.adapters.dynamodb.keys import claim_key_of, ledger_key, row_partitions
from core.adapters.dynamodb.statements import Answer, Delete, Put, Question
from core.model.deletion import Deletion, Grave
from core.model.errors import ClockStepped, LeaseLost, MetadataBusy, NotFound, TooManyDeletions
from core.model.memory import Exclusion, Memory, MemoryFilter, OrgId, claim_key
from core.ports import Parcel
from tests.clock import ManualClock
from tests.contract.journals import ACME, ALWAYS, OTHER, WINDOW, draft, named
from tests.dynamodb.scripted import NO_ANSWER, THROTTLED, always, cancelled, once
from tests.dynamodb.shops import SHARDS, TableShop, open_shop, scripted_shop

FOREVER = 2**62
SECOND = 1_000_000
OF_S = Exclusion(until=FOREVER, session_id="s")


async def wrote(shop: TableShop, content: str, org: OrgId = ACME, **fields: object) -> Memory:
    (receipt,) = await shop.journal.append(org, [draft(content, **fields)], None)  # type: ignore[arg-type]
    assert receipt.memory is not None
    return receipt.memory


def grave_of(memory: Memory) -> Grave:
    return memory.time, claim_key(memory.dedup_key)


async def everything(shop: TableShop) -> list[Item]:
    """Every item of the table."""
    answer = await shop.dynamo._call("Scan", {})
    return [decoded(item) for item in answer["Items"]]


def after(calls: int) -> Callable[[str, Mapping[str, Any]], AwsError | None]:
    """No call gets an answer after so many."""
    numbers = count(1)
    return lambda *_: NO_ANSWER if next(numbers) > calls else None


# --- who writes while it is deleted


async def test_what_an_edge_stores_slowly_while_its_session_is_deleted_is_stamped_anew(
    shop: TableShop,
) -> None:
    await wrote(shop, "before", session_id="s")
    edge, script = scripted_shop(shop)
    deletions: list[Deletion] = []

    async def delete(operation: str, _: object) -> None:
        if operation == "TransactWriteItems" and not deletions:
            deletions.append(await shop.deletions.exclude(ACME, OF_S))
            shop.clock.advance(sum(shop.pauses))

    script.meanwhile = delete
    memory = await wrote(edge, "slow", session_id="s")
    assert deletions[0].exclusion is not None
    assert memory.time >= deletions[0].exclusion.until
    assert await shop.contents() == ["slow"]
    await shop.deletions.erase(deletions[0])
    assert await shop.contents() == ["slow"]
    assert (await shop.held())[0] == 1
    assert await shop.journal.claimed_at(ACME, memory.dedup_key) == memory.time
    assert (await shop.journal.append(ACME, [draft("slow", session_id="s")], None))[0].memory is None


async def test_what_is_stamped_anew_is_found_by_its_retry(shop: TableShop) -> None:
    edge, script = scripted_shop(shop)
    await wrote(edge, "before")
    deleted: list[Deletion] = []

    async def delete(operation: str, _: object) -> None:
        if operation == "TransactWriteItems" and not deleted:
            deleted.append(await shop.deletions.exclude(ACME, OF_S))
            await shop.deletions.erase(deleted[0])
            shop.clock.advance(5)

    script.meanwhile = delete
    first = await edge.journal.append(ACME, [draft("slow", session_id="s"), draft("free")], named("k"))
    script.meanwhile = None
    assert (
        await edge.journal.append(ACME, [draft("slow", session_id="s"), draft("free")], named("k")) == first
    )
    assert sorted(await shop.contents()) == ["before", "free", "slow"]


async def test_a_slow_edge_whose_memory_nobody_deleted_keeps_its_stamp(shop: TableShop) -> None:
    edge, script = scripted_shop(shop)
    await wrote(edge, "before")
    shop.clock.advance(FRESH_SECONDS)
    stamps = shop.clock.micros()

    async def delete(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            script.meanwhile = None
            await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="other"))
            shop.clock.advance(SLOW_SECONDS + 1)

    script.meanwhile = delete
    assert (await wrote(edge, "slow", session_id="s")).time == stamps
    assert await shop.contents() == ["before", "slow"]


async def test_an_edge_with_a_copy_from_before_stamps_nothing_that_is_covered(shop: TableShop) -> None:
    """Its clock is behind, and it knows of nothing when the deletion is asked for."""
    late = ManualClock(shop.clock.micros() - SECOND // 2)
    edge = open_shop(shop.dynamo, late)
    await wrote(edge, "before", session_id="s")

    async def pause(seconds: float) -> None:
        shop.clock.advance(seconds)
        late.advance(seconds)

    deletions = DynamoDeletions(shop.dynamo, clock=shop.clock, pause=pause, shards=SHARDS, window=WINDOW)
    deletion = await deletions.exclude(ACME, OF_S)
    assert deletion.exclusion is not None
    after = await wrote(edge, "after", session_id="s")
    assert after.time >= deletion.exclusion.until
    assert await shop.contents() == ["after"]


async def test_an_edge_far_behind_refuses_until_its_clock_is_right(shop: TableShop) -> None:
    late = ManualClock(shop.clock.micros() - 30 * SECOND)
    edge = open_shop(shop.dynamo, late)
    await wrote(edge, "before", session_id="s")
    await shop.deletions.exclude(ACME, OF_S)
    late.advance(shop.pauses[0])
    with pytest.raises(ClockStepped):
        await wrote(edge, "hidden at birth", session_id="s")


@pytest.mark.parametrize(("idle", "waits"), [(0, True), (60, True), (64, False)])
async def test_a_deletion_waits_only_for_edges_that_wrote_lately(
    shop: TableShop, idle: float, waits: bool
) -> None:
    await wrote(shop, "before")
    shop.clock.advance(idle)
    await shop.deletions.exclude(ACME, OF_S)
    assert shop.pauses == ([FRESH_SECONDS + SLOW_SECONDS + 0.5] if waits else [])


async def test_a_deletion_of_what_is_old_waits_for_nobody(shop: TableShop) -> None:
    await wrote(shop, "before")
    await shop.deletions.exclude(ACME, Exclusion(until=shop.clock.micros() - 64 * SECOND))
    await shop.deletions.bury(ACME, [(1, b"k" * 16)])
    assert shop.pauses == []


async def test_a_deleted_memory_of_the_future_holds_up_no_writer(shop: TableShop) -> None:
    """One that was imported, and is not in the journal."""
    await shop.deletions.bury(ACME, [(shop.clock.micros() + 3600 * SECOND, b"k" * 16)])
    await wrote(shop, "now")
    assert await shop.contents() == ["now"]


async def test_what_settles_while_the_newest_stamp_is_looked_for_is_covered(shop: TableShop) -> None:
    lease = await shop.leased()
    memory = await wrote(shop, "settles", session_id="s")
    command, script = scripted_shop(shop)
    command.clock = shop.clock

    async def settle(operation: str, parameters: object) -> None:
        if operation == "Query" and memory.time not in settled:
            await shop.outbox.delivered(Parcel(ACME, (memory.time,), b""), lease, 0)
            assert await shop.outbox.settled(ACME, [memory.time], lease) == 1
            settled.append(memory.time)
            shop.clock.step_wall(-2)

    settled: list[int] = []
    script.meanwhile = settle
    deletion = await command.deletions.exclude(ACME, OF_S)
    assert deletion.exclusion is not None
    assert deletion.exclusion.until == memory.time + 1


# --- answers that are lost, and calls that fail

Act = Callable[[TableShop, Memory], Awaitable[object]]


async def _bury(shop: TableShop, memory: Memory) -> object:
    return await shop.deletions.bury(ACME, [grave_of(memory)])


async def _exclude(shop: TableShop, memory: Memory) -> object:
    return await shop.deletions.erase(await shop.deletions.exclude(ACME, OF_S))


@pytest.mark.parametrize("act", [_bury, _exclude])
@pytest.mark.parametrize(
    "operation", ["TransactWriteItems", "UpdateItem", "GetItem", "Query", "BatchGetItem"]
)
@pytest.mark.parametrize("number", range(4))
async def test_a_deletion_of_which_an_answer_was_lost_is_carried_out_once(
    shop: TableShop, act: Act, operation: str, number: int
) -> None:
    memory = await wrote(shop, "x", session_id="s")
    command, script = scripted_shop(shop)
    left = [NO_ANSWER] + [None] * number
    script.after = lambda called, _: left.pop() if called == operation and left else None
    await act(command, memory)
    (deletion,) = await shop.deletions.list_deletions(ACME, 9)
    assert (deletion.state, deletion.from_journal) == ("pending", 1)
    assert await shop.contents() == []
    assert (await shop.held())[::2] == (0, 0)
    assert (await wrote(shop, "x", session_id="s")).time > memory.time


@pytest.mark.parametrize("act", [_bury, _exclude])
async def test_a_deletion_that_breaks_off_anywhere_is_ended_by_the_next(shop: TableShop, act: Act) -> None:
    for broken in range(40):
        memory = await wrote(shop, f"x {broken}", session_id="s")
        command, script = scripted_shop(shop)
        script.before = after(broken)
        is_whole = False
        try:
            await act(command, memory)
            is_whole = True
        except MetadataBusy:
            await act(shop, memory)
        assert await shop.contents() == []
        assert (await shop.held())[::2] == (0, 0)
        shop.clock.advance(1)
        if is_whole:
            return
    raise AssertionError("never ended by itself")


@pytest.mark.parametrize("act", [_bury, _exclude])
async def test_a_table_that_throttles_is_busy(shop: TableShop, act: Act) -> None:
    memory = await wrote(shop, "x", session_id="s")
    command, script = scripted_shop(shop)
    script.before = always(THROTTLED)
    with pytest.raises(MetadataBusy):
        await act(command, memory)


async def test_a_deletion_that_others_change_all_the_while_is_busy(shop: TableShop) -> None:
    command, script = scripted_shop(shop)
    script.before = lambda operation, _: (
        cancelled("None", "ConditionalCheckFailed") if operation == "TransactWriteItems" else None
    )
    await shop.deletions.exclude(ACME, OF_S)
    with pytest.raises(MetadataBusy):
        await command.deletions.bury(ACME, [(1, b"k" * 16)])


async def test_an_org_that_is_deleted_meanwhile_has_nothing_to_delete(shop: TableShop) -> None:
    for operation in ("TransactWriteItems", "UpdateItem"):
        for act in (_bury, _exclude):
            memory = await wrote(shop, "x", session_id="s")
            command, script = scripted_shop(shop)

            async def delete(called: str, _: object, operation: str = operation) -> None:
                if called == operation:
                    await shop.orgs.delete_org(ACME)

            script.meanwhile = delete
            with pytest.raises(NotFound):
                await act(command, memory)
            assert await shop.deletions.list_deletions(ACME, 9) == []
            await shop.dynamo.write(Put({"pk": f"ORG#{ACME}", "sk": "ORG"}))
            shop.clock.advance(FRESH_SECONDS)


async def test_two_that_delete_the_same_at_once_make_one_deletion(shop: TableShop) -> None:
    memory = await wrote(shop, "x", session_id="s")
    commands = [open_shop(shop.dynamo, shop.clock) for _ in range(4)]
    graves = await asyncio.gather(*(one.deletions.bury(ACME, [grave_of(memory)]) for one in commands))
    assert len({deletion.id for (deletion,) in graves}) == 1
    (deletion,) = await shop.deletions.list_deletions(ACME, 9)
    assert deletion.from_journal == 1
    assert (await shop.total()).claims == 0


async def test_a_deletion_of_a_scope_is_extended_by_whoever_comes_second(shop: TableShop) -> None:
    await shop.deletions.exclude(ACME, OF_S)
    commands = []
    for _ in range(4):
        shop.clock.advance(1)
        commands.append(open_shop(shop.dynamo, ManualClock(shop.clock.micros())))
    await asyncio.gather(*(one.deletions.exclude(ACME, OF_S) for one in commands))
    (deletion,) = await shop.deletions.list_deletions(ACME, 9)
    assert deletion.exclusion is not None
    assert deletion.exclusion.until == shop.clock.micros()


async def test_rows_that_change_while_they_are_erased_are_counted_as_they_are_then(shop: TableShop) -> None:
    lease = await shop.leased()
    memories = [await wrote(shop, str(n), session_id="s") for n in range(3)]
    deletion = await shop.deletions.exclude(ACME, OF_S)
    command, script = scripted_shop(shop)

    async def deliver(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            script.meanwhile = None
            await shop.outbox.delivered(Parcel(ACME, (memories[0].time,), b""), lease, 0)
            await shop.outbox.dead(ACME, [memories[1].time], "why", lease)
            await shop.deletions.bury(ACME, [grave_of(memories[2])])

    script.meanwhile = deliver
    assert (await command.deletions.erase(deletion)).from_journal == 2
    item = await shop.dynamo.get(ledger_key(ACME))
    assert item is not None
    assert (item["delivered"], item["dead"]) == (0, 0)


async def test_a_deletion_that_goes_while_it_is_erased_takes_nothing_with_it(shop: TableShop) -> None:
    """Its org was deleted, and is made again by the time its rows are looked at."""
    await wrote(shop, "x", session_id="s")
    deletion = await shop.deletions.exclude(ACME, OF_S)
    command, script = scripted_shop(shop)

    async def drop(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            await shop.dynamo.write(Delete(items.deletion_key(ACME, deletion.id)))

    script.meanwhile = drop
    assert await command.deletions.erase(deletion) == deletion
    assert (await shop.held())[0] == 1


async def test_an_org_without_a_ledger_is_told_nothing(shop: TableShop) -> None:
    assert await announce(shop.dynamo, ACME) is None
    assert await announce(shop.dynamo, ACME, 5) is None
    assert await shop.dynamo.get(ledger_key(ACME)) is None


async def test_an_org_whose_every_trace_goes_meanwhile_has_nothing_to_delete(shop: TableShop) -> None:
    await wrote(shop, "x", session_id="s")
    command, script = scripted_shop(shop)

    async def delete(operation: str, _: object) -> None:
        if operation == "UpdateItem":
            script.meanwhile = None
            await shop.orgs.delete_org(ACME)
            await shop.dynamo.write(Delete(ledger_key(ACME)))

    script.meanwhile = delete
    with pytest.raises(NotFound):
        await command.deletions.exclude(ACME, OF_S)
    assert await shop.dynamo.get(ledger_key(ACME)) is None


async def test_large_rows_are_erased_a_few_at_a_time(shop: TableShop) -> None:
    for n in range(12):
        await wrote(shop, f"{n}" + "x" * 250_000, session_id="s")
    deletion = await shop.deletions.exclude(ACME, OF_S)
    command, script = scripted_shop(shop)
    assert (await command.deletions.erase(deletion)).from_journal == 12
    assert script.calls.count("TransactWriteItems") == 2


async def test_a_freed_claim_is_dropped_by_the_table_itself_in_the_end(shop: TableShop) -> None:
    memory = await wrote(shop, "x")
    await shop.deletions.bury(ACME, [grave_of(memory)])
    claim = await shop.dynamo.get(claim_key_of(ACME, SHARDS, claim_key(memory.dedup_key)))
    assert claim is not None
    assert claim["freed"]
    assert claim["ttl"] > (memory.time + WINDOW) // SECOND


async def test_graves_beyond_one_page_are_counted_and_read(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    memories = [await wrote(shop, str(n)) for n in range(5)]
    await shop.deletions.bury(ACME, [grave_of(memory) for memory in memories])
    command, _ = scripted_shop(shop)
    page = command.dynamo.page

    async def short(question: Question, start: str = "") -> Answer:
        return await page(replace(question, most=2), start)

    monkeypatch.setattr(command.dynamo, "page", short)
    monkeypatch.setattr("core.adapters.dynamodb.deletions.MOST_GRAVES", 5)
    with pytest.raises(TooManyDeletions):
        await command.deletions.bury(ACME, [(1, b"k" * 16)])
    assert (await lists.hidden(command.dynamo, ACME)).identities == frozenset(map(grave_of, memories))


# --- the flusher's side


async def test_progress_whose_answer_was_lost_is_counted_once(shop: TableShop) -> None:
    lease = await shop.leased()
    deletion = await shop.deletions.exclude(ACME, OF_S)
    flusher, script = scripted_shop(shop)
    for state in ("removed", "closed", "removed"):
        script.after = once(NO_ANSWER, "TransactWriteItems")
        assert await flusher.undertaker.progress(
            deletion, lease, state=state, from_store=2, due_at=None, reason=""
        )
    found = await shop.deletions.find_deletion(ACME, deletion.id)
    assert found is not None
    assert (found.state, found.from_store) == ("removed", 6)
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 1)
    assert tail.graves.exclusions == (deletion.exclusion,)


async def test_progress_beside_an_extension_leaves_the_extended_deletion_pending(shop: TableShop) -> None:
    lease = await shop.leased()
    deletion = await shop.deletions.exclude(ACME, OF_S)
    shop.clock.advance(1)
    flusher, script = scripted_shop(shop)

    async def extend(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            script.meanwhile = None
            await shop.deletions.exclude(ACME, OF_S)

    script.meanwhile = extend
    assert not await flusher.undertaker.progress(
        deletion, lease, state="closed", from_store=2, due_at=None, reason=""
    )
    found = await shop.deletions.find_deletion(ACME, deletion.id)
    assert found is not None
    assert (found.state, found.from_store) == ("pending", 2)


async def test_retention_whose_answer_was_lost_says_that_it_changed(shop: TableShop) -> None:
    lease = await shop.leased()
    flusher, script = scripted_shop(shop)
    for until in (1_000, 2_000):
        script.after = once(NO_ANSWER, "TransactWriteItems")
        deletion = await flusher.undertaker.retain(ACME, until, lease)
        assert deletion is not None
        assert deletion.exclusion == Exclusion(until=until)


@pytest.mark.parametrize("step", ["progress", "retain"])
async def test_who_lost_the_lease_on_the_way_changes_nothing(shop: TableShop, step: str) -> None:
    lease = await shop.leased()
    deletion = await shop.deletions.exclude(ACME, OF_S)
    flusher, script = scripted_shop(shop)

    async def take(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            script.meanwhile = None
            await shop.leases.release(lease)
            assert await shop.leases.acquire("another", 10)

    undertaker = flusher.undertaker
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "retain": lambda: undertaker.retain(ACME, 1, lease),
        "progress": lambda: undertaker.progress(
            deletion, lease, state="closed", from_store=1, due_at=None, reason=""
        ),
    }
    script.meanwhile = take
    with pytest.raises(LeaseLost):
        await steps[step]()
    assert await shop.deletions.list_deletions(ACME, 9) == [deletion]


async def test_an_org_that_is_deleted_meanwhile_has_no_retention(shop: TableShop) -> None:
    lease = await shop.leased()
    await wrote(shop, "x")
    flusher, script = scripted_shop(shop)

    async def delete(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            await shop.orgs.delete_org(ACME)

    script.meanwhile = delete
    assert await flusher.undertaker.retain(ACME, 1, lease) is None
    assert await shop.undertaker.free_claims(ACME, [(1, b"k" * 16)], lease) == 0


async def test_places_of_deletions_that_are_gone_are_cleared_away(shop: TableShop) -> None:
    deletion = await shop.deletions.exclude(ACME, OF_S)
    shop.clock.advance(1)  # this one is due first
    kept = await shop.deletions.exclude(OTHER, OF_S)
    await shop.dynamo.write(Delete(items.deletion_key(ACME, deletion.id)))
    assert await shop.undertaker.due_deletions(FOREVER, 1) == []
    assert await shop.undertaker.due_deletions(FOREVER, 1) == [kept]
    assert [i["org"] async for i in shop.dynamo.query(items.DUE)] == [OTHER]


async def test_a_deletion_that_is_put_off_while_it_is_listed_is_not_due(shop: TableShop) -> None:
    lease = await shop.leased()
    deletion = await shop.deletions.exclude(ACME, OF_S)
    flusher, script = scripted_shop(shop)

    async def put_off(operation: str, _: object) -> None:
        if operation == "BatchGetItem":
            script.meanwhile = None
            await shop.undertaker.progress(
                deletion, lease, state="removed", from_store=0, due_at=FOREVER, reason=""
            )

    script.meanwhile = put_off
    assert await flusher.undertaker.due_deletions(shop.clock.micros(), 9) == []


# --- the end of an org


async def test_a_deleted_org_leaves_only_a_tombstone(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "_SOME", 4)
    lease = await shop.leased()
    before = await everything(shop)
    await wrote(shop, "x", session_id="s")
    closed = await shop.deletions.exclude(ACME, OF_S)
    await shop.undertaker.progress(closed, lease, state="closed", from_store=0, due_at=None, reason="")
    await shop.deletions.bury(ACME, [(n, b"k" * 16) for n in range(10)])
    assert await shop.orgs.delete_org(ACME)
    left = [item for item in await everything(shop) if item not in before]
    assert [(item["pk"], item["sk"]) for item in left] == [ledger_key(ACME)]


async def test_deleting_an_org_that_breaks_off_anywhere_goes_on_when_asked_again(shop: TableShop) -> None:
    for broken in range(0, 60, 2):
        await wrote(shop, "x", session_id="s")
        await shop.deletions.exclude(ACME, OF_S)
        await shop.journal.append(ACME, [draft("y")], named("k"))
        command, script = scripted_shop(shop)
        script.before = after(broken)
        try:
            assert await command.orgs.delete_org(ACME)
            return
        except MetadataBusy:
            assert await shop.orgs.delete_org(ACME)
        left = [item for item in await everything(shop) if ACME in f"{item['pk']} {item['sk']}"]
        assert [(item["pk"], item["sk"]) for item in left] == [ledger_key(ACME)]
        assert not await shop.orgs.delete_org(ACME)
        await shop.dynamo.write(Put({"pk": f"ORG#{ACME}", "sk": "ORG"}))
        shop.clock.advance(FRESH_SECONDS)
        for pk in row_partitions(ACME, SHARDS):
            assert [item async for item in shop.dynamo.query(pk)] == []
    raise AssertionError("never ended by itself")
