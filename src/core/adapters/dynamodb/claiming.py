"""Claims for memories that reached their store by another road: each where nobody alive has it."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from core.adapters.dynamodb.client import Dynamo, together
from core.adapters.dynamodb.journal.changing import count, held
from core.adapters.dynamodb.journal.rows import ttl_after
from core.adapters.dynamodb.journal.standing import Standing
from core.adapters.dynamodb.keys import claim_key_of
from core.adapters.dynamodb.statements import Delete, Put
from core.adapters.dynamodb.table import PK, SK, TTL
from core.model.memory import Micros

Claim = tuple[bytes, Micros]
_STORED: Final = b"stored"
"""The token of claims that no request made."""
_FREE: Final = (
    "attribute_not_exists(#pk) OR attribute_exists(#freed)"
    " OR (#settled = :true AND #time <= :alive AND #time < :time)"
)


async def claim_stored(
    dynamo: Dynamo,
    standing: Standing,
    claims: Sequence[Claim],
    *,
    alive_since: Micros,
    window: Micros,
    most: int,
) -> list[Claim]:
    """Those of these memories that got their keys; no more than there is room for. May be repeated.

    Only a settled claim whose window is over, and that of a deleted memory, gives way.
    """
    wanted = claims[: max(0, most - standing.claims)]

    async def take(key: bytes, time: Micros) -> bool:
        pk, sk = claim_key_of(standing.org_id, standing.shards, key)
        item = {PK: pk, SK: sk, "time": time, "token": _STORED, "settled": True, TTL: ttl_after(time, window)}
        return await held(dynamo, Put(item, _FREE, {"true": True, "alive": alive_since, "time": time}))

    took = await together(partial(take, key, time) for key, time in wanted)
    taken = [claim for claim, is_taken in zip(wanted, took, strict=True) if is_taken]
    await count(dynamo, standing.org_id, claims=len(taken))
    return taken


async def give_back(dynamo: Dynamo, standing: Standing, claims: Sequence[Claim]) -> None:
    """Takes these claims away again, where nobody else holds them by now."""
    deletes = [
        Delete(
            claim_key_of(standing.org_id, standing.shards, key),
            "#time = :time AND #token = :stored",
            {"time": time, "stored": _STORED},
        )
        for key, time in claims
    ]
    gone = await together(partial(held, dynamo, delete) for delete in deletes)
    await count(dynamo, standing.org_id, claims=-sum(gone))
