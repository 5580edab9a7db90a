"""How an org comes into the ledger: by its first memory, its first deletion, or its first claim."""

from collections.abc import Mapping
from typing import Final

from core.adapters.dynamodb.client import Cancelled, Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.forgetting import erase
from core.adapters.dynamodb.journal.standing import Standing, standing_of
from core.adapters.dynamodb.keys import ledger_key, org_key
from core.adapters.dynamodb.statements import Check, Put
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import MetadataBusy, NotFound
from core.model.memory import Micros, OrgId

_NEW_LIFE: Final = 1 << 32
"""What the version of deletions grows by when an org is made again: nobody's knowledge of it holds."""
_TRIES: Final = 3


async def enter(
    dynamo: Dynamo,
    org_id: OrgId,
    was: Item | None,
    *,
    shards: int,
    settled_through: Micros,
    counts: Mapping[str, int],
) -> Standing | None:
    """An item for an org that has none, or a tombstone: `was`. None when somebody else made one.

    Before the first row, so that whoever looks for what is owed finds every org that can owe. In
    one transaction with a look at the org: one that was deleted does not come back. Raises NotFound.
    """
    pk, sk = ledger_key(org_id)
    item: Item = {PK: pk, SK: sk, "shards": shards, "settled_through": settled_through, **counts}
    condition = "attribute_not_exists(#pk)"
    if was is not None:
        if await dynamo.get(org_key(org_id)) is None:
            raise _unknown()
        old = standing_of(was)
        await erase(dynamo, old)
        item["shards"] = old.shards
        item["deletions_version"] = old.deletions_version + _NEW_LIFE
        condition = "attribute_exists(#gone)"
    try:
        await dynamo.transact([Check(org_key(org_id), "attribute_exists(#pk)"), Put(item, condition)])
    except Cancelled as cancelled:
        if cancelled.refusals[0].failed:
            raise _unknown() from cancelled
        return None
    return standing_of(item)


async def entered(dynamo: Dynamo, org_id: OrgId, *, shards: int, now: Micros) -> Standing:
    """The org's standing; one that never wrote gets one: all it has lies in its store. Raises NotFound."""
    for _ in range(_TRIES):
        found = await dynamo.batch_get((org_key(org_id), ledger_key(org_id)))
        if org_key(org_id) not in found:
            raise _unknown()
        item = found.get(ledger_key(org_id))
        if item is not None and "gone" not in item:
            return standing_of(item)
        made = await enter(dynamo, org_id, item, shards=shards, settled_through=now - 1, counts={})
        if made is not None:
            return made
    raise MetadataBusy()


def _unknown() -> NotFound:
    return NotFound("organization not found")
