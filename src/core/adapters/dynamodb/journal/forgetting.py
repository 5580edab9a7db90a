"""Forgetting the journal of an org that was deleted.

Its ledger item stays a while as a tombstone: an edge that knows the org from before would otherwise
write on. What such an edge still wrote within the age of its copy is erased with the tombstone.
"""

from typing import Final

from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.journal.rows import SECOND
from core.adapters.dynamodb.journal.standing import Standing, standing_of
from core.adapters.dynamodb.keys import (
    claim_partitions,
    ledger_key,
    request_partitions,
    row_partitions,
)
from core.adapters.dynamodb.statements import Delete, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.memory import Micros, OrgId

_AT_ONCE: Final = 1_000
STRAGGLERS: Final = 3600 * SECOND
"""How long a tombstone stays: longer than any append takes, repeats of a frozen process included."""


async def forget_org(dynamo: Dynamo, org_id: OrgId, now: Micros) -> None:
    """Drops rows, claims and requests of an org whose own item is gone already. May be repeated."""
    try:
        item = await dynamo.write(
            Update(
                ledger_key(org_id),
                "SET #gone = if_not_exists(#gone, :now)",
                "attribute_exists(#pk)",
                {"now": now},
            ),
            returning="new",
        )
    except ConditionFailed:
        return  # it never wrote, and without the org's item nobody begins to
    await erase(dynamo, standing_of(item))


async def erase(dynamo: Dynamo, standing: Standing) -> None:
    """Rows first: a crash between leaves claims without rows, which the next call drops."""
    org_id, shards = standing.org_id, standing.shards
    for partitions in (row_partitions, claim_partitions, request_partitions):
        for partition in partitions(org_id, shards):
            await _erase_partition(dynamo, partition)


async def bury_tombstone(dynamo: Dynamo, standing: Standing, now: Micros) -> None:
    """Drops the tombstone too, once nobody can know the org any more."""
    await erase(dynamo, standing)
    if standing.gone_since is None or now - standing.gone_since < STRAGGLERS:
        return
    try:
        await dynamo.write(
            Delete(ledger_key(standing.org_id), "#gone = :gone", {"gone": standing.gone_since})
        )
    except ConditionFailed:
        return  # the org was made again


async def _erase_partition(dynamo: Dynamo, partition: str) -> None:
    keys = []
    async for item in dynamo.query(partition, only=(PK, SK)):
        keys.append((item[PK], item[SK]))
        if len(keys) == _AT_ONCE:
            await dynamo.batch_write(deletes=keys)
            keys = []
    await dynamo.batch_write(deletes=keys)
