"""The stand-in for DynamoDB: transactions undone and queries answered as by moto, and both cheap."""

import copy

import pytest
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table

from core.adapters.dynamodb.client import Cancelled, Dynamo
from core.adapters.dynamodb.statements import Check, Delete, Put, Update
from core.adapters.dynamodb.table import PK, SK
from tests.dynamodb.tables import LocalDynamodb, fresh_table

A, B, C = ("p", "a"), ("p", "b"), ("q", "c")


@pytest.fixture
async def table() -> Dynamo:
    table = await fresh_table(LocalDynamodb())
    await table.batch_write([{PK: pk, SK: sk, "n": 1, "list": ["x"]} for pk, sk in (A, B)])
    return table


async def test_a_transaction_that_fails_leaves_nothing_changed(table: Dynamo) -> None:
    before = await table.batch_get((A, B, C))
    with pytest.raises(Cancelled) as met:
        await table.transact(
            [
                Update(A, "SET #n = :two, #list[0] = :y", "", {"two": 2, "y": "y"}),
                Delete(B),
                Put({PK: C[0], SK: C[1], "n": 3}),
                Check(("p", "none"), "attribute_exists(#pk)"),
            ]
        )
    assert [refusal.failed for refusal in met.value.refusals] == [False, False, False, True]
    assert await table.batch_get((A, B, C)) == before


async def test_a_transaction_that_holds_changes_all(table: Dynamo) -> None:
    await table.transact(
        [Update(A, "SET #n = :two", "", {"two": 2}), Delete(B), Put({PK: C[0], SK: C[1], "n": 3})]
    )
    after = await table.batch_get((A, B, C))
    assert {key: item["n"] for key, item in after.items()} == {A: 2, C: 3}


async def test_what_failed_can_be_changed_afterwards(table: Dynamo) -> None:
    for _ in range(2):
        with pytest.raises(Cancelled):
            await table.transact([Update(A, "ADD #n :one", "#n = :none", {"one": 1, "none": 9}), Delete(B)])
    await table.transact([Update(A, "ADD #n :one", "", {"one": 1}), Delete(B)])
    after = await table.batch_get((A, B))
    assert {key: item["n"] for key, item in after.items()} == {A: 2}


async def test_a_large_table_is_not_copied_item_by_item(
    table: Dynamo, monkeypatch: pytest.MonkeyPatch
) -> None:
    await table.batch_write([{PK: "many", SK: f"{n:04}"} for n in range(300)])
    copied: list[object] = []
    real = copy.deepcopy

    def counting(value: object, memo: dict[int, object] | None = None) -> object:
        copied.append(value)
        return real(value, memo)

    monkeypatch.setattr(copy, "deepcopy", counting)
    await table.transact([Update(A, "SET #n = :two", "", {"two": 2}), Delete(B)])
    assert 0 < len(copied) < 100


async def test_a_query_looks_at_nothing_but_its_partition(
    table: Dynamo, monkeypatch: pytest.MonkeyPatch
) -> None:
    await table.batch_write([{PK: "many", SK: f"{n:04}"} for n in range(60)])
    looked_at: list[int] = []
    real = Table.all_items

    def counting(self: Table) -> list[Item]:
        items = real(self)
        looked_at.append(len(items))
        return items

    monkeypatch.setattr(Table, "all_items", counting)
    assert [item[SK] async for item in table.query("p", ascending=False)] == ["b", "a"]
    assert [item[SK] async for item in table.query("many", since="0058")] == ["0058", "0059"]
    assert [item async for item in table.query("none")] == []
    assert looked_at == [2, 60, 0]
