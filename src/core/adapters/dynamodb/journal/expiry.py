"""What is done for the journal on the side. Claims and requests leave by themselves, by their TTL.

What is left to do is counting anew what the ledger's counters should say, and dropping what the last
appends of deleted orgs left: one org at a time, in bounded turns.
"""

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.journal.forgetting import bury_tombstone
from core.adapters.dynamodb.journal.leases import hold
from core.adapters.dynamodb.journal.recounting import Recount
from core.adapters.dynamodb.journal.standing import Standing, all_standings, read_standing
from core.model.memory import Micros, OrgId
from core.ports import Clock, Lease


class DynamoExpiry:
    """Implements `Expiry`. Remembers where its round stands; a new process begins a new one."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock, recount_every: float) -> None:
        """`recount_every` in seconds, for each org: reading all its rows and claims has a price."""
        self._dynamo = dynamo
        self._clock = clock
        self._every = recount_every
        self._waiting: list[Standing] | None = None
        self._current: Recount | None = None
        self._recounted: dict[OrgId, float] = {}

    async def expire(self, before: Micros, lease: Lease, max_rows: int) -> bool:
        await hold(self._dynamo, lease)
        if self._waiting is None:
            self._waiting = await all_standings(self._dynamo)
        if self._current is None:
            self._current = await self._next(self._waiting, before)
        if self._current is None:
            self._waiting = None
            return True
        if await self._current.go_on(max_rows):
            self._current = None
        return False

    async def _next(self, waiting: list[Standing], before: Micros) -> Recount | None:
        """Of the next org whose turn it is; deleted ones are done with on the way."""
        while waiting:
            standing = waiting.pop()
            org_id, now = standing.org_id, self._clock.monotonic()
            if standing.gone_since is not None:
                await bury_tombstone(self._dynamo, standing, self._clock.micros())
                self._recounted.pop(org_id, None)
                continue
            last = self._recounted.get(org_id)
            if last is not None and now - last < self._every:
                continue
            fresh = await read_standing(self._dynamo, org_id)
            if fresh is not None:
                self._recounted[org_id] = now
                return Recount(self._dynamo, fresh, before)
        return None
