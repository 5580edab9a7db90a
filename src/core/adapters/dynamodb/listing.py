"""Lists of records by their places: items that are in order, and name a record of the same partition each."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import Key
from core.adapters.dynamodb.places import by_id
from core.adapters.dynamodb.table import PK, SK


async def listed(dynamo: Dynamo, places: AsyncGenerator[Item, None], limit: int, *, skip: str) -> list[Item]:
    """The first `limit` records that the places name, but for the one at the place `skip`.

    What is deleted meanwhile is left out and made up for, so that a short list is a whole one.
    """
    records: list[Item] = []
    wanted: list[Key] = []
    async with aclosing(places):
        async for place in places:
            if place[SK] == skip:
                continue
            wanted.append((place[PK], by_id(place["id"])))
            if len(records) + len(wanted) == limit:
                records += await _records(dynamo, wanted)
                wanted = []
            if len(records) == limit:
                return records
    return records + await _records(dynamo, wanted)


async def _records(dynamo: Dynamo, keys: list[Key]) -> list[Item]:
    found = await dynamo.batch_get(keys)
    return [found[key] for key in keys if key in found]
