"""Memories that come into a store by an import, as the journal in DynamoDB has to know of them."""

from collections.abc import Sequence

from core.adapters.dynamodb.claiming import Claim, claim_stored
from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.deletions import entered
from core.adapters.dynamodb.keys import ledger_key
from core.adapters.dynamodb.moves import all_buried, is_moving
from core.adapters.dynamodb.statements import Update
from core.model.deletion import Graves
from core.model.errors import NotFound
from core.model.memory import Micros, OrgId
from core.ports import Clock


class DynamoLanding:
    """Implements `Landing`."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock, window: Micros, shards: int) -> None:
        self._dynamo = dynamo
        self._clock = clock
        self._window = window
        self._shards = shards

    async def buried(self, org_id: OrgId, times: Sequence[Micros]) -> Graves:
        return await all_buried(self._dynamo, org_id, times)

    async def ask_store_through(self, org_id: OrgId, time: Micros) -> None:
        """An org that never wrote has no item, and its store is asked for everything."""
        further = "attribute_exists(#pk) AND #settled_through < :time"
        change = Update(ledger_key(org_id), "SET #settled_through = :time", further, {"time": time})
        try:
            await self._dynamo.write(change)
        except ConditionFailed:
            return

    async def claim(self, org_id: OrgId, claims: Sequence[Claim], alive_since: Micros, most: int) -> int:
        try:
            await entered(self._dynamo, org_id, self._clock.micros(), self._shards)
        except NotFound:
            return 0
        return await claim_stored(
            self._dynamo, org_id, claims, alive_since=alive_since, window=self._window, most=most
        )

    async def is_moving(self, org_id: OrgId) -> bool:
        return await is_moving(self._dynamo, org_id, self._clock.micros())
