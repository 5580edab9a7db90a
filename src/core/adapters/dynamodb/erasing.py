"""Takes deleted memories out of the journal: rows and claims, some in one transaction each.

A claim that such a memory held is freed, and not dropped: a late retry of the request that made it is
answered as it was answered then, and stores nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

from core.adapters.dynamodb import deletion_items
from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.journal.reading import Merged, questions
from core.adapters.dynamodb.journal.rows import DEAD, memory_of, time_of
from core.adapters.dynamodb.keys import Key, claim_key_of, ledger_key, row_key
from core.adapters.dynamodb.persisting import persisting
from core.adapters.dynamodb.statements import Delete, Step, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import Deletion
from core.model.memory import Micros, OrgId, Span

_AT_ONCE: Final = 45
"""Rows of one transaction, each with its claim; and the deletion itself."""


class Eraser:
    """May be used by several processes at once: each row is counted by whoever dropped it."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    async def erase(self, deletion: Deletion, shards: int) -> None:
        """All that the deletion covers and that is unsettled; of a grave the claim too. May be repeated."""
        rows: list[Item] = []
        if deletion.grave is not None:
            time, key = deletion.grave
            found = await self._dynamo.get(row_key(deletion.org_id, shards, time))
            rows = [found] if found and found["key"] == key else []
            if not rows:
                await self.free_claim(deletion.org_id, shards, time, key)
        elif deletion.exclusion is not None:
            span = Span(0, deletion.exclusion.until)
            waiting = Merged(self._dynamo, questions(deletion.org_id, shards, span, ("", {})))
            while (row := await waiting.next()) is not None:
                if deletion.graves.hides(memory_of(row)):
                    rows.append(row)
                if len(rows) == _AT_ONCE:
                    await self._drop(deletion, shards, rows)
                    rows = []
        if rows:
            await self._drop(deletion, shards, rows)

    async def free_claim(self, org_id: OrgId, shards: int, time: Micros, key: bytes) -> bool:
        """Whether it held its key until now; an equal memory may be written again."""
        free = _freeing(claim_key_of(org_id, shards, key), time)
        try:
            await self._dynamo.write(free)
        except ConditionFailed:
            return False
        return True

    async def _drop(self, deletion: Deletion, shards: int, rows: Sequence[Item]) -> None:
        async for attempt in persisting():
            with attempt:
                left = await self._dynamo.batch_get((row[PK], row[SK]) for row in rows)
                if left:
                    await self._drop_now(deletion, shards, list(left.values()))

    async def _drop_now(self, deletion: Deletion, shards: int, rows: Sequence[Item]) -> None:
        """Raises Cancelled where one of them changed meanwhile."""
        org_id = deletion.org_id
        claims = await self._dynamo.batch_get(claim_key_of(org_id, shards, row["key"]) for row in rows)
        steps: list[Step] = []
        for row in rows:
            steps.append(Delete((row[PK], row[SK]), "#key = :key", {"key": row["key"]}))
            claim = claims.get(claim_key_of(org_id, shards, row["key"]))
            if claim and claim["time"] == time_of(row) and "freed" not in claim:
                steps.append(_freeing((claim[PK], claim[SK]), time_of(row)))
        own = deletion_items.deletion_key(org_id, deletion.id)
        steps.append(Update(own, "ADD #journal :count", "attribute_exists(#pk)", {"count": len(rows)}))
        await self._dynamo.transact(steps)
        await self._told(org_id, rows)

    async def _told(self, org_id: OrgId, rows: Sequence[Item]) -> None:
        """The ledger counts them no longer; a crash before is mended by its next recount."""
        gone: dict[str, Any] = {
            "rows": -len(rows),
            "bytes": -sum(row["size"] for row in rows),
            "dead": -sum(row["state"] == DEAD for row in rows),
        }
        change = "ADD #rows :rows, #bytes :bytes, #dead :dead"
        try:
            await self._dynamo.write(Update(ledger_key(org_id), change, "attribute_exists(#pk)", gone))
        except ConditionFailed:
            return


def _freeing(claim: Key, time: Micros) -> Update:
    return Update(
        claim,
        "SET #freed = :true",
        "#time = :time AND attribute_not_exists(#freed)",
        {"true": True, "time": time},
    )
