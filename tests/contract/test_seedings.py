"""The promises of `Seedings`: what stores held before is claimed once, and what is deleted never is."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from core.model.deletion import NO_GRAVES
from core.model.errors import Conflict
from core.model.memory import Exclusion, Micros, claim_key
from core.ports import Looking
from tests.contract.journals import ACME, MOST_SEEDED, OTHER, WINDOW, Installation, Shop, draft
from tests.contract.test_deletions import FOREVER
from tests.contract.test_moves import binding

OF_ACME = Looking(ACME, "arc_a")
OF_OTHER = Looking(OTHER, "arc_o")


@pytest.fixture
async def shop(installation: Installation) -> AsyncIterator[Shop]:
    async with installation.open() as opened:
        await opened.bindings.put_binding(binding("arc_o", OTHER))
        await opened.bindings.put_binding(binding("arc_a", ACME))
        yield opened


async def claimed(shop: Shop, *claims: tuple[str, Micros], version: int = 0) -> int | None:
    keys = [(claim_key(key), time) for key, time in claims]
    return await shop.seedings.claim(OF_ACME, keys, shop.clock.micros() - WINDOW, version)


async def test_bindings_are_unseeded_until_they_are_done(shop: Shop) -> None:
    assert await shop.seedings.unseeded() == [OF_ACME, OF_OTHER]
    begun = replace(OF_ACME, began=100, reached=60)
    await shop.seedings.note(begun)
    assert await shop.seedings.unseeded() == [begun, OF_OTHER]
    again = replace(begun, reached=0, again_at=500)
    await shop.seedings.note(again)
    assert await shop.seedings.unseeded() == [again, OF_OTHER]
    for _ in range(2):
        await shop.seedings.note(again, is_done=True)
        assert await shop.seedings.unseeded() == [OF_OTHER]


async def test_what_is_done_is_not_begun_again_by_somebody_who_is_late(shop: Shop) -> None:
    await shop.seedings.note(replace(OF_ACME, began=100), is_done=True)
    await shop.seedings.note(replace(OF_ACME, began=100, reached=50))
    assert await shop.seedings.unseeded() == [OF_OTHER]


async def test_a_new_binding_is_looked_at_from_the_beginning(shop: Shop) -> None:
    await shop.seedings.note(replace(OF_ACME, began=100), is_done=True)
    await shop.bindings.put_binding(binding("arc_new", ACME))
    await shop.seedings.note(replace(OF_ACME, began=100, reached=50))
    assert await shop.seedings.unseeded() == [Looking(ACME, "arc_new"), OF_OTHER]
    await shop.bindings.remove_binding(ACME)
    assert await shop.seedings.unseeded() == [OF_OTHER]


async def test_stored_memories_get_their_keys_also_where_the_org_never_wrote(shop: Shop) -> None:
    time = shop.clock.micros() - 5_000
    assert await claimed(shop, ("k", time), ("l", time)) == 2
    assert await claimed(shop, ("k", time)) == 0
    (receipt,) = await shop.journal.append(ACME, [draft("equal", key="k")], None)
    assert receipt.memory is None
    assert await shop.journal.claimed_at(ACME, "l") == time


async def test_no_more_claims_are_made_than_may_be(shop: Shop) -> None:
    time = shop.clock.micros()
    assert await claimed(shop, *((str(n), time) for n in range(MOST_SEEDED + 3))) == MOST_SEEDED


async def test_claims_are_made_only_under_what_is_known_to_be_deleted(shop: Shop) -> None:
    assert await shop.seedings.hidden(ACME) == (0, NO_GRAVES)
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    version, graves = await shop.seedings.hidden(ACME)
    assert graves.exclusions == (deletion.exclusion,)
    assert await claimed(shop, ("k", 5)) is None
    assert await shop.journal.claimed_at(ACME, "k") is None
    assert await claimed(shop, ("k", shop.clock.micros()), version=version) == 1


async def test_nothing_is_claimed_for_a_store_that_is_in_force_no_longer(shop: Shop) -> None:
    await shop.bindings.put_binding(binding("arc_new", ACME))
    with pytest.raises(Conflict, match="another store"):
        await claimed(shop, ("k", shop.clock.micros()))
    assert await shop.journal.claimed_at(ACME, "k") is None
    await shop.bindings.remove_binding(ACME)
    with pytest.raises(Conflict):
        await claimed(shop, ("k", shop.clock.micros()))
