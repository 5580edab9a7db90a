"""Deletions in DynamoDB: announced first, to every reader, and carried out in the journal afterwards.

What an exclusion covers ends at a time, and each edge gives times on its own, knowing an org's standing as
it was up to `FRESH_SECONDS` ago. So the standing says that nothing is stamped any more at times that
are covered, and the deletion is acknowledged once every copy from before is outdated, and every append
that used one has ended or will look again before it ends (`SLOW_SECONDS`). Where nobody took a copy lately
there is nothing to wait for.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from core.adapters.dynamodb import deletion_items as items
from core.adapters.dynamodb import deletion_lists as lists
from core.adapters.dynamodb.announcing import announce
from core.adapters.dynamodb.client import Cancelled, Dynamo, together
from core.adapters.dynamodb.erasing import Eraser
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.admission import FRESH_SECONDS, SLOW_SECONDS
from core.adapters.dynamodb.journal.entering import entered
from core.adapters.dynamodb.journal.rows import SECOND, time_of
from core.adapters.dynamodb.journal.standing import read_standing
from core.adapters.dynamodb.keys import LEDGER, row_key, row_partitions
from core.adapters.dynamodb.orgs import org_there, refuse_unknown
from core.adapters.dynamodb.persisting import persisting
from core.adapters.dynamodb.statements import Question, Step
from core.adapters.dynamodb.table import SK
from core.model.deletion import Deletion, Grave
from core.model.errors import NotFound, TooManyDeletions
from core.model.memory import Exclusion, Micros, OrgId
from core.ports import Clock

MOST_EXCLUSIONS: Final = 1_000
MOST_GRAVES: Final = 20_000
"""Of one org at a time, that are open: every reader reads all of them whenever one more comes."""
_WAIT: Final = FRESH_SECONDS + SLOW_SECONDS + 0.5
_LATELY: Final = round((_WAIT + 60) * SECOND)
"""Also where the clocks of edges are wrong by a minute."""


class DynamoDeletions:
    """Implements `Deletions`. Each grave is buried by itself, and all are hidden before any is erased."""

    def __init__(
        self,
        dynamo: Dynamo,
        *,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]],
        shards: int,
        window: Micros,
    ) -> None:
        """`shards`: of orgs that have none yet. `window`: how long a claim holds."""
        self._dynamo = dynamo
        self._clock = clock
        self._pause = pause
        self._shards = shards
        self._eraser = Eraser(dynamo, window=window)

    async def bury(self, org_id: OrgId, graves: Sequence[Grave]) -> list[Deletion]:
        standing = await entered(self._dynamo, org_id, shards=self._shards, now=self._clock.micros())
        wanted = list(dict.fromkeys(graves))
        await self._refuse_too_many(org_id, len(wanted))
        await together(partial(self._bury, org_id, grave) for grave in wanted)
        rows = await self._dynamo.batch_get(
            (row_key(org_id, standing.shards, time) for time, _ in wanted), only=("state",)
        )
        # No stamp is given twice, also not that of the newest memory.
        await announce(self._dynamo, org_id, max(map(time_of, rows.values()), default=None))
        erased = await together(partial(self._erase_buried, org_id, grave) for grave in wanted)
        buried = dict(zip(wanted, erased, strict=True))
        return [buried[grave] for grave in graves]

    async def exclude(self, org_id: OrgId, exclusion: Exclusion) -> Deletion:
        standing = await entered(self._dynamo, org_id, shards=self._shards, now=self._clock.micros())
        # Rows first: what settles meanwhile raises the standing before its row goes.
        newest = await self._newest(org_id, standing.shards)
        standing = await read_standing(self._dynamo, org_id) or standing
        now = self._clock.micros()
        until = min(exclusion.until, max(newest + 1, standing.settled_through + 1, now))
        deletion_id = await self._exclude(org_id, msgspec.structs.replace(exclusion, until=until))
        ledger = await announce(self._dynamo, org_id, until - 1)
        if ledger is not None and now - until < _LATELY and now - ledger.get("asked_at", 0) < _LATELY:
            await self._pause(_WAIT)
        found = await self.find_deletion(org_id, deletion_id)
        if found is None:
            raise NotFound("organization not found")  # it was deleted meanwhile
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
        orgs = [org_id] if org_id is not None else await self._orgs()
        each = await together(partial(lists.newest, self._dynamo, one, limit) for one in orgs)
        found = [deletion for some in each for deletion in some]
        return sorted(found, key=lambda d: (d.requested_at, d.id), reverse=True)[:limit]

    async def _orgs(self) -> list[OrgId]:
        """Who deletes has an item in the ledger."""
        return [OrgId(item[SK]) async for item in self._dynamo.query(LEDGER, only=(SK,))]

    async def _bury(self, org_id: OrgId, grave: Grave) -> None:
        """The grave's deletion is there and in force afterwards. Raises NotFound."""
        deletion_id, now, by = items.grave_id(org_id, grave), self._clock.micros(), secrets.token_hex(8)
        async for attempt in persisting():
            with attempt:
                item = await self._dynamo.get(items.deletion_key(org_id, deletion_id))
                if item is None:
                    made = items.creation(deletion_id, org_id, now, by=by, grave=grave)
                    await self._make(org_id, made)
                elif item["state"] == "closed":
                    await self._dynamo.transact(items.change(item, items.renewal(now), by))

    async def _erase_buried(self, org_id: OrgId, grave: Grave) -> Deletion:
        found = await self.find_deletion(org_id, items.grave_id(org_id, grave))
        if found is None:
            raise NotFound("organization not found")
        return await self.erase(found)

    async def _exclude(self, org_id: OrgId, exclusion: Exclusion) -> str:
        """The id of the deletion that has it, an open one with the same scope or a new one."""
        now, by = self._clock.micros(), secrets.token_hex(8)
        async for attempt in persisting():
            with attempt:
                rules = await lists.open_rules(self._dynamo, org_id)
                rules = [rule for rule in rules if rule.deletion_id != items.retention_id(org_id)]
                for rule in rules:
                    if _scope(rule.exclusion) == _scope(exclusion):
                        await self._extend(org_id, rule.deletion_id, exclusion, now, by)
                        return rule.deletion_id
                if len(rules) >= MOST_EXCLUSIONS:
                    raise TooManyDeletions()
                deletion_id = f"del_{secrets.token_hex(12)}"
                await self._make(org_id, items.creation(deletion_id, org_id, now, by=by, exclusion=exclusion))
                return deletion_id
        raise AssertionError("the last attempt raises")  # pragma: no cover

    async def _extend(
        self, org_id: OrgId, deletion_id: str, exclusion: Exclusion, now: Micros, by: str
    ) -> None:
        """Raises Cancelled where it was changed meanwhile."""
        item = await self._dynamo.get(items.deletion_key(org_id, deletion_id))
        held = items.deletion_of(item).exclusion if item else None
        if item is not None and held is not None and held.until < exclusion.until:
            await self._dynamo.transact(items.change(item, items.renewal(now, exclusion), by))

    async def _make(self, org_id: OrgId, made: Sequence[Step]) -> None:
        """Raises NotFound, or Cancelled where it is there."""
        try:
            await self._dynamo.transact([org_there(org_id), *made])
        except Cancelled as met:
            refuse_unknown(met)
            raise

    async def _newest(self, org_id: OrgId, shards: int) -> Micros:
        """The newest stamp of what waits; 0 where nothing does."""

        async def last(partition: str) -> Micros:
            question = Question(partition, ascending=False, most=1, only=(SK,))
            rows: list[Item] = (await self._dynamo.page(question)).items
            return max(map(time_of, rows), default=0)

        return max(await together(partial(last, one) for one in row_partitions(org_id, shards)))

    async def _refuse_too_many(self, org_id: OrgId, more: int) -> None:
        question = Question(
            items.hidden_pk(org_id), since=items.MEMORIES, through=f"{items.MEMORIES}~", counts=True
        )
        held, start = 0, ""
        while held + more <= MOST_GRAVES:
            answer = await self._dynamo.page(question, start)
            held, start = held + answer.count, answer.next
            if not start:
                break
        if held + more > MOST_GRAVES:
            raise TooManyDeletions()


def _scope(exclusion: Exclusion) -> tuple[str, frozenset[str]]:
    return exclusion.session_id, frozenset(exclusion.agent_ids)
