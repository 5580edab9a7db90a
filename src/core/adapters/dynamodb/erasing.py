"""Takes deleted memories out of the journal: rows and claims, some of them in one transaction.

A claim that such a memory held is freed, and not dropped: a late retry of the request that made it is
answered as it was answered then, and stores nothing. It goes when the request is forgotten too.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from core.adapters.dynamodb.client import Cancelled, ConditionFailed, Dynamo, together
from core.adapters.dynamodb.deletion_items import deletion_key
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.changing import count
from core.adapters.dynamodb.journal.reading import Merged, questions, where_of
from core.adapters.dynamodb.journal.rows import DEAD, DELIVERED, time_of, ttl_after
from core.adapters.dynamodb.keys import Key, claim_key_of, row_key
from core.adapters.dynamodb.persisting import persisting
from core.adapters.dynamodb.statements import Delete, Step, Update
from core.adapters.dynamodb.table import PK, SK, TTL
from core.model.deletion import Deletion, Grave
from core.model.memory import Exclusion, MemoryFilter, Micros, OrgId, Span

_AT_ONCE: Final = 45
"""Rows of one transaction, each with its claim; and the deletion itself."""
_MOST_BYTES: Final = 2 * 1024 * 1024
"""Of the rows of one transaction."""
_NEEDED: Final = ("key", "size", "state", "agent", "session")


class Eraser:
    """May be used by several processes at once: each row is counted by whoever dropped it."""

    def __init__(self, dynamo: Dynamo, *, window: Micros) -> None:
        """`window`: how long a claim holds."""
        self._dynamo = dynamo
        self._window = window

    async def erase(self, deletion: Deletion, shards: int) -> None:
        """All that the deletion covers and that is unsettled; of a grave the claim too. May be repeated."""
        if deletion.grave is not None:
            await self._erase_grave(deletion, shards, deletion.grave)
        elif deletion.exclusion is not None:
            await self._erase_covered(deletion, shards, deletion.exclusion)

    async def free_claim(self, org_id: OrgId, shards: int, grave: Grave) -> bool:
        """Whether this memory held its key until now; an equal one may be written again."""
        time, key = grave
        try:
            await self._dynamo.write(self._freeing(claim_key_of(org_id, shards, key), time))
        except ConditionFailed:
            return False
        return True

    async def free_claims(self, org_id: OrgId, shards: int, graves: Sequence[Grave]) -> int:
        freed = await together(partial(self.free_claim, org_id, shards, grave) for grave in graves)
        await count(self._dynamo, org_id, claims=-sum(freed))
        return sum(freed)

    async def _erase_grave(self, deletion: Deletion, shards: int, grave: Grave) -> None:
        time, key = grave
        row = await self._dynamo.get(row_key(deletion.org_id, shards, time), only=(PK, SK, *_NEEDED))
        if row is not None and row["key"] == key:
            await self._drop(deletion, shards, [row])
        else:
            await self.free_claims(deletion.org_id, shards, [grave])

    async def _erase_covered(self, deletion: Deletion, shards: int, rule: Exclusion) -> None:
        if rule.until <= 0:
            return
        where = where_of(MemoryFilter(session_id=rule.session_id, agent_ids=rule.agent_ids))
        asked = questions(
            deletion.org_id, shards, Span(0, rule.until), where, only=(PK, *_NEEDED), consistent=True
        )
        waiting = Merged(self._dynamo, asked)
        rows: list[Item] = []
        while (row := await waiting.next()) is not None:
            if not rule.covers(time_of(row), row.get("session", ""), row["agent"]):
                continue
            if len(rows) == _AT_ONCE or sum(each["size"] for each in rows) + row["size"] > _MOST_BYTES:
                await self._drop(deletion, shards, rows)
                rows = []
            rows.append(row)
        await self._drop(deletion, shards, rows)

    async def _drop(self, deletion: Deletion, shards: int, rows: Sequence[Item]) -> None:
        """Those of the rows that are still there, whatever became of them meanwhile."""
        left = list(rows)
        async for attempt in persisting():
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    found = await self._dynamo.batch_get([(row[PK], row[SK]) for row in rows], only=_NEEDED)
                    left = list(found.values())
                if left:
                    await self._drop_now(deletion, shards, left)

    async def _drop_now(self, deletion: Deletion, shards: int, rows: Sequence[Item]) -> None:
        """Raises Cancelled where one of them, or its claim, is not as it was read."""
        org_id = deletion.org_id
        claims = await self._dynamo.batch_get(claim_key_of(org_id, shards, row["key"]) for row in rows)
        steps: list[Step] = []
        for row in rows:
            claim = claim_key_of(org_id, shards, row["key"])
            same = "#key = :key AND #state = :state"
            steps.append(Delete((row[PK], row[SK]), same, {"key": row["key"], "state": row["state"]}))
            if _holds(claims.get(claim), time_of(row)):
                steps.append(self._freeing(claim, time_of(row)))
        freed = len(steps) - len(rows)
        own = deletion_key(org_id, deletion.id)
        steps.append(Update(own, "ADD #journal :count", "attribute_exists(#pk)", {"count": len(rows)}))
        try:
            await self._dynamo.transact(steps)
        except Cancelled as met:
            if met.refusals[-1].failed:
                return  # the deletion went with its org, and so do the rows
            raise
        await count(
            self._dynamo,
            org_id,
            rows=-len(rows),
            bytes=-sum(row["size"] for row in rows),
            delivered=-sum(row["state"] == DELIVERED for row in rows),
            dead=-sum(row["state"] == DEAD for row in rows),
            claims=-freed,
        )

    def _freeing(self, claim: Key, time: Micros) -> Update:
        values: dict[str, Any] = {"true": True, "time": time, "ttl": ttl_after(time, self._window)}
        return Update(
            claim,
            f"SET #freed = :true, #{TTL} = :ttl",
            "#time = :time AND attribute_not_exists(#freed)",
            values,
        )


def _holds(claim: Item | None, time: Micros) -> bool:
    return claim is not None and claim["time"] == time and "freed" not in claim
