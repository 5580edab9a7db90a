"""The flusher's steps on deletions in DynamoDB. Each asks for the lease first, and changes on condition."""

from collections.abc import Sequence
from functools import partial

from core.adapters.dynamodb import deletion_items as items
from core.adapters.dynamodb.client import ConditionFailed, Dynamo, together
from core.adapters.dynamodb.deletions import entered
from core.adapters.dynamodb.erasing import Eraser
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.leases import hold
from core.adapters.dynamodb.journal.standing import read_standing
from core.adapters.dynamodb.keys import org_key
from core.adapters.dynamodb.persisting import persisting
from core.adapters.dynamodb.statements import Check, Put, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import Deletion, DeletionState, Grave
from core.model.errors import NotFound
from core.model.memory import Exclusion, Micros, OrgId
from core.ports import Clock, Lease

_LATEST = 10**20 - 1


class DynamoUndertaker:
    """Implements `Undertaker`.

    Between asking for the lease and a change another flusher may take over: then both did the same,
    and what is counted from stores may be counted twice.
    """

    def __init__(self, dynamo: Dynamo, *, clock: Clock, shards: int) -> None:
        self._dynamo = dynamo
        self._clock = clock
        self._shards = shards
        self._eraser = Eraser(dynamo)

    async def due_deletions(self, now: Micros, limit: int) -> list[Deletion]:
        places: list[tuple[str, str]] = []
        async for place in self._dynamo.query(
            items.DUE, through=f"{min(now, _LATEST):020d}#~", page=min(limit, 1_000)
        ):
            places.append((place["org"], place[SK].partition("#")[2]))
            if len(places) == limit:
                break
        keys = [items.deletion_key(OrgId(org_id), id) for org_id, id in places]
        found = await self._dynamo.batch_get(keys)
        return [items.deletion_of(found[key]) for key in keys if key in found]

    async def free_claims(self, org_id: OrgId, graves: Sequence[Grave], lease: Lease) -> int:
        await hold(self._dynamo, lease)
        standing = await read_standing(self._dynamo, org_id)
        if standing is None:
            return 0
        freed = await together(
            partial(self._eraser.free_claim, org_id, standing.shards, time, key) for time, key in graves
        )
        return sum(freed)

    async def progress(
        self,
        deletion: Deletion,
        lease: Lease,
        *,
        state: DeletionState,
        from_store: int,
        due_at: Micros | None,
        reason: str,
    ) -> bool:
        await hold(self._dynamo, lease)
        key = items.deletion_key(deletion.org_id, deletion.id)
        told = Update(
            key,
            "ADD #store :more SET #checked = :now",
            "attribute_exists(#pk)",
            {"more": from_store, "now": self._clock.micros()},
        )
        try:
            await self._dynamo.write(told)
        except ConditionFailed:
            return False
        async for attempt in persisting():
            with attempt:
                item = await self._dynamo.get(key)
                if item is None or items.deletion_of(item).exclusion != deletion.exclusion:
                    return False
                await self._note(item, state, due_at, reason)
                if (state == "closed") != (item["state"] == "closed"):
                    await items.grow_version(self._dynamo, deletion.org_id)
        return True

    async def _note(self, item: Item, state: DeletionState, due_at: Micros | None, reason: str) -> None:
        same, known = items.unchanged(item)
        values = {"state": state, "due": due_at, "why": reason, **known}
        change = "SET #state = :state, #due = :due, #reason = :why"
        steps = [Update((item[PK], item[SK]), change, same, values), *items.undue(item, but=due_at)]
        if due_at is not None:
            place = items.due_key(due_at, item[SK])
            steps.append(Put({PK: place[0], SK: place[1], "org": item[PK].removeprefix("D#")}))
        await self._dynamo.transact(steps)

    async def retain(self, org_id: OrgId, until: Micros, lease: Lease) -> Deletion | None:
        await hold(self._dynamo, lease)
        deletion_id, now = items.retention_id(org_id), self._clock.micros()
        exclusion = Exclusion(until=min(until, now))
        try:
            await entered(self._dynamo, org_id, now, self._shards)
        except NotFound:
            return None
        key = items.deletion_key(org_id, deletion_id)
        async for attempt in persisting():
            with attempt:
                item = await self._dynamo.get(key)
                if item is None:
                    made = items.creation(deletion_id, org_id, now, exclusion=exclusion)
                    await self._dynamo.transact([Check(org_key(org_id), "attribute_exists(#pk)"), *made])
                elif (held := items.deletion_of(item).exclusion) and held.until < exclusion.until:
                    await self._dynamo.transact(items.renewal(item, now, exclusion))
                else:
                    return None
        await items.keep_stamps_after(self._dynamo, org_id, exclusion.until - 1)
        await items.grow_version(self._dynamo, org_id)
        found = await self._dynamo.get(key)
        return items.deletion_of(found) if found else None


async def reopen(dynamo: Dynamo, org_id: OrgId, now: Micros, *, closed: bool) -> None:
    """Deletions are carried out once more; `closed` ones only if asked for, and they hide again."""
    where = {} if closed else {"where": "#state <> :closed", "values": {"closed": "closed"}}
    async for item in dynamo.query(items.deletions_pk(org_id), **where):  # type: ignore[arg-type]
        async for attempt in persisting():
            with attempt:
                current = await dynamo.get((item[PK], item[SK]))
                if current is not None:
                    await dynamo.transact(_reopening(current, now))
    if closed:
        await items.grow_version(dynamo, org_id)


def _reopening(item: Item, now: Micros) -> list[Update | Put]:
    same, known = items.unchanged(item)
    values = {"pending": "pending", "now": now, "none": "", **known}
    place = items.due_key(now, item[SK])
    return [
        Update((item[PK], item[SK]), "SET #state = :pending, #due = :now, #reason = :none", same, values),
        Put({PK: place[0], SK: place[1], "org": item[PK].removeprefix("D#")}),
        *items.undue(item, but=now),  # type: ignore[list-item]
    ]
