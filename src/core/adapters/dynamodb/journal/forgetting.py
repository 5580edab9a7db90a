"""Forgetting the journal of an org that was deleted.

Its ledger item stays a while as a tombstone: an edge that knows the org from before would otherwise
write on. What such an edge still wrote within the age of its copy is erased with the tombstone.

The same id may be given to an org again, and that one must not lose anything to somebody who is still
erasing: whatever is dropped goes in a transaction that demands the tombstone.
"""

from typing import Final

from core.adapters.dynamodb.client import MOST_IN_TRANSACTION, Cancelled, ConditionFailed, Dynamo
from core.adapters.dynamodb.journal.rows import SECOND
from core.adapters.dynamodb.journal.standing import Standing, standing_of
from core.adapters.dynamodb.keys import (
    Key,
    claim_partitions,
    ledger_key,
    org_key,
    request_partitions,
    row_partitions,
)
from core.adapters.dynamodb.statements import Check, Delete, Question, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.memory import Micros, OrgId

_AT_ONCE: Final = MOST_IN_TRANSACTION - 1
"""Items that go together, beside the tombstone."""
STRAGGLERS: Final = 3600 * SECOND
"""How long a tombstone stays: longer than any append takes, repeats of a frozen process included."""


async def forget_org(dynamo: Dynamo, org_id: OrgId, now: Micros) -> None:
    """Drops rows, claims and requests of an org whose own item is gone already. May be repeated.

    Does nothing to an org that was made again.
    """
    buried = Update(
        ledger_key(org_id), "SET #gone = if_not_exists(#gone, :now)", "attribute_exists(#pk)", {"now": now}
    )
    try:
        await dynamo.transact([Check(org_key(org_id), "attribute_not_exists(#pk)"), buried])
    except Cancelled:
        return  # made again; or it never wrote, and without the org's item nobody begins to
    item = await dynamo.get(ledger_key(org_id))
    if item is not None:
        await erase(dynamo, standing_of(item))


async def erase(dynamo: Dynamo, standing: Standing) -> bool:
    """Drops all there is under this tombstone; False when it is not there any more.

    Rows first: a crash between leaves claims without rows, which the next call drops.
    """
    org_id, shards = standing.org_id, standing.shards
    for partitions in (row_partitions, claim_partitions, request_partitions):
        for partition in partitions(org_id, shards):
            if not await _erase_partition(dynamo, standing, partition):
                return False
    return True


async def _erase_partition(dynamo: Dynamo, standing: Standing, partition: str) -> bool:
    question = Question(partition, only=(PK, SK), most=_AT_ONCE)
    while items := (await dynamo.page(question)).items:
        if not await _drop(dynamo, standing, [(item[PK], item[SK]) for item in items]):
            return False
    return True


async def bury_tombstone(dynamo: Dynamo, standing: Standing, now: Micros) -> None:
    """Drops what came late, and the tombstone too once nobody can know the org any more."""
    is_there = await erase(dynamo, standing)
    if not is_there or standing.gone_since is None or now - standing.gone_since < STRAGGLERS:
        return
    try:
        await dynamo.write(
            Delete(ledger_key(standing.org_id), "#gone = :gone", {"gone": standing.gone_since})
        )
    except ConditionFailed:
        return  # the org was made again


async def _drop(dynamo: Dynamo, standing: Standing, keys: list[Key]) -> bool:
    tombstone = Check(ledger_key(standing.org_id), "#gone = :gone", {"gone": standing.gone_since})
    try:
        await dynamo.transact([tombstone, *(Delete(key) for key in keys)])
    except Cancelled:
        return False
    return True
