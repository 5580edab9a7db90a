"""Moves of orgs between stores, in DynamoDB: an item that keeps an org from settling, and the switch."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from core.adapters.dynamodb import deletion_items as items
from core.adapters.dynamodb.bindings import replacing
from core.adapters.dynamodb.client import Cancelled, ConditionFailed, Dynamo, together
from core.adapters.dynamodb.journal.changing import count, held
from core.adapters.dynamodb.journal.rows import DELIVERED, OWED
from core.adapters.dynamodb.journal.standing import read_standing
from core.adapters.dynamodb.keys import binding_key, move_key, row_partitions
from core.adapters.dynamodb.orgs import org_there, refuse_unknown
from core.adapters.dynamodb.statements import Delete, Put, Question, Update
from core.adapters.dynamodb.table import PK, SK
from core.adapters.dynamodb.undertaker import reopen
from core.model.deletion import Graves
from core.model.errors import Conflict
from core.model.memory import Micros, OrgId, Rules
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
        """The switch is one transaction. Closed deletions are in force again before it, so that nothing
        deleted is ever shown; all are due again after it, since what was carried out before was so in the
        old store. Broken off between, they are carried out when they are looked at next: all open ones are.
        """
        now = self._clock.micros()
        if has_deleted:
            await self._refuse_unless_in_force(org_id, token, now)
            await reopen(self._dynamo, org_id, now, closed=True)
        ended = Delete(move_key(org_id), _MINE, {"token": token, "now": self._clock.micros()})
        try:
            await self._dynamo.transact([org_there(org_id), ended, *replacing(binding)])
        except Cancelled as met:
            refuse_unknown(met)
            if not await self._is_bound(binding):
                raise _over(org_id) from None
        await reopen(self._dynamo, org_id, self._clock.micros(), closed=False)

    async def _is_bound(self, binding: SealedBinding) -> bool:
        """Whether the switch was made, and the answer was lost."""
        item = await self._dynamo.get(binding_key(binding.org_id), only=("id",))
        return item is not None and item["id"] == binding.id

    async def _refuse_unless_in_force(self, org_id: OrgId, token: str, now: Micros) -> None:
        item = await self._dynamo.get(move_key(org_id))
        if item is not None and (item["token"] != token or item["until"] <= now):
            raise _over(org_id)

    async def abandon(self, org_id: OrgId, token: str) -> None:
        await held(self._dynamo, Delete(move_key(org_id), "#token = :token", {"token": token}))

    async def requeue(self, org_id: OrgId) -> int:
        standing = await read_standing(self._dynamo, org_id)
        if standing is None:
            return 0
        moved = 0
        for partition in row_partitions(org_id, standing.shards):
            moved += await self._requeue(org_id, partition)
        return moved

    async def _requeue(self, org_id: OrgId, partition: str) -> int:
        change = "SET #state = :owed, #due = :now ADD #turn :one"
        values = {"owed": OWED, "now": self._clock.micros(), "one": 1, "delivered": DELIVERED}
        question = Question(
            partition, where="#state = :delivered", values={"delivered": DELIVERED}, most=_SOME, only=(PK, SK)
        )
        moved, start = 0, ""
        while True:
            rows = await self._dynamo.page(question, start)
            updates = [
                Update((row[PK], row[SK]), change, "#state = :delivered", values) for row in rows.items
            ]
            done = sum(await together(partial(held, self._dynamo, update) for update in updates))
            await count(self._dynamo, org_id, delivered=-done)
            moved, start = moved + done, rows.next
            if not start:
                return moved

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
    where, values = "#exclusion <> :none", dict[str, Any](none=None)
    if times:
        where += " OR #time BETWEEN :first AND :last"
        values |= {"first": min(times), "last": max(times)}
    rules, singles, wanted = [], [], set(times)
    async for item in dynamo.query(items.deletions_pk(org_id), where=where, values=values):
        deletion = items.deletion_of(item)
        if deletion.exclusion is not None:
            rules.append(deletion.exclusion)
        elif deletion.grave is not None and deletion.grave[0] in wanted:
            singles.append(deletion.grave)
    return Graves(Rules(rules), frozenset(singles))


def _over(org_id: OrgId) -> Conflict:
    return Conflict(f"the move of {org_id} took too long to go on, and is over", hint="run it again")


def _micros(seconds: float) -> Micros:
    return round(seconds * 1_000_000)
