"""Moves, seeding and imports when answers are lost, and others delete or bind meanwhile."""

import pytest

from core.adapters.dynamodb.keys import claim_key_of, ledger_key
from core.adapters.dynamodb.statements import Put
from core.model.errors import Conflict, MetadataBusy, NotFound
from core.model.memory import Exclusion, MemoryFilter, Micros, claim_key
from core.ports import Looking, Parcel
from tests.contract.journals import ACME, ALWAYS, OTHER, WINDOW, draft
from tests.contract.test_moves import binding
from tests.dynamodb.scripted import NO_ANSWER, THROTTLED, always, once
from tests.dynamodb.shops import SHARDS, TableShop, open_shop, scripted_shop

FOREVER = 2**62
OF_S = Exclusion(until=FOREVER, session_id="s")


async def graves_of(shop: TableShop) -> tuple[Exclusion, ...]:
    return (await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 1)).graves.exclusions


async def closed(shop: TableShop) -> None:
    lease = await shop.leased()
    for rule in (OF_S, Exclusion(until=FOREVER, session_id="t")):
        deletion = await shop.deletions.exclude(ACME, rule)
        await shop.undertaker.progress(deletion, lease, state="closed", from_store=1, due_at=None, reason="")


async def bound_to(shop: TableShop) -> str:
    found = await shop.bindings.find_binding(ACME)
    return found.id if found else ""


@pytest.mark.parametrize("operation", ["PutItem", "UpdateItem", "TransactWriteItems"])
async def test_a_move_of_which_answers_were_lost_is_made(shop: TableShop, operation: str) -> None:
    await shop.bindings.put_binding(binding("arc_old"))
    await closed(shop)
    mover, script = scripted_shop(shop)
    for step in ("begin", "renew"):
        script.after = once(NO_ANSWER, operation)
        await getattr(mover.moves, step)(ACME, "me", 60)
    script.after = once(NO_ANSWER, operation)
    await mover.moves.finish(ACME, "me", binding("arc_new"), has_deleted=True)
    assert await bound_to(shop) == "arc_new"
    assert not await shop.moves.is_moving(ACME)
    assert len(await graves_of(shop)) == 2
    assert len(await shop.undertaker.due_deletions(shop.clock.micros(), 9)) == 2


async def test_a_switch_whose_answer_was_lost_is_known_by_its_binding(shop: TableShop) -> None:
    await shop.moves.begin(ACME, "me", 60)
    mover, script = scripted_shop(shop)
    script.after = once(NO_ANSWER, "TransactWriteItems")
    await mover.moves.finish(ACME, "me", binding("arc_new"), has_deleted=False)
    assert await bound_to(shop) == "arc_new"


async def test_a_move_that_is_over_opens_no_deletion_again(shop: TableShop) -> None:
    await shop.bindings.put_binding(binding("arc_old"))
    await closed(shop)
    await shop.moves.begin(ACME, "me", 60)
    shop.clock.advance(61)
    with pytest.raises(Conflict, match="took too long"):
        await shop.moves.finish(ACME, "me", binding("arc_new"), has_deleted=True)
    assert await graves_of(shop) == ()
    assert await bound_to(shop) == "arc_old"


async def test_an_org_that_goes_just_before_the_switch_is_not_found(shop: TableShop) -> None:
    await shop.moves.begin(ACME, "me", 60)
    mover, script = scripted_shop(shop)

    async def delete(operation: str, _: object) -> None:
        if operation == "TransactWriteItems":
            script.meanwhile = None
            await shop.orgs.delete_org(ACME)

    script.meanwhile = delete
    with pytest.raises(NotFound):
        await mover.moves.finish(ACME, "me", binding("arc_new"), has_deleted=False)
    assert await bound_to(shop) == ""


async def test_a_deletion_that_changes_while_it_is_opened_again_is_opened(shop: TableShop) -> None:
    await shop.moves.begin(ACME, "me", 60)
    lease = await shop.leased()
    deletion = await shop.deletions.exclude(ACME, OF_S)
    mover, script = scripted_shop(shop)

    async def progress(operation: str, told: object) -> None:
        if operation == "TransactWriteItems" and "pending" in str(told):
            script.meanwhile = None
            await shop.undertaker.progress(
                deletion, lease, state="removed", from_store=1, due_at=FOREVER, reason="later"
            )

    script.meanwhile = progress
    await mover.moves.finish(ACME, "me", binding("arc_new"), has_deleted=False)
    (found,) = await shop.undertaker.due_deletions(shop.clock.micros(), 9)
    assert (found.state, found.from_store, found.reason) == ("pending", 1, "")


async def test_two_that_begin_a_move_at_once(shop: TableShop) -> None:
    mover, script = scripted_shop(shop)

    async def begin(operation: str, _: object) -> None:
        if operation == "PutItem":
            script.meanwhile = None
            await shop.moves.begin(ACME, "other", 60)

    script.meanwhile = begin
    with pytest.raises(Conflict, match="being moved already"):
        await mover.moves.begin(ACME, "me", 60)


async def test_what_settles_while_it_is_requeued_is_not_counted(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.dynamodb.moves._SOME", 2)
    lease = await shop.leased()
    await shop.bindings.put_binding(binding("arc_old"))
    receipts = await shop.journal.append(ACME, [draft(str(n)) for n in range(9)], None)
    times = [receipt.memory.time for receipt in receipts if receipt.memory]
    await shop.outbox.delivered(Parcel(ACME, tuple(times), b""), lease, 0)
    mover, script = scripted_shop(shop)

    async def settle(operation: str, _: object) -> None:
        if operation == "UpdateItem":
            script.meanwhile = None
            assert await shop.outbox.settled(ACME, times[:3], lease, "arc_old") == 3

    script.meanwhile = settle
    assert await mover.moves.requeue(ACME) == 6
    assert (await shop.total()).owed == 6
    item = await shop.dynamo.get(ledger_key(ACME))
    assert item is not None
    assert item["delivered"] == 0


async def test_a_table_that_throttles_is_busy_for_movers(shop: TableShop) -> None:
    mover, script = scripted_shop(shop)
    script.before = always(THROTTLED)
    with pytest.raises(MetadataBusy):
        await mover.moves.begin(ACME, "me", 60)
    with pytest.raises(MetadataBusy):
        await mover.landing.ask_store_through(ACME, 1)
    with pytest.raises(MetadataBusy):
        await mover.seedings.unseeded()


# --- seeding and imports

OF_ACME = Looking(ACME, "arc_a")


async def seeded(shop: TableShop, version: int = 0, *, time: Micros | None = None) -> int | None:
    now = shop.clock.micros()
    claims = [(claim_key(key), time or now) for key in ("k", "l")]
    return await shop.seedings.claim(OF_ACME, claims, now - WINDOW, version)


@pytest.mark.parametrize("meanwhile", ["delete", "bind"])
async def test_claims_are_given_back_where_something_changes_meanwhile(
    shop: TableShop, meanwhile: str
) -> None:
    await shop.bindings.put_binding(binding("arc_a"))
    (own,) = await shop.journal.append(ACME, [draft("mine", key="l")], None)
    assert own.memory is not None
    seeder, script = scripted_shop(shop)

    async def change(operation: str, _: object) -> None:
        if operation != "PutItem":
            return
        script.meanwhile = None
        if meanwhile == "bind":
            await shop.bindings.put_binding(binding("arc_new"))
        else:
            await shop.deletions.bury(ACME, [(shop.clock.micros(), claim_key("k"))])

    script.meanwhile = change
    if meanwhile == "bind":
        with pytest.raises(Conflict):
            await seeded(seeder)
    else:
        assert await seeded(seeder) is None
    assert await shop.journal.claimed_at(ACME, "k") is None
    assert await shop.journal.claimed_at(ACME, "l") == own.memory.time
    assert (await shop.held())[2] == 1


async def test_a_claim_of_a_memory_that_is_deleted_after_the_second_look_is_freed(shop: TableShop) -> None:
    await shop.bindings.put_binding(binding("arc_a"))
    time = shop.clock.micros()
    assert await seeded(shop) == 2
    await shop.deletions.bury(ACME, [(time, claim_key("k"))])
    assert await shop.journal.claimed_at(ACME, "k") is None
    assert (await shop.journal.append(ACME, [draft("new", key="k")], None))[0].memory


async def test_an_org_that_goes_meanwhile_is_seeded_no_more(shop: TableShop) -> None:
    await shop.bindings.put_binding(binding("arc_a"))
    seeder, script = scripted_shop(shop)

    async def delete(operation: str, _: object) -> None:
        if operation == "BatchGetItem":
            script.meanwhile = None
            await shop.orgs.delete_org(ACME)

    script.meanwhile = delete
    assert await seeded(seeder) == 0


async def test_an_import_claims_in_pieces_and_ends_with_its_org(
    shop: TableShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.dynamodb.landing._CHUNK", 2)
    importer, script = scripted_shop(shop)
    now = shop.clock.micros()
    claims = [(claim_key(str(n)), now) for n in range(5)]
    assert await importer.landing.claim(OTHER, claims, now - WINDOW, 100) == 5

    async def delete(operation: str, _: object) -> None:
        if operation == "PutItem":
            script.meanwhile = None
            await shop.orgs.delete_org(ACME)

    script.meanwhile = delete
    assert await importer.landing.claim(ACME, claims, now - WINDOW, 100) == 2


async def test_a_seeded_claim_is_dropped_by_the_table_itself_in_the_end(shop: TableShop) -> None:
    await shop.bindings.put_binding(binding("arc_a"))
    await seeded(shop)
    claim = await shop.dynamo.get(claim_key_of(ACME, SHARDS, claim_key("k")))
    assert claim is not None
    assert claim["settled"]
    assert claim["ttl"] > shop.clock.micros() // 1_000_000


async def test_a_tombstone_of_an_org_that_was_made_again_makes_room_for_a_deletion(shop: TableShop) -> None:
    await shop.journal.append(ACME, [draft("before", session_id="s")], None)
    await shop.deletions.exclude(ACME, OF_S)
    await shop.orgs.delete_org(ACME)
    await shop.dynamo.write(Put({"pk": f"ORG#{ACME}", "sk": "ORG"}))
    shop.clock.advance(5)
    others = open_shop(shop.dynamo, shop.clock)
    deletion = await others.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="t"))
    assert await graves_of(shop) == (deletion.exclusion,)
