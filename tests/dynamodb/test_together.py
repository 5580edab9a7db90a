"""Edges and flushers at one table, all at once, while calls fail before or after they are carried out."""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.adapters.aws.api import AwsError
from core.model.errors import LeaseLost, MetadataBusy
from core.model.memory import MemoryFilter, claim_key, decode, id_from_claim
from core.ports import IdempotencyKey, Parcel
from tests.contract.journals import ACME, ALWAYS, draft, named
from tests.dynamodb.scripted import NO_ANSWER, THROTTLED, ScriptedAws, cancelled
from tests.dynamodb.shops import TableShop, scripted_shop

_FAULTS = (NO_ANSWER, THROTTLED, cancelled("None", "TransactionConflict"))
_BUSY = 5_000


@dataclass
class World:
    """A store, and what edges were told. `told`: ids by dedup key; `created`: how often each id was new."""

    dice: random.Random
    store: set[str] = field(default_factory=set)
    told: dict[str, set[str]] = field(default_factory=dict)
    created: dict[str, int] = field(default_factory=dict)

    def spoil(self, script: ScriptedAws) -> None:
        """One call in ten fails, as often after as before it was carried out."""

        def fails(_: str, __: Mapping[str, Any]) -> AwsError | None:
            return self.dice.choice(_FAULTS) if self.dice.random() < 0.05 else None

        script.before = script.after = fails


async def write(world: World, shop: TableShop, name: str) -> None:
    """Batches with keys that others write too; what fails is repeated under the same idempotency key."""
    for number in range(6):
        keys = [str(world.dice.randrange(25)) for _ in range(world.dice.randrange(1, 5))]
        drafts = [draft(f"content {key}", key=key) for key in keys]
        request = named(f"{name}{number}") if world.dice.random() < 0.7 else None
        while (receipts := await attempt(shop, drafts, request)) is None:
            pass
        for key, receipt in zip(keys, receipts, strict=True):
            world.told.setdefault(key, set()).add(receipt.id)
            if receipt.memory is not None:
                world.created[receipt.id] = world.created.get(receipt.id, 0) + 1


async def attempt(shop: TableShop, drafts: list[Any], request: IdempotencyKey | None) -> Any:
    try:
        return await shop.journal.append(ACME, drafts, request)
    except MetadataBusy:
        return None


async def flush(world: World, shop: TableShop, name: str) -> None:
    """Delivers what it finds and settles what the store shows; never gives up."""
    for _ in range(12):
        try:
            await flush_once(world, shop, name)
        except (MetadataBusy, LeaseLost):
            continue


async def flush_once(world: World, shop: TableShop, name: str) -> None:
    parcel = await shop.outbox.due(ACME, shop.clock.micros() + 10**9, world.dice.randrange(1, 9), 1 << 20)
    if parcel is not None:
        world.store |= {decode(line).id for line in parcel.lines.split(b"\n")}
        await shop.outbox.delivered(parcel, None, 0)
    lease = await shop.leases.acquire(world.dice.choice([name, "someone"]), 0)
    if lease is None:
        return
    rows = await shop.outbox.delivered_rows(ACME, 6)
    seen = [r.time for r in rows if id_from_claim(r.time, claim_key(r.dedup_key)) in world.store]
    if world.dice.random() < 0.2:
        await shop.outbox.owed_again(ACME, seen[:1], lease)
    await shop.outbox.settled(ACME, seen, lease)


async def read(world: World, shop: TableShop) -> None:
    """Whatever was told before a read began is in the tail, or the store is to be asked for it."""
    for _ in range(10):
        told = {id for ids in world.told.values() for id in ids}
        try:
            tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 1_000)
        except MetadataBusy:
            continue
        missing = told - {memory.id for memory in tail.memories}
        assert all(int(id[4:18], 16) <= tail.settled_through and id in world.store for id in missing)


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_told_is_lost_and_every_key_has_one_memory(shop: TableShop, seed: int) -> None:
    world = World(random.Random(seed))
    edges = [scripted_shop(shop) for _ in range(3)]
    flushers = [scripted_shop(shop) for _ in range(2)]
    for _, script in edges + flushers:
        world.spoil(script)
    await asyncio.gather(
        *(write(world, edge, name) for (edge, _), name in zip(edges, "abc", strict=True)),
        *(flush(world, flusher, name) for (flusher, _), name in zip(flushers, "xy", strict=True)),
        read(world, edges[0][0]),
        read(world, shop),
    )
    tail = await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 1_000)
    kept = {memory.id for memory in tail.memories} | world.store
    assert all(len(ids) == 1 for ids in world.told.values()), "everybody was told the same winner"
    assert {id for ids in world.told.values() for id in ids} <= kept, "nothing that was told is lost"
    assert len(kept) == len({id[18:] for id in kept}), "no key was stored twice"
    assert all(count == 1 for count in world.created.values()), "each is new to one request alone"
    shop.clock.advance(1)
    await finish(world, shop)


async def finish(world: World, shop: TableShop) -> None:
    """Everything settles once the faults are over, and leaves nothing behind."""
    lease = await shop.leased()
    while (parcel := await owed(shop)) is not None:
        world.store |= {decode(line).id for line in parcel.lines.split(b"\n")}
        await shop.outbox.delivered(parcel, lease, 0)
    rows = await shop.outbox.delivered_rows(ACME, _BUSY)
    await shop.outbox.settled(ACME, [row.time for row in rows], lease)
    total = await shop.total()
    assert (total.owed, total.delivered, total.bytes) == (0, 0, 0)
    assert total.claims == len(world.store)


async def owed(shop: TableShop) -> Parcel | None:
    return await shop.outbox.due(ACME, shop.clock.micros() + 10**9, 100, 1 << 20)
