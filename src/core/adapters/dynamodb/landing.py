"""Memories that come into a store by an import, as the journal in DynamoDB has to know of them."""

from collections.abc import Sequence

from core.adapters.dynamodb.claiming import Claim, claim_stored
from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.journal.changing import held
from core.adapters.dynamodb.journal.entering import entered
from core.adapters.dynamodb.keys import ledger_key
from core.adapters.dynamodb.moves import all_buried, is_moving
from core.adapters.dynamodb.statements import Update
from core.model.deletion import Graves
from core.model.errors import NotFound
from core.model.memory import Micros, OrgId
from core.ports import Clock

_CHUNK = 500


class DynamoLanding:
    """Implements `Landing`."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock, window: Micros, shards: int) -> None:
        """`window`: how long a claim holds. `shards`: of orgs that have none yet."""
        self._dynamo = dynamo
        self._clock = clock
        self._window = window
        self._shards = shards

    async def buried(self, org_id: OrgId, times: Sequence[Micros]) -> Graves:
        return await all_buried(self._dynamo, org_id, times)

    async def ask_store_through(self, org_id: OrgId, time: Micros) -> None:
        """An org that never wrote has no item, and its store is asked for everything."""
        further = "attribute_exists(#pk) AND #settled_through < :time"
        await held(
            self._dynamo,
            Update(ledger_key(org_id), "SET #settled_through = :time", further, {"time": time}),
        )

    async def claim(self, org_id: OrgId, claims: Sequence[Claim], alive_since: Micros, most: int) -> int:
        """Each by itself; no more than `most`, as far as the counters know."""
        taken = 0
        for start in range(0, len(claims), _CHUNK):
            try:
                standing = await entered(self._dynamo, org_id, shards=self._shards, now=self._clock.micros())
            except NotFound:
                break  # deleted meanwhile
            chunk = claims[start : start + _CHUNK]
            taken += len(
                await claim_stored(
                    self._dynamo, standing, chunk, alive_since=alive_since, window=self._window, most=most
                )
            )
        return taken

    async def is_moving(self, org_id: OrgId) -> bool:
        return await is_moving(self._dynamo, org_id, self._clock.micros())
