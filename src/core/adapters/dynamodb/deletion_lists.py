"""What is read of an org's deletions, and how they go with it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.deletion_items import (
    RULES,
    Rule,
    deletion_key,
    deletion_of,
    deletions_pk,
    hidden_pk,
    listed_pk,
    places_of,
    pointer_key,
    rule_of,
)
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import Key
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import Deletion, Grave, Graves
from core.model.memory import Exclusion, OrgId, Rules

_MOST_LISTED: Final = 1_000
_SOME: Final = 200
"""Deletions that are dropped together."""


async def open_rules(dynamo: Dynamo, org_id: OrgId) -> list[Rule]:
    """The exclusions that hide now."""
    found = dynamo.query(hidden_pk(org_id), since=RULES, through=f"{RULES}~")
    return [rule_of(item) async for item in found]


async def hidden(dynamo: Dynamo, org_id: OrgId) -> Graves:
    """What the open deletions of the org cover, by consistent reads."""
    exclusions: list[Exclusion] = []
    identities: list[Grave] = []
    async for item in dynamo.query(hidden_pk(org_id)):
        if item[SK].startswith(RULES):
            exclusions.append(rule_of(item).exclusion)
        else:
            identities.append((item["time"], item["key"]))
    return Graves(Rules(exclusions), frozenset(identities))


async def newest(dynamo: Dynamo, org_id: OrgId, limit: int) -> list[Deletion]:
    """The deletions of the org that were requested last, the newest first."""
    keys: list[Key] = []
    places = dynamo.query(listed_pk(org_id), ascending=False, page=min(limit, _MOST_LISTED), only=(SK,))
    async with aclosing(places):
        async for place in places:
            keys.append(deletion_key(org_id, place[SK].partition("#")[2]))
            if len(keys) >= limit:
                break
    found = await dynamo.batch_get(keys)
    return [deletion_of(found[key]) for key in keys if key in found]


async def items_of(dynamo: Dynamo, org_id: OrgId) -> AsyncIterator[Item]:
    """All deletions of the org, closed ones too, in no order."""
    async for item in dynamo.query(deletions_pk(org_id)):
        yield item


async def forget_deletions(dynamo: Dynamo, org_id: OrgId) -> None:
    """Drops the deletions of an org that is gone, pointers and places first. May be repeated."""
    some: list[Item] = []
    async for item in items_of(dynamo, org_id):
        some.append(item)
        if len(some) == _SOME:
            await _drop(dynamo, some)
            some = []
    await _drop(dynamo, some)


async def _drop(dynamo: Dynamo, items: list[Item]) -> None:
    places = [key for item in items for key in (pointer_key(item[SK]), *places_of(item))]
    await dynamo.batch_write(deletes=places)
    await dynamo.batch_write(deletes=[(item[PK], item[SK]) for item in items])
