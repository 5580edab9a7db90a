"""Transactions and queries of moto at the price of what they touch; items without their serializing.

Before each transaction moto copies the whole table, once for every write in it, so that a large one
takes seconds for a hundred writes. Here it gets one copy of the table's outline, and real copies of
those items alone that the transaction changes in place: all that undoing it needs.

For each query moto sorts the whole table, and looks for the partition then. Here it gets a table that
has nothing else.
"""

import base64
import copy
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

_moto_transacts = DynamoDBBackend.transact_write_items
_moto_queries = Table.query
_copies: dict[str, Any] = {}
"""Of the transaction under way, by the table's name; whoever calls has one at a time."""
_under_way: list[dict[str, Any]] = []


def install() -> None:
    """From now on, in this process; may be called again."""
    DynamoDBBackend.transact_write_items = _transact  # type: ignore[method-assign, assignment]
    Table.__deepcopy__ = _copied  # type: ignore[attr-defined]
    Table.query = _queried  # type: ignore[method-assign, assignment]


def _transact(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    _under_way.extend(transact_items)
    try:
        _moto_transacts(backend, transact_items)
    finally:
        _under_way.clear()
        _copies.clear()


def _queried(table: Any, hash_key: Any, *more: Any, **named: Any) -> Any:
    if table.all_indexes():
        return _moto_queries(table, hash_key, *more, **named)
    partition = copy.copy(table)
    partition.items = {hash_key: table.items.get(hash_key, {})}
    return _moto_queries(partition, hash_key, *more, **named)


def _copied(table: Any, memo: dict[int, Any]) -> Any:
    if not _under_way:
        whole = Table.__new__(Table)
        memo[id(table)] = whole
        whole.__dict__.update({name: copy.deepcopy(value, memo) for name, value in vars(table).items()})
        return whole
    if table.name not in _copies:
        _copies[table.name] = _outline(table)
    return _copies[table.name]


def _outline(table: Any) -> Any:
    outline = copy.copy(table)
    outline.items = type(table.items)(table.items.default_factory)
    for partition, items in table.items.items():
        outline.items[partition] = dict(items)
    for item in _under_way:
        change = item.get("Update")
        if change is None or change.get("TableName") != table.name:
            continue
        key = change["Key"]
        partition = DynamoType(key[table.hash_key_attr])
        place = DynamoType(key[table.range_key_attr])
        held = outline.items.get(partition, {}).get(place)
        if held is not None:
            outline.items[partition][place] = copy.deepcopy(held)
    return outline


def items_of(table: str, region: str) -> list[dict[str, Any]]:
    """All items as the API writes them. A scan takes seconds for some thousand, and nobody is served."""
    held = dynamodb_backends[DEFAULT_ACCOUNT_ID][region].tables[table]
    return [{name: _written(value) for name, value in item.attrs.items()} for item in held.all_items()]


def _written(value: Any) -> Any:
    if isinstance(value, DynamoType):
        return {value.type: _written(value.value)}
    if isinstance(value, dict):
        return {name: _written(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_written(one) for one in value]
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
