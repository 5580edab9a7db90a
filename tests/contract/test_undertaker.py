"""The promises of `Undertaker`: what the flusher writes down about deletions, and only while it may."""

from collections.abc import AsyncIterator

import pytest

from core.model.errors import LeaseLost
from core.model.memory import Exclusion, MemoryFilter, OrgId, claim_key
from core.ports import Lease, Tail
from tests.contract.journals import ACME, ALWAYS, OTHER, Installation, Shop, draft, named
from tests.contract.test_deletions import FOREVER, buried, settled, wrote

STRANGER = Lease("stranger:1", 99)


@pytest.fixture
async def shop(installation: Installation) -> AsyncIterator[Shop]:
    async with installation.open() as opened:
        yield opened


async def tail(shop: Shop) -> Tail:
    return await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 10)


async def test_deletions_are_due_at_once_and_again_when_they_say(shop: Shop) -> None:
    lease = await shop.leased()
    first = await buried(shop, await wrote(shop, "x"))
    shop.clock.advance(1)
    second = await shop.deletions.exclude(OTHER, Exclusion(until=FOREVER))
    now = shop.clock.micros()
    assert await shop.undertaker.due_deletions(now, 10) == [first, second]
    assert await shop.undertaker.due_deletions(now, 1) == [first]
    assert await shop.undertaker.due_deletions(first.requested_at - 1, 10) == []
    assert await shop.undertaker.progress(
        first, lease, state="removed", from_store=3, due_at=now + 60, reason="will look again"
    )
    assert await shop.undertaker.due_deletions(now, 10) == [second]
    _, again = await shop.undertaker.due_deletions(now + 60, 10)
    assert (again.state, again.from_store, again.checked_at, again.reason) == (
        "removed",
        3,
        now,
        "will look again",
    )


async def test_a_closed_deletion_hides_nothing_and_is_never_due(shop: Shop) -> None:
    lease = await shop.leased()
    deletion = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    assert (await tail(shop)).graves
    for state in ("removed", "closed"):
        assert await shop.undertaker.progress(
            deletion, lease, state=state, from_store=2, due_at=None, reason=""
        )
    assert not (await tail(shop)).graves
    assert await shop.undertaker.due_deletions(FOREVER, 10) == []
    found = await shop.deletions.find_deletion(ACME, deletion.id)
    assert found is not None
    assert (found.state, found.from_store) == ("closed", 4)


async def test_a_deletion_that_was_extended_meanwhile_stays_pending(shop: Shop) -> None:
    lease = await shop.leased()
    seen = await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    shop.clock.advance(1)
    await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s"))
    assert not await shop.undertaker.progress(
        seen, lease, state="removed", from_store=1, due_at=FOREVER, reason=""
    )
    (found,) = await shop.undertaker.due_deletions(shop.clock.micros(), 10)
    assert (found.state, found.from_store) == ("pending", 1)


async def test_progress_of_a_deletion_that_went_with_its_org_is_nobodys(shop: Shop) -> None:
    lease = await shop.leased()
    deletion = await buried(shop, await wrote(shop, "x"))
    assert await shop.orgs.delete_org(ACME)
    assert await shop.undertaker.due_deletions(shop.clock.micros(), 10) == []
    assert not await shop.undertaker.progress(
        deletion, lease, state="removed", from_store=1, due_at=None, reason=""
    )


async def test_claims_of_settled_memories_are_freed_for_others(shop: Shop) -> None:
    lease = await shop.leased()
    first = await shop.journal.append(ACME, [draft("x", session_id="s")], named("k"))
    assert first[0].memory is not None
    gone = await settled(shop, first[0].memory, lease)
    kept = await settled(shop, await wrote(shop, "y"), lease)
    graves = [(gone.time, claim_key(gone.dedup_key)), (kept.time, claim_key("no such key"))]
    assert await shop.undertaker.free_claims(ACME, graves, lease) == 1
    assert await shop.undertaker.free_claims(ACME, graves, lease) == 0
    assert await shop.undertaker.free_claims(OrgId("org_none"), graves, lease) == 0
    assert await shop.journal.claimed_at(ACME, gone.dedup_key) is None
    assert await shop.journal.claimed_at(ACME, kept.dedup_key) == kept.time
    assert await shop.journal.append(ACME, [draft("x", session_id="s")], named("k")) == first
    assert await shop.contents() == []
    assert (await wrote(shop, "x", session_id="s")).time > gone.time


async def test_retention_is_one_deletion_that_only_grows(shop: Shop) -> None:
    lease = await shop.leased()
    old = await wrote(shop, "old")
    shop.clock.advance(10)
    await wrote(shop, "young")
    first = await shop.undertaker.retain(ACME, old.time + 1, lease)
    assert first is not None
    assert first.exclusion == Exclusion(until=old.time + 1)
    assert await shop.contents() == ["young"]
    assert await shop.undertaker.retain(ACME, old.time, lease) is None
    await shop.undertaker.progress(first, lease, state="closed", from_store=1, due_at=None, reason="")
    second = await shop.undertaker.retain(ACME, FOREVER, lease)
    assert second is not None
    assert (second.id, second.state, second.from_store) == (first.id, "pending", 1)
    assert second.exclusion == Exclusion(until=shop.clock.micros())
    assert await shop.undertaker.retain(OrgId("org_none"), 1, lease) is None


async def test_a_persons_deletion_is_never_mixed_with_retention(shop: Shop) -> None:
    lease = await shop.leased()
    kept = await shop.undertaker.retain(ACME, 1_000, lease)
    assert kept is not None
    asked = await shop.deletions.exclude(ACME, Exclusion(until=2_000))
    assert asked.id != kept.id


async def test_nothing_is_written_down_without_the_lease(shop: Shop) -> None:
    await shop.leased()
    deletion = await buried(shop, await wrote(shop, "x"))
    with pytest.raises(LeaseLost):
        await shop.undertaker.progress(
            deletion, STRANGER, state="closed", from_store=1, due_at=None, reason=""
        )
    with pytest.raises(LeaseLost):
        await shop.undertaker.free_claims(ACME, [(1, b"k")], STRANGER)
    with pytest.raises(LeaseLost):
        await shop.undertaker.retain(ACME, 1, STRANGER)
    assert await shop.deletions.find_deletion(ACME, deletion.id) == deletion
