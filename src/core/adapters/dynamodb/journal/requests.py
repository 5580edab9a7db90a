"""Which request an append belongs to: the token by which it knows what it stored itself."""

import secrets
from dataclasses import dataclass
from hashlib import sha256

from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.rows import ttl_after
from core.adapters.dynamodb.keys import Key, request_key
from core.adapters.dynamodb.statements import Put, Update
from core.adapters.dynamodb.table import PK, SK, TTL
from core.model.errors import IdempotencyConflict
from core.model.memory import Micros, OrgId
from core.ports import IdempotencyKey


@dataclass(frozen=True, slots=True)
class Request:
    """One append. A call that is repeated, by a transport or by the caller with a key, has the same token."""

    token: bytes
    key: Key | None = None
    """Its item, where it has an idempotency key."""
    was_told: bool = False
    """Whether it came before, and may have been told then that equal memories were there."""


def unnamed() -> Request:
    """A request that nobody can repeat but the transport."""
    return Request(secrets.token_bytes(16))


async def note(
    dynamo: Dynamo, org_id: OrgId, shards: int, idempotency: IdempotencyKey, now: Micros, window: Micros
) -> Request:
    """The request of this key, begun now or within the window. Raises IdempotencyConflict.

    The token comes from the key and from when it was first seen, so a repeat knows what a crash
    left of the first attempt, and a later use of the same key knows nothing.
    """
    key = request_key(org_id, shards, idempotency.key)
    item: Item = {PK: key[0], SK: key[1], "body": idempotency.body, "at": now, TTL: ttl_after(now, window)}
    condition = "attribute_not_exists(#pk) OR #at <= :over"
    try:
        await dynamo.write(Put(item, condition, {"over": now - window}))
    except ConditionFailed as failed:
        item = failed.item or item
    if item["body"] != idempotency.body:
        raise IdempotencyConflict()
    token = sha256(idempotency.key + int(item["at"]).to_bytes(8)).digest()[:16]
    return Request(token, key, bool(item.get("told")))


async def note_told(dynamo: Dynamo, request: Request) -> None:
    """Before a named request is told of memories that others wrote: a late repeat is told the same.

    Also where these were deleted since, for which it would otherwise store its own.
    """
    if request.key is None or request.was_told:
        return
    try:
        await dynamo.write(Update(request.key, "SET #told = :true", "attribute_exists(#pk)", {"true": True}))
    except ConditionFailed:
        return  # the org was deleted meanwhile
