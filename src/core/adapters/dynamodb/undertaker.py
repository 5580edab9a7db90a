"""The flusher's steps on deletions in DynamoDB: every change demands the lease in its transaction."""

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from core.adapters.dynamodb import deletion_items as items
from core.adapters.dynamodb import deletion_lists as lists
from core.adapters.dynamodb.announcing import announce
from core.adapters.dynamodb.client import Cancelled, Dynamo, together
from core.adapters.dynamodb.erasing import Eraser
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.entering import entered
from core.adapters.dynamodb.journal.leases import hold
from core.adapters.dynamodb.journal.standing import read_standing
from core.adapters.dynamodb.keys import LEASE, Key
from core.adapters.dynamodb.orgs import org_there
from core.adapters.dynamodb.persisting import persisting
from core.adapters.dynamodb.statements import Check, Step
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import Deletion, DeletionState, Grave
from core.model.errors import LeaseLost, NotFound
from core.model.memory import Exclusion, Micros, OrgId
from core.ports import Clock, Lease

_LATEST: Final = 10**20 - 1
_MOST_AT_ONCE: Final = 1_000


class DynamoUndertaker:
    """Implements `Undertaker`."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock, shards: int, window: Micros) -> None:
        """`shards`: of orgs that have none yet. `window`: how long a claim holds."""
        self._dynamo = dynamo
        self._clock = clock
        self._shards = shards
        self._eraser = Eraser(dynamo, window=window)

    async def due_deletions(self, now: Micros, limit: int) -> list[Deletion]:
        places: dict[Key, Key] = {}
        async for place in self._dynamo.query(
            items.DUE, through=items.due_through(min(now, _LATEST)), page=min(limit, _MOST_AT_ONCE)
        ):
            deletion_id = place[SK].partition("#")[2]
            places[items.deletion_key(OrgId(place["org"]), deletion_id)] = (place[PK], place[SK])
            if len(places) == limit:
                break
        found = await self._dynamo.batch_get(places)
        # Places of deletions that went with their org would be in the way for good.
        await self._dynamo.batch_write(deletes=[place for key, place in places.items() if key not in found])
        deletions = [items.deletion_of(found[key]) for key in places if key in found]
        return [d for d in deletions if d.due_at is not None and d.due_at <= now]

    async def free_claims(self, org_id: OrgId, graves: Sequence[Grave], lease: Lease) -> int:
        await hold(self._dynamo, lease)
        standing = await read_standing(self._dynamo, org_id)
        if standing is None:
            return 0
        return await self._eraser.free_claims(org_id, standing.shards, graves)

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
        key, by = items.deletion_key(deletion.org_id, deletion.id), secrets.token_hex(8)
        is_in_time = False
        async for attempt in persisting():
            with attempt:
                item = await self._dynamo.get(key)
                if item is None:
                    await hold(self._dynamo, lease)
                    return False
                if item["by"] == by:  # it was done, and the answer was lost
                    await announce(self._dynamo, deletion.org_id)
                    return is_in_time
                told = {"store": item["store"] + from_store, "checked": self._clock.micros()}
                is_in_time = items.deletion_of(item).exclusion == deletion.exclusion
                if is_in_time:
                    told |= {"state": state, "due": due_at, "reason": reason}
                await self._change(item, told, by, lease)
                if is_in_time and (state == "closed") != (item["state"] == "closed"):
                    await announce(self._dynamo, deletion.org_id)
        return is_in_time

    async def retain(self, org_id: OrgId, until: Micros, lease: Lease) -> Deletion | None:
        await hold(self._dynamo, lease)
        now, by = self._clock.micros(), secrets.token_hex(8)
        try:
            await entered(self._dynamo, org_id, shards=self._shards, now=now)
            return await self._retain(org_id, Exclusion(until=min(until, now)), now, by, lease)
        except NotFound:
            return None

    async def _retain(
        self, org_id: OrgId, exclusion: Exclusion, now: Micros, by: str, lease: Lease
    ) -> Deletion | None:
        """Raises NotFound where the org is gone."""
        deletion_id = items.retention_id(org_id)
        key = items.deletion_key(org_id, deletion_id)
        async for attempt in persisting():
            with attempt:
                item = await self._dynamo.get(key)
                if item is None:
                    made = items.creation(deletion_id, org_id, now, by=by, exclusion=exclusion)
                    await self._carry_out([_leased(lease), org_there(org_id), *made], org_step=1)
                elif item["by"] != by:
                    held = items.deletion_of(item).exclusion
                    if held is None or held.until >= exclusion.until:
                        return None
                    await self._change(item, items.renewal(now, exclusion), by, lease)
        await announce(self._dynamo, org_id, exclusion.until - 1)
        found = await self._dynamo.get(key)
        return items.deletion_of(found) if found else None

    async def _change(self, item: Item, changes: Mapping[str, Any], by: str, lease: Lease) -> None:
        await self._carry_out([_leased(lease), *items.change(item, changes, by)])

    async def _carry_out(self, steps: Sequence[Step], *, org_step: int | None = None) -> None:
        """The first step demands the lease. Raises LeaseLost, NotFound, or Cancelled for any other."""
        try:
            await self._dynamo.transact(steps)
        except Cancelled as met:
            if met.refusals[0].failed:
                raise LeaseLost() from None
            if org_step is not None and met.refusals[org_step].failed:
                raise NotFound("organization not found") from None
            raise


def _leased(lease: Lease) -> Check:
    return Check(LEASE, "#owner = :owner AND #fence = :fence", {"owner": lease.owner, "fence": lease.fence})


async def reopen(dynamo: Dynamo, org_id: OrgId, now: Micros, *, closed: bool) -> None:
    """Open deletions, or closed ones alone, are pending and due; closed ones hide again once this is done."""
    found = [item async for item in lists.items_of(dynamo, org_id) if (item["state"] == "closed") == closed]
    await together(partial(_reopen, dynamo, (item[PK], item[SK]), now) for item in found)
    if closed and found:
        await announce(dynamo, org_id)


async def _reopen(dynamo: Dynamo, key: Key, now: Micros) -> None:
    by = secrets.token_hex(8)
    async for attempt in persisting():
        with attempt:
            item = await dynamo.get(key)
            if item is not None and item["by"] != by:
                changes = {"state": "pending", "due": now, "reason": ""}
                await dynamo.transact(items.change(item, changes, by))
