"""The end of a row's life, in an order that a crash may break off anywhere.

1. The rows are read, with their turns. 2. The lease, the binding and the move are looked at. 3. The
ledger's `settled_through` rises: from now on readers ask the store for these memories. 4. The claims are
marked settled: from now on they may expire, and DynamoDB may drop them a day after their window. 5. The
rows go. Every step may be repeated; broken off, the rows are delivered still, and settle another time.

What another owner of the lease, or a move to another store, may do between 2 and 5: whatever
changes a row gives it another turn, and then it stays. A row that nobody touched was shown by the store of
the binding that was in force at 2, before any move that began after, so that move finds it there.
"""

from collections.abc import Sequence

from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.journal.changing import Seen, chunks, count, each, seen_rows
from core.adapters.dynamodb.journal.rows import DELIVERED, settling
from core.adapters.dynamodb.keys import LEASE, binding_key, claim_key_of, ledger_key, move_key
from core.adapters.dynamodb.statements import Update
from core.model.errors import LeaseLost
from core.model.memory import Micros, OrgId
from core.ports import Clock, Lease


class Settling:
    def __init__(self, dynamo: Dynamo, *, clock: Clock, window: Micros) -> None:
        self._dynamo = dynamo
        self._clock = clock
        self._window = window

    async def settle(
        self, org_id: OrgId, shards: int, times: Sequence[Micros], lease: Lease, seen_in: str | None
    ) -> int:
        """How many rows went. Raises LeaseLost."""
        done = 0
        for chunk in chunks(times):
            rows = await seen_rows(self._dynamo, org_id, shards, chunk, (DELIVERED,))
            if not await self._may_settle(org_id, lease, seen_in):
                break
            if rows:
                done += await self._settle(org_id, shards, rows)
        return done

    async def _may_settle(self, org_id: OrgId, lease: Lease, seen_in: str | None) -> bool:
        found = await self._dynamo.batch_get((LEASE, binding_key(org_id), move_key(org_id)))
        held = found.get(LEASE)
        if held is None or (held["owner"], held["fence"]) != (lease.owner, lease.fence):
            raise LeaseLost()
        move, binding = found.get(move_key(org_id)), found.get(binding_key(org_id))
        if move is not None and move["until"] > self._clock.micros():
            return False
        return seen_in is None or (binding is not None and binding["id"] == seen_in)

    async def _settle(self, org_id: OrgId, shards: int, rows: Sequence[Seen]) -> int:
        if not await self._raise(org_id, rows[-1].time):
            return 0
        await each(self._dynamo, [self._claim(org_id, shards, row) for row in rows])
        went = await each(self._dynamo, [row.delete() for row in rows])
        gone = [row.size for row, is_gone in zip(rows, went, strict=True) if is_gone]
        await count(self._dynamo, org_id, rows=-len(gone), bytes=-sum(gone), delivered=-len(gone))
        return len(gone)

    async def _raise(self, org_id: OrgId, time: Micros) -> bool:
        """False when the org is gone."""
        condition = "attribute_exists(#pk) AND attribute_not_exists(#gone) AND #settled_through < :time"
        rise = Update(ledger_key(org_id), "SET #settled_through = :time", condition, {"time": time})
        try:
            await self._dynamo.write(rise)
        except ConditionFailed as failed:
            return failed.item is not None and "gone" not in failed.item
        return True

    def _claim(self, org_id: OrgId, shards: int, row: Seen) -> Update:
        """Only while this memory holds it."""
        change, values = settling(self._window, row.time)
        place = claim_key_of(org_id, shards, row.key)
        return Update(place, change, "#time = :time", {**values, "time": row.time})
