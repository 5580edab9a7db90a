"""Deletions in DynamoDB.

A deletion is announced first (its item, then the version that makes readers look), and carried out
in the journal afterwards, in steps that the flusher goes on with after a crash.

What an exclusion covers ends at a time, and edges give times each on its own. So none of them may be
about to acknowledge a memory of before that time when the deletion is acknowledged: the ledger
says that nothing is stamped before it any more, and `exclude` waits until every copy of the ledger
from before is outdated and every append that used one has ended.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from core.adapters.dynamodb import deletion_items as items
from core.adapters.dynamodb.client import Cancelled, Dynamo, together
from core.adapters.dynamodb.erasing import Eraser
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.admission import FRESH_SECONDS
from core.adapters.dynamodb.journal.standing import Standing, read_standing
from core.adapters.dynamodb.keys import ledger_key, org_key, row_partitions
from core.adapters.dynamodb.persisting import persisting
from core.adapters.dynamodb.places import ORGS
from core.adapters.dynamodb.statements import Check, Put
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import Deletion, Grave
from core.model.errors import NotFound, TooManyDeletions
from core.model.memory import Exclusion, Micros, OrgId
from core.ports import Clock

MOST_EXCLUSIONS: Final = 64
MOST_GRAVES: Final = 20_000
"""Of one org at a time, that are open: readers read all of them whenever one more comes."""
_MICROS: Final = 1_000_000


class DynamoDeletions:
    """Implements `Deletions`."""

    def __init__(
        self,
        dynamo: Dynamo,
        *,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]],
        shards: int,
        append_seconds: float,
    ) -> None:
        """`append_seconds`: how long one attempt of an append may take. `shards`: of orgs that have none."""
        self._dynamo = dynamo
        self._clock = clock
        self._pause = pause
        self._shards = shards
        self._wait = FRESH_SECONDS + append_seconds + 1.0
        self._eraser = Eraser(dynamo)

    async def bury(self, org_id: OrgId, graves: Sequence[Grave]) -> list[Deletion]:
        """Each grave on its own; all are hidden before any is taken out of the journal."""
        await self._entered(org_id)
        if len(await items.open_deletions(self._dynamo, org_id)) + len(graves) > MOST_GRAVES:
            raise TooManyDeletions()
        wanted = list(dict.fromkeys(graves))
        await together(partial(self._announce, org_id, grave) for grave in wanted)
        await items.grow_version(self._dynamo, org_id)
        for time, _ in wanted:
            await items.keep_stamps_after(self._dynamo, org_id, time)
        buried = {}
        for grave in wanted:
            found = await self.find_deletion(org_id, items.grave_id(org_id, grave))
            if found is None:
                raise NotFound("organization not found")  # it was deleted meanwhile
            buried[grave] = await self.erase(found)
        return [buried[grave] for grave in graves]

    async def exclude(self, org_id: OrgId, exclusion: Exclusion) -> Deletion:
        standing = await self._entered(org_id)
        now = self._clock.micros()
        newest = await self._newest(org_id, standing.shards)
        until = min(exclusion.until, max(newest + 1, standing.settled_through + 1, now))
        deletion_id = await self._excluded(org_id, msgspec.structs.replace(exclusion, until=until))
        await items.keep_stamps_after(self._dynamo, org_id, until - 1)
        await items.grow_version(self._dynamo, org_id)
        if until > now - round(self._wait * _MICROS):
            await self._pause(self._wait)
        found = await self.find_deletion(org_id, deletion_id)
        if found is None:
            raise NotFound("organization not found")
        return found

    async def erase(self, deletion: Deletion) -> Deletion:
        current = await self.find_deletion(deletion.org_id, deletion.id)
        standing = await read_standing(self._dynamo, deletion.org_id)
        if current is None or standing is None:
            return deletion
        await self._eraser.erase(current, standing.shards)
        return await self.find_deletion(deletion.org_id, deletion.id) or deletion

    async def find_deletion(self, org_id: OrgId | None, deletion_id: str) -> Deletion | None:
        if org_id is None:
            pointer = await self._dynamo.get(items.pointer_key(deletion_id))
            if pointer is None:
                return None
            org_id = OrgId(pointer["org"])
        item = await self._dynamo.get(items.deletion_key(org_id, deletion_id))
        return items.deletion_of(item) if item else None

    async def list_deletions(self, org_id: OrgId | None, limit: int) -> list[Deletion]:
        found = [d async for one in self._orgs(org_id) for d in await self._of(one)]
        return sorted(found, key=lambda d: (d.requested_at, d.id), reverse=True)[:limit]

    async def _orgs(self, org_id: OrgId | None) -> AsyncIterator[OrgId]:
        if org_id is not None:
            yield org_id
            return
        async for item in self._dynamo.query(ORGS, only=(SK,)):
            yield OrgId(item[SK])

    async def _of(self, org_id: OrgId) -> list[Deletion]:
        return [items.deletion_of(i) async for i in self._dynamo.query(items.deletions_pk(org_id))]

    async def _announce(self, org_id: OrgId, grave: Grave) -> None:
        """The grave's deletion is there and in force afterwards."""
        deletion_id, now = items.grave_id(org_id, grave), self._clock.micros()
        async for attempt in persisting():
            with attempt:
                item = await self._dynamo.get(items.deletion_key(org_id, deletion_id))
                if item is None:
                    made = items.creation(deletion_id, org_id, now, grave=grave)
                    await self._dynamo.transact([Check(org_key(org_id), "attribute_exists(#pk)"), *made])
                elif item["state"] == "closed":
                    await self._dynamo.transact(items.renewal(item, now))

    async def _excluded(self, org_id: OrgId, exclusion: Exclusion) -> str:
        """The id of the deletion that has it, an open one with the same scope or a new one."""
        now = self._clock.micros()
        async for attempt in persisting():
            with attempt:
                found = [item async for item in self._rules(org_id)]
                held = next((item for item in found if _scope(_rule(item)) == _scope(exclusion)), None)
                if held is not None:
                    if _rule(held).until < exclusion.until:
                        await self._dynamo.transact(items.renewal(held, now, exclusion))
                    return str(held[SK])
                if len(found) >= MOST_EXCLUSIONS:
                    raise TooManyDeletions()
                deletion_id = items.new_id()
                await self._dynamo.transact(
                    [
                        Check(org_key(org_id), "attribute_exists(#pk)"),
                        *items.creation(deletion_id, org_id, now, exclusion=exclusion),
                    ]
                )
                return deletion_id
        raise AssertionError("the last attempt raises")  # pragma: no cover

    async def _rules(self, org_id: OrgId) -> AsyncIterator[Item]:
        """Open exclusions, but for that of the retention."""
        where = "#state <> :closed AND #exclusion <> :none"
        values = {"closed": "closed", "none": None}
        async for item in self._dynamo.query(items.deletions_pk(org_id), where=where, values=values):
            if item[SK] != items.retention_id(org_id):
                yield item

    async def _newest(self, org_id: OrgId, shards: int) -> Micros:
        """The newest stamp of what waits; 0 where nothing does."""

        async def last(partition: str) -> Micros:
            async for item in self._dynamo.query(partition, ascending=False, page=1, only=(SK,)):
                return int(item[SK])
            return 0

        return max(await together(partial(last, one) for one in row_partitions(org_id, shards)))

    async def _entered(self, org_id: OrgId) -> Standing:
        return await entered(self._dynamo, org_id, self._clock.micros(), self._shards)


async def entered(dynamo: Dynamo, org_id: OrgId, now: Micros, shards: int) -> Standing:
    """The org's standing; one that never wrote gets one: all it has lies in its store. Raises NotFound."""
    for _ in range(3):
        standing = await read_standing(dynamo, org_id)
        if standing is not None and await dynamo.get(org_key(org_id)) is not None:
            return standing
        pk, sk = ledger_key(org_id)
        item = {PK: pk, SK: sk, "shards": shards, "settled_through": now - 1}
        try:
            await dynamo.transact(
                [Check(org_key(org_id), "attribute_exists(#pk)"), Put(item, "attribute_not_exists(#pk)")]
            )
        except Cancelled as met:
            if met.refusals[0].failed:
                break
    raise NotFound("organization not found")


def _rule(item: Item) -> Exclusion:
    rule = items.deletion_of(item).exclusion
    assert rule is not None
    return rule


def _scope(exclusion: Exclusion) -> tuple[str, frozenset[str]]:
    return exclusion.session_id, frozenset(exclusion.agent_ids)
