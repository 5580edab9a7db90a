"""Claims for memories that reached their store by another road, where nobody alive has them."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from core.adapters.dynamodb.client import ConditionFailed, Dynamo, together
from core.adapters.dynamodb.journal.rows import ttl_after
from core.adapters.dynamodb.journal.standing import read_standing
from core.adapters.dynamodb.keys import claim_key_of, ledger_key
from core.adapters.dynamodb.statements import Put, Update
from core.adapters.dynamodb.table import PK, SK, TTL
from core.model.memory import Micros, OrgId

Claim = tuple[bytes, Micros]
_STORED: Final = b"stored"
"""The token of claims that no request made."""
_FREE: Final = (
    "attribute_not_exists(#pk) OR attribute_exists(#freed) OR (#settled = :true AND #time < :alive)"
)


async def claim_stored(
    dynamo: Dynamo,
    org_id: OrgId,
    claims: Sequence[Claim],
    *,
    alive_since: Micros,
    window: Micros,
    most: int,
) -> int:
    """How many of these memories got their keys; no more than there is room for. May be repeated."""
    standing = await read_standing(dynamo, org_id)
    room = most if standing is None else most - standing.claims
    alive = [claim for claim in claims if claim[1] >= alive_since][: max(0, room)]
    if standing is None or not alive:
        return 0

    async def take(key: bytes, time: Micros) -> bool:
        pk, sk = claim_key_of(org_id, standing.shards, key)
        item = {PK: pk, SK: sk, "time": time, "token": _STORED, "settled": True, TTL: ttl_after(time, window)}
        try:
            await dynamo.write(Put(item, _FREE, {"true": True, "alive": alive_since}))
        except ConditionFailed:
            return False
        return True

    taken = sum(await together(partial(take, key, time) for key, time in alive))
    if taken:
        change = Update(ledger_key(org_id), "ADD #claims :n", "attribute_exists(#pk)", {"n": taken})
        try:
            await dynamo.write(change)
        except ConditionFailed:
            return 0  # the org is gone
    return taken
