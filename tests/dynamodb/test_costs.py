"""The cost model's numbers are those of the calls that are really made."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from core.model import costs
from core.model.costs import Load, read_units, write_calls
from core.model.memory import Draft, Memory, MemoryFilter, encode
from core.ports import Parcel
from tests.clock import ManualClock
from tests.contract.journals import ACME, ALWAYS
from tests.dynamodb.shops import SHARDS, TableShop, make_tables, open_shop
from tests.dynamodb.tables import LocalDynamodb
from tests.unit.fakes import draft


class Meter:
    """What was called since the last look, and what was written by these calls."""

    def __init__(self, api: LocalDynamodb) -> None:
        self._api = api
        self.read()

    def read(self) -> Counter[str]:
        """Calls by operation; items of transactions as `TransactWriteItems Put`."""
        found: Counter[str] = Counter()
        for operation, parameters in self._api.calls:
            found[operation] += 1
            found.update(_within(operation, parameters))
        self._api.calls.clear()
        return found


def _within(operation: str, parameters: Mapping[str, Any]) -> Sequence[str]:
    return [f"{operation} {kind}" for step in parameters.get("TransactItems", ()) for kind in step]


@pytest.fixture
async def shop(clock: ManualClock) -> TableShop:
    tables = await make_tables(clock)
    return open_shop(tables.dynamo, clock)


@pytest.fixture
async def meter(shop: TableShop) -> Meter:
    """From when on the org's shards are known, as they are after its first memory."""
    await shop.journal.append(ACME, [_draft(0)], None)
    api = shop.dynamo._api
    assert isinstance(api, LocalDynamodb)
    return Meter(api)


def _draft(number: int) -> Draft:
    return draft(dedup_key=f"key {number}", content=f"{number} " + "x" * 300)


async def written(shop: TableShop, count: int) -> list[Memory]:
    receipts = await shop.journal.append(ACME, [_draft(n) for n in range(1, count + 1)], None)
    memories = [one.memory for one in receipts]
    assert all(memories)
    return [one for one in memories if one is not None]


@pytest.mark.parametrize("batch", [1, 10, 60])
async def test_a_write_is_as_many_transactions_and_puts_as_the_model_says(
    shop: TableShop, meter: Meter, batch: int
) -> None:
    await written(shop, batch)
    assert meter.read() == {
        "TransactWriteItems": write_calls(batch, 700).transactions,
        "TransactWriteItems Put": costs.PUTS_A_MEMORY * batch,
    }


@pytest.mark.parametrize("batch", [1, 10, 60])
async def test_delivering_and_settling_write_what_the_model_says(
    shop: TableShop, meter: Meter, batch: int
) -> None:
    memories = await written(shop, batch)
    times = tuple(one.time for one in memories)
    lease = await shop.leases.acquire("flusher", 10)
    assert lease is not None
    meter.read()
    parcel = Parcel(ACME, times, b"\n".join(encode(one) for one in memories))
    assert await shop.outbox.delivered(parcel, None, shop.clock.micros()) == batch
    assert await shop.outbox.settled(ACME, times, lease) == batch
    made = meter.read()
    assert made["UpdateItem"] == costs.UPDATES_A_MEMORY * batch + costs.LEDGER_UPDATES
    assert made["DeleteItem"] == costs.DELETES_A_MEMORY * batch
    assert not {"PutItem", "TransactWriteItems", "BatchWriteItem"} & made.keys()


def test_write_units_are_those_of_these_calls() -> None:
    """Of items below 1 KiB, each of which is a unit, and two in a transaction."""
    once = costs.UPDATES_A_MEMORY + costs.DELETES_A_MEMORY
    for batch in (1, 10, 60):
        units = (2 * costs.PUTS_A_MEMORY + once) * batch + costs.LEDGER_UPDATES
        assert write_calls(batch, 700).write_units == units


async def test_a_read_asks_each_partition_once_and_no_more_than_the_model_says(
    shop: TableShop, meter: Meter
) -> None:
    await written(shop, 10)
    meter.read()
    await shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 100)
    made = meter.read()
    assert made["Query"] == SHARDS
    assert sum(made.values()) <= read_units(Load(writes=1, shards=SHARDS, tail_memories=10, memory_bytes=300))
