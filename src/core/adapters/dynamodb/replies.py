"""Answers kept under idempotency keys, in DynamoDB; the table's TTL forgets them."""

from typing import Final

from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.places import reply_pk
from core.adapters.dynamodb.statements import Delete, Put
from core.adapters.dynamodb.table import PK, SK, TTL
from core.model.errors import IdempotencyConflict
from core.model.memory import Micros, OrgId
from core.ports import IdempotencyKey

_MICROS: Final = 1_000_000
_DAY: Final = 86_400


class DynamoReplies:
    """A `Replies`. An answer that is older than the window is none, also while it is still there."""

    def __init__(self, dynamo: Dynamo, *, window: Micros) -> None:
        self._dynamo = dynamo
        self._window = window

    async def begin_reply(
        self, org_id: OrgId, idempotency: IdempotencyKey, now: Micros, since: Micros
    ) -> tuple[int, bytes] | None:
        key = reply_pk(org_id), idempotency.key.hex()
        item = await self._dynamo.get(key)
        if item is None:
            return None
        if item["at"] < since:
            await self._forget(key, item["at"])
            return None
        if item["body"] != idempotency.body:
            raise IdempotencyConflict()
        return item["code"], item["answer"]

    async def _forget(self, key: tuple[str, str], at: Micros) -> None:
        try:
            await self._dynamo.write(Delete(key, "#at = :at", {"at": at}))
        except ConditionFailed:
            return  # another one is kept there by now

    async def keep_reply(
        self, org_id: OrgId, idempotency: IdempotencyKey, now: Micros, status: int, body: bytes
    ) -> None:
        item = {
            PK: reply_pk(org_id),
            SK: idempotency.key.hex(),
            "body": idempotency.body,
            "at": now,
            "code": status,
            "answer": body,
            TTL: (now + self._window) // _MICROS + _DAY,
        }
        try:
            await self._dynamo.write(Put(item, "attribute_not_exists(#pk)"))
        except ConditionFailed:
            return  # the first one stays
