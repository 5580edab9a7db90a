"""Moves of orgs between stores, in DynamoDB: an item that keeps an org from settling, and the switch."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from core.adapters.dynamodb import deletion_items
from core.adapters.dynamodb.bindings import replacing
from core.adapters.dynamodb.client import Cancelled, ConditionFailed, Dynamo, together
from core.adapters.dynamodb.journal.rows import DELIVERED, OWED
from core.adapters.dynamodb.journal.standing import read_standing
from core.adapters.dynamodb.keys import Key, move_key, org_key, row_partitions
from core.adapters.dynamodb.statements import Check, Delete, Put, Update
from core.adapters.dynamodb.table import PK, SK
from core.adapters.dynamodb.undertaker import reopen
from core.model.deletion import Graves
from core.model.errors import Conflict
from core.model.memory import Micros, OrgId
from core.model.tenant import SealedBinding
from core.ports import Clock

_MINE: Final = "#token = :token AND #until > :now"
_SOME: Final = 500


class DynamoMoves:
    """Implements `Moves`."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock) -> None:
        self._dynamo = dynamo
        self._clock = clock

    async def begin(self, org_id: OrgId, token: str, seconds: float) -> None:
        now = self._clock.micros()
        pk, sk = move_key(org_id)
        item = {PK: pk, SK: sk, "token": token, "until": now + _micros(seconds)}
        free = "attribute_not_exists(#pk) OR #until <= :now OR #token = :token"
        try:
            await self._dynamo.write(Put(item, free, {"now": now, "token": token}))
        except ConditionFailed:
            raise Conflict(
                f"{org_id} is being moved already",
                hint="wait for that move; one that was killed ends by itself within minutes",
            ) from None

    async def renew(self, org_id: OrgId, token: str, seconds: float) -> None:
        now = self._clock.micros()
        values = {"token": token, "now": now, "later": now + _micros(seconds)}
        try:
            await self._dynamo.write(Update(move_key(org_id), "SET #until = :later", _MINE, values))
        except ConditionFailed:
            raise _over(org_id) from None

    async def finish(self, org_id: OrgId, token: str, binding: SealedBinding, *, has_deleted: bool) -> None:
        """Deletions are in force again before the switch, so that nothing deleted is ever shown, and
        due again after it: what was carried out meanwhile was so in the old store.
        """
        now = self._clock.micros()
        values = {"token": token, "now": now}
        await reopen(self._dynamo, org_id, now, closed=has_deleted)
        try:
            await self._dynamo.transact(
                [
                    Delete(move_key(org_id), _MINE, values),
                    Check(org_key(org_id), "attribute_exists(#pk)"),
                    *replacing(binding),
                ]
            )
        except Cancelled:
            if not await self._is_done(org_id, binding):
                raise _over(org_id) from None
        await reopen(self._dynamo, org_id, self._clock.micros(), closed=has_deleted)

    async def _is_done(self, org_id: OrgId, binding: SealedBinding) -> bool:
        """Whether it was carried out, and the answer was lost."""
        held = await self._dynamo.get(_binding_key(org_id))
        return held is not None and held["id"] == binding.id

    async def abandon(self, org_id: OrgId, token: str) -> None:
        try:
            await self._dynamo.write(Delete(move_key(org_id), "#token = :token", {"token": token}))
        except ConditionFailed:
            return  # it is over

    async def requeue(self, org_id: OrgId) -> int:
        standing = await read_standing(self._dynamo, org_id)
        if standing is None:
            return 0
        moved = 0
        for partition in row_partitions(org_id, standing.shards):
            where, values = "#state = :delivered", {"delivered": DELIVERED}
            keys = [
                (row[PK], row[SK])
                async for row in self._dynamo.query(partition, where=where, values=values, only=(PK, SK))
            ]
            moved += sum(await together(partial(self._owe_again, key) for key in keys))
        return moved

    async def _owe_again(self, key: Key) -> bool:
        change = "SET #state = :owed, #due = :now ADD #turn :one"
        values = {"owed": OWED, "now": self._clock.micros(), "one": 1, "delivered": DELIVERED}
        try:
            await self._dynamo.write(Update(key, change, "#state = :delivered", values))
        except ConditionFailed:
            return False
        return True

    async def buried(self, org_id: OrgId, times: Sequence[Micros]) -> Graves:
        return await all_buried(self._dynamo, org_id, times)

    async def is_moving(self, org_id: OrgId) -> bool:
        return await is_moving(self._dynamo, org_id, self._clock.micros())


async def is_moving(dynamo: Dynamo, org_id: OrgId, now: Micros) -> bool:
    """Whether a move of this org is in force."""
    item = await dynamo.get(move_key(org_id))
    return item is not None and bool(item["until"] > now)


async def all_buried(dynamo: Dynamo, org_id: OrgId, times: Sequence[Micros]) -> Graves:
    """All that was ever deleted of an org: rules, and graves at these times."""
    wanted = set(times)
    query: dict[str, Any] = {"page": _SOME}
    found = [
        deletion_items.deletion_of(item)
        async for item in dynamo.query(deletion_items.deletions_pk(org_id), **query)
        if item["exclusion"] is not None or item["time"] in wanted
    ]
    return deletion_items.covered_by(found)


def _binding_key(org_id: OrgId) -> Key:
    return move_key(org_id)[0], "BINDING"


def _over(org_id: OrgId) -> Conflict:
    return Conflict(f"the move of {org_id} took too long to go on, and is over", hint="run it again")


def _micros(seconds: float) -> Micros:
    return round(seconds * 1_000_000)
