"""The promises of `Landing`: memories that came into the store by an import are known to the journal."""

from collections.abc import AsyncIterator

import pytest

from core.model.memory import Exclusion, MemoryFilter, OrgId, claim_key, id_from_claim
from core.ports import Tail
from tests.contract.journals import ACME, ALWAYS, OTHER, WINDOW, Installation, Shop, draft
from tests.contract.test_deletions import FOREVER, buried, settled, wrote

MANY = 1_000_000


@pytest.fixture
async def shop(installation: Installation) -> AsyncIterator[Shop]:
    async with installation.open() as opened:
        yield opened


async def tail(shop: Shop, org: OrgId = ACME) -> Tail:
    return await shop.journal.tail(org, MemoryFilter(), ALWAYS, "desc", 10)


async def claimed(shop: Shop, *claims: tuple[str, int], org: OrgId = ACME, most: int = MANY) -> int:
    alive_since = shop.clock.micros() - WINDOW
    return await shop.landing.claim(org, [(claim_key(key), time) for key, time in claims], alive_since, most)


async def test_the_store_is_asked_for_what_was_imported(shop: Shop) -> None:
    waiting = await wrote(shop, "waits")
    later = shop.clock.micros() + 1_000_000
    for time in (later, later - 500):
        await shop.landing.ask_store_through(ACME, time)
    found = await tail(shop)
    assert found.settled_through == later
    assert found.memories == [waiting]


async def test_an_org_that_never_wrote_is_asked_for_everything_anyway(shop: Shop) -> None:
    await shop.landing.ask_store_through(OTHER, 5)
    assert (await tail(shop, OTHER)).settled_through == shop.clock.micros()


async def test_an_equal_memory_is_a_duplicate_of_the_imported_one(shop: Shop) -> None:
    time = shop.clock.micros() - 1_000
    assert await claimed(shop, ("k", time), ("l", time + 1)) == 2
    assert await shop.journal.claimed_at(ACME, "k") == time
    (receipt,) = await shop.journal.append(ACME, [draft("equal", key="k")], None)
    assert receipt.memory is None
    assert receipt.id == id_from_claim(time, claim_key("k"))
    assert (await shop.journal.append(OTHER, [draft("equal", key="k")], None))[0].memory


async def test_claiming_again_changes_nothing(shop: Shop) -> None:
    time = shop.clock.micros() - 1_000
    assert await claimed(shop, ("k", time)) == 1
    assert await claimed(shop, ("k", time), ("k", time + 5)) == 0
    assert await shop.journal.claimed_at(ACME, "k") == time


async def test_who_holds_a_key_and_is_alive_keeps_it(shop: Shop) -> None:
    lease = await shop.leased()
    owed = await wrote(shop, "owed", key="k")
    done = await settled(shop, await wrote(shop, "done", key="l"), lease)
    shop.clock.advance(1)
    now = shop.clock.micros()
    assert await claimed(shop, ("k", now), ("l", now)) == 0
    assert await shop.journal.claimed_at(ACME, "k") == owed.time
    assert await shop.journal.claimed_at(ACME, "l") == done.time


async def test_what_is_owed_keeps_its_key_for_as_long_as_that_takes(shop: Shop) -> None:
    owed = await wrote(shop, "owed", key="k")
    shop.clock.advance(30 * 3600)
    assert await claimed(shop, ("k", shop.clock.micros())) == 0
    assert await shop.journal.claimed_at(ACME, "k") == owed.time


async def test_a_settled_claim_whose_window_is_over_gives_way(shop: Shop) -> None:
    lease = await shop.leased()
    await settled(shop, await wrote(shop, "old", key="k"), lease)
    shop.clock.advance(25 * 3600)
    now = shop.clock.micros()
    assert await claimed(shop, ("k", now)) == 1
    assert await shop.journal.claimed_at(ACME, "k") == now


async def test_the_claim_of_a_deleted_memory_gives_way(shop: Shop) -> None:
    await buried(shop, await wrote(shop, "deleted", key="k"))
    now = shop.clock.micros() + 5
    assert await claimed(shop, ("k", now)) == 1
    assert await shop.journal.claimed_at(ACME, "k") == now


async def test_no_more_claims_are_held_than_asked_for(shop: Shop) -> None:
    time = shop.clock.micros()
    assert await claimed(shop, *((str(n), time) for n in range(5)), most=3) == 3
    assert (await shop.total()).claims == 3
    assert await claimed(shop, *((str(n), time) for n in range(5, 9)), most=3) == 0


async def test_an_org_that_is_gone_gets_no_claims(shop: Shop) -> None:
    assert await claimed(shop, ("k", 1), org=OrgId("org_nowhere")) == 0


async def test_what_was_ever_deleted_is_known(shop: Shop) -> None:
    lease = await shop.leased()
    first, second = await wrote(shop, "a"), await wrote(shop, "b")
    closed = await buried(shop, first)
    await shop.undertaker.progress(closed, lease, state="closed", from_store=0, due_at=None, reason="")
    await buried(shop, second)
    rule = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    graves = await shop.landing.buried(ACME, [first.time, first.time + 1_000])
    assert graves.identities == {closed.grave}
    assert graves.exclusions == (rule.exclusion,)
    assert (await shop.landing.buried(ACME, [])).identities == frozenset()
    assert not await shop.landing.buried(OTHER, [first.time])


async def test_a_move_is_seen(shop: Shop) -> None:
    await shop.moves.begin(ACME, "token", 60)
    assert await shop.landing.is_moving(ACME)
    assert not await shop.landing.is_moving(OTHER)
    shop.clock.advance(61)
    assert not await shop.landing.is_moving(ACME)
