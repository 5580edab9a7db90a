"""Calls on the table: values come back as they went, and every refusal is one of our errors."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.aws.api import AwsError
from core.adapters.dynamodb.client import (
    Cancelled,
    ConditionFailed,
    Dynamo,
    together,
)
from core.adapters.dynamodb.items import decoded, encoded, from_attribute, size_of
from core.adapters.dynamodb.statements import Check, Delete, Put, Update
from core.adapters.dynamodb.table import check, create, creation
from core.model.errors import DatabaseError, MemtraceError, MetadataBusy
from tests.dynamodb.scripted import DENIED, NO_ANSWER, THROTTLED, ScriptedAws, always, cancelled
from tests.dynamodb.tables import LocalDynamodb, fresh_table

plain = st.recursive(
    st.text(max_size=9)
    | st.integers(-(10**37), 10**37)
    | st.floats(-1e30, 1e30).filter(lambda f: f == 0 or abs(f) > 1e-30)
    | st.binary(max_size=9)
    | st.booleans()
    | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ABSENT = "attribute_not_exists(#pk)"


@given(st.dictionaries(st.text(min_size=1, max_size=9), plain, max_size=5))
def test_what_is_encoded_comes_back(item: dict[str, Any]) -> None:
    assert decoded(encoded(item)) == item


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object()])
def test_what_dynamodb_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        encoded({"v": value})


def test_an_attribute_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError):
        from_attribute({"SS": ["a"]})


def test_sizes_are_counted_as_dynamodb_counts_them_or_larger() -> None:
    item = {"é": "ü", "b": b"123", "n": 5, "t": True, "l": ["a"], "m": {"k": None}}
    assert size_of(item) == (2 + 2) + (1 + 3) + (1 + 21) + (1 + 1) + (1 + 3 + 2) + (1 + 3 + 2 + 1)


async def test_a_table_is_made_once_and_found_right(dynamodb: LocalDynamodb) -> None:
    await create(dynamodb, "made", timeout=30)
    await create(dynamodb, "made", timeout=30)
    await check(dynamodb, "made", timeout=30)
    told = await dynamodb.call("dynamodb", "DescribeTimeToLive", {"TableName": "made"}, 5)
    assert told["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}


async def test_a_table_that_is_missing_or_has_other_keys_is_refused(dynamodb: LocalDynamodb) -> None:
    with pytest.raises(DatabaseError, match="missing cannot be used"):
        await check(dynamodb, "missing", timeout=30)
    other = creation("other") | {
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    }
    await dynamodb.call("dynamodb", "CreateTable", other, 5)
    with pytest.raises(DatabaseError, match="other keys"):
        await check(dynamodb, "other", timeout=30)


async def test_a_table_that_is_not_ready_or_may_not_be_made_is_refused(dynamodb: LocalDynamodb) -> None:
    await create(dynamodb, "deleting", timeout=30)
    api = ScriptedAws(dynamodb)
    api.change = lambda _, answer: {"Table": answer["Table"] | {"TableStatus": "DELETING"}}
    with pytest.raises(DatabaseError, match="is DELETING"):
        await check(api, "deleting", timeout=30)
    api.before = always(DENIED)
    with pytest.raises(DatabaseError, match="cannot be made: AccessDenied"):
        await create(api, "denied", timeout=30)


async def test_items_are_put_read_changed_and_deleted(dynamo: Dynamo) -> None:
    assert await dynamo.get(("a", "1")) is None
    await dynamo.write(Put({"pk": "a", "sk": "1", "n": 1, "text": "x"}, ABSENT))
    assert await dynamo.get(("a", "1"), only=("n",)) == {"n": 1}
    change = Update(("a", "1"), "SET #n = #n + :one REMOVE #text", "#n = :now", {"one": 1, "now": 1})
    assert await dynamo.write(change, returning="new") == {"pk": "a", "sk": "1", "n": 2}
    assert await dynamo.write(Delete(("a", "1")), returning="old") == {"pk": "a", "sk": "1", "n": 2}
    assert await dynamo.write(Delete(("a", "1")), returning="old") == {}


@pytest.mark.parametrize(
    "write",
    [
        Put({"pk": "a", "sk": "1"}, ABSENT),
        Update(("a", "1"), "SET #n = :n", "#n = :n", {"n": 9}),
        Delete(("a", "1"), "#n = :n", {"n": 9}),
    ],
)
async def test_a_failed_condition_hands_over_what_was_there(
    dynamo: Dynamo, write: Put | Update | Delete
) -> None:
    await dynamo.write(Put({"pk": "a", "sk": "1", "n": 1}))
    with pytest.raises(ConditionFailed) as failed:
        await dynamo.write(write)
    assert failed.value.item == {"pk": "a", "sk": "1", "n": 1}


async def test_a_failed_condition_on_nothing_hands_over_nothing(dynamo: Dynamo) -> None:
    with pytest.raises(ConditionFailed) as failed:
        await dynamo.write(Delete(("a", "1"), "#n = :n", {"n": 9}))
    assert failed.value.item is None


async def test_a_transaction_is_all_or_nothing_and_says_what_each_write_met(dynamo: Dynamo) -> None:
    await dynamo.transact([Put({"pk": "a", "sk": "1"}), Put({"pk": "a", "sk": "2"}, ABSENT)])
    with pytest.raises(Cancelled) as cancelled:
        await dynamo.transact(
            [
                Put({"pk": "a", "sk": "3"}),
                Put({"pk": "a", "sk": "2"}, ABSENT),
                Check(("a", "4"), "attribute_exists(#pk)"),
                Delete(("a", "1")),
            ]
        )
    assert [(r.failed, r.item) for r in cancelled.value.refusals] == [
        (False, None),
        (True, {"pk": "a", "sk": "2"}),
        (True, None),
        (False, None),
    ]
    assert [item["sk"] async for item in dynamo.query("a")] == ["1", "2"]


async def test_a_query_takes_range_order_filter_and_all_pages(dynamo: Dynamo) -> None:
    await dynamo.batch_write([{"pk": "a", "sk": f"{n:02}", "n": n} for n in range(20)])
    assert [i["n"] async for i in dynamo.query("a", page=3)] == list(range(20))
    found = dynamo.query("a", since="05", through="09", ascending=False, only=("n",), page=2)
    assert [item async for item in found] == [{"n": n} for n in (9, 8, 7, 6, 5)]
    since = dynamo.query("a", since="15", where="#n <> :n", values={"n": 17}, consistent=False)
    assert [i["n"] async for i in since] == [15, 16, 18, 19]
    assert [i["n"] async for i in dynamo.query("a", through="01")] == [0, 1]
    assert [i async for i in dynamo.query("b")] == []


async def test_batches_take_any_number(dynamo: Dynamo) -> None:
    await dynamo.batch_write({"pk": "a", "sk": str(n)} for n in range(130))
    await dynamo.batch_write([{"pk": "b", "sk": "1"}], [("a", str(n)) for n in range(100)])
    keys = [("a", str(n)) for n in range(130)] + [("b", "1"), ("b", "1")]
    assert set(await dynamo.batch_get(keys)) == {("b", "1")} | {("a", str(n)) for n in range(100, 130)}


@pytest.mark.parametrize(
    ("error", "meant"),
    [
        (NO_ANSWER, MetadataBusy),
        (THROTTLED, MetadataBusy),
        (AwsError("InternalServerError", "", 500), MetadataBusy),
        (AwsError("", "", 502), MetadataBusy),
        (cancelled("None", "TransactionConflict"), MetadataBusy),
        (cancelled("ValidationError"), DatabaseError),
        (cancelled("None"), DatabaseError),
        (DENIED, DatabaseError),
    ],
)
async def test_what_dynamodb_refuses_is_one_of_our_errors(
    dynamodb: LocalDynamodb, error: AwsError, meant: type[MemtraceError]
) -> None:
    api = ScriptedAws(dynamodb)
    api.before = always(error)
    dynamo = Dynamo(api, table="t", timeout=30)
    for call in (
        lambda: dynamo.get(("a", "1")),
        lambda: dynamo.transact([Put({"pk": "a", "sk": "1"})]),
        lambda: dynamo.batch_get([("a", "1")]),
    ):
        with pytest.raises(MemtraceError) as raised:
            await call()
        assert type(raised.value) is meant
        assert raised.value.__cause__ is error


async def test_what_was_left_unprocessed_is_asked_again(dynamodb: LocalDynamodb) -> None:
    whole = await fresh_table(dynamodb)
    api = ScriptedAws(dynamodb)
    dynamo = Dynamo(api, table=whole.table, timeout=30)
    rounds = [True, True]

    def hold_back(operation: str, answer: dict[str, Any]) -> dict[str, Any]:
        if not rounds:
            return answer
        rounds.pop()
        if operation == "BatchWriteItem":
            again = [{"PutRequest": {"Item": encoded({"pk": "a", "sk": "late"})}}]
            return {"UnprocessedItems": {whole.table: again}}
        keys = [encoded({"pk": "a", "sk": "late"})]
        return {"Responses": {}, "UnprocessedKeys": {whole.table: {"Keys": keys}}}

    api.change = hold_back
    await dynamo.batch_write([{"pk": "a", "sk": "1"}])
    assert [i["sk"] async for i in whole.query("a")] == ["1", "late"]
    rounds.append(True)
    assert set(await dynamo.batch_get([("a", "late")])) == {("a", "late")}


async def test_what_stays_unprocessed_ends_with_the_timeout(dynamodb: LocalDynamodb) -> None:
    api = ScriptedAws(dynamodb)
    dynamo = Dynamo(api, table=(await fresh_table(dynamodb)).table, timeout=0.04)

    def hold_back(operation: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        return {"UnprocessedKeys": {dynamo.table: {"Keys": [encoded({"pk": "a", "sk": "1"})]}}}

    api.change = hold_back
    with pytest.raises(MetadataBusy):
        await dynamo.batch_get([("a", "1")])


async def test_of_several_at_once_the_first_error_ends_the_others() -> None:
    ended = []

    async def long() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async def failing() -> None:
        raise MetadataBusy()

    with pytest.raises(MetadataBusy):
        await together([long, failing])
    assert ended == [True]
