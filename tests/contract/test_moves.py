"""The promises of `Moves`: while an org moves nothing of it settles, and the switch is one step."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from core.model.deletion import Graves
from core.model.errors import Conflict, NotFound
from core.model.memory import Exclusion, MemoryFilter, OrgId
from core.model.tenant import SealedBinding
from core.ports import Lease, Moves, Parcel
from tests.contract.journals import ACME, ALWAYS, OTHER, Installation, Shop, draft


@dataclass
class Yard:
    shop: Shop
    lease: Lease

    @property
    def moves(self) -> Moves:
        return self.shop.moves

    async def delivered(self, *contents: str) -> Parcel:
        await self.shop.journal.append(ACME, [draft(c) for c in contents], None)
        (parcel,) = await self.shop.queue.receive(10_000, 1 << 30)
        await self.shop.outbox.delivered(parcel, self.lease, 0)
        return parcel

    async def settle(self, parcel: Parcel, seen_in: str | None = "arc_old") -> int:
        return await self.shop.outbox.settled(ACME, parcel.times, self.lease, seen_in)

    async def graves(self) -> Graves:
        return (await self.shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "desc", 1)).graves

    async def bound_to(self) -> str | None:
        found = await self.shop.bindings.find_binding(ACME)
        return found.id if found else None


def binding(id: str, org: OrgId = ACME) -> SealedBinding:
    return SealedBinding(id, org, f"file:/{id}", "memory", "events", 1, b"", b"")


@pytest.fixture
async def yard(installation: Installation) -> AsyncIterator[Yard]:
    async with installation.open() as shop:
        await shop.bindings.put_binding(binding("arc_old"))
        yield Yard(shop, await shop.leased())


async def test_nothing_settles_while_its_org_is_moving(yard: Yard) -> None:
    parcel = await yard.delivered("a", "b")
    await yard.moves.begin(ACME, "me", 60)
    assert await yard.moves.is_moving(ACME)
    assert await yard.settle(parcel) == 0
    await yard.moves.abandon(ACME, "me")
    assert not await yard.moves.is_moving(ACME)
    assert await yard.settle(parcel) == 2


async def test_another_org_settles_while_one_is_moving(yard: Yard) -> None:
    await yard.moves.begin(OTHER, "me", 60)
    assert await yard.settle(await yard.delivered("a")) == 1


async def test_a_move_that_is_not_renewed_is_over(yard: Yard) -> None:
    await yard.moves.begin(ACME, "me", 60)
    yard.shop.clock.advance(59)
    await yard.moves.renew(ACME, "me", 60)
    yard.shop.clock.advance(61)
    parcel = await yard.delivered("a")
    assert await yard.settle(parcel) == 1
    with pytest.raises(Conflict, match="took too long"):
        await yard.moves.renew(ACME, "me", 60)
    with pytest.raises(Conflict, match="took too long"):
        await yard.moves.finish(ACME, "me", binding("arc_new"), has_deleted=False)
    assert await yard.bound_to() == "arc_old"


async def test_one_move_of_an_org_at_a_time(yard: Yard) -> None:
    await yard.moves.begin(ACME, "me", 60)
    with pytest.raises(Conflict, match="being moved already"):
        await yard.moves.begin(ACME, "you", 60)
    await yard.moves.abandon(ACME, "you")
    assert await yard.moves.is_moving(ACME)
    yard.shop.clock.advance(61)
    await yard.moves.begin(ACME, "you", 60)
    with pytest.raises(Conflict):
        await yard.moves.finish(ACME, "me", binding("arc_new"), has_deleted=False)


async def test_finishing_switches_the_binding_and_what_was_seen_in_the_old_store_does_not_settle(
    yard: Yard,
) -> None:
    parcel = await yard.delivered("a", "b", "c")
    await yard.moves.begin(ACME, "me", 60)
    await yard.moves.finish(ACME, "me", binding("arc_new"), has_deleted=False)
    assert await yard.bound_to() == "arc_new"
    assert not await yard.moves.is_moving(ACME)
    assert await yard.settle(parcel, "arc_old") == 0
    assert await yard.moves.requeue(ACME) == 3
    due = await yard.shop.outbox.due(ACME, yard.shop.clock.micros(), 10, 1 << 30)
    assert due is not None
    assert due.times == parcel.times


async def test_many_delivered_memories_are_requeued_in_turns(yard: Yard) -> None:
    await yard.delivered(*[str(n) for n in range(yard.shop.many)])
    assert await yard.moves.requeue(ACME) == yard.shop.many
    assert await yard.moves.requeue(ACME) == 0
    assert await yard.moves.requeue(OTHER) == 0


async def test_a_move_of_an_org_that_is_deleted_meanwhile_ends_without_a_binding(yard: Yard) -> None:
    await yard.moves.begin(ACME, "me", 60)
    await yard.shop.orgs.delete_org(ACME)
    with pytest.raises(NotFound):
        await yard.moves.finish(ACME, "me", binding("arc_new"), has_deleted=False)
    assert await yard.bound_to() is None


async def test_nothing_settles_once_its_binding_is_gone(yard: Yard) -> None:
    parcel = await yard.delivered("a")
    await yard.shop.bindings.remove_binding(ACME)
    assert await yard.settle(parcel) == 0


@pytest.mark.parametrize("has_deleted", [True, False])
async def test_closed_deletions_are_in_force_again_where_the_new_store_has_what_they_deleted(
    yard: Yard, has_deleted: bool
) -> None:
    shop, now = yard.shop, yard.shop.clock.micros()
    rule = Exclusion(until=now, session_id="gone")
    closed = await shop.deletions.exclude(ACME, rule)
    await shop.undertaker.progress(closed, yard.lease, state="closed", from_store=1, due_at=None, reason="")
    await shop.deletions.exclude(ACME, Exclusion(until=now, session_id="open"))
    assert rule in (await yard.moves.buried(ACME, [])).exclusions
    assert rule not in (await yard.graves()).exclusions
    await yard.moves.begin(ACME, "me", 60)
    await yard.moves.finish(ACME, "me", binding("arc_new"), has_deleted=has_deleted)
    assert (rule in (await yard.graves()).exclusions) == has_deleted
    due = await shop.undertaker.due_deletions(yard.shop.clock.micros(), 10)
    assert [d.state for d in due] == ["pending"] * (2 if has_deleted else 1)
