"""Which bindings' stores were read for claims, and the claims that came of it, in DynamoDB."""

from collections.abc import Sequence

from core.adapters.dynamodb.claiming import Claim, claim_stored, give_back
from core.adapters.dynamodb.client import Cancelled, Dynamo
from core.adapters.dynamodb.deletion_lists import hidden
from core.adapters.dynamodb.journal.entering import entered
from core.adapters.dynamodb.journal.standing import read_standing
from core.adapters.dynamodb.keys import binding_key
from core.adapters.dynamodb.places import BINDINGS, seeding_key
from core.adapters.dynamodb.statements import Check, Put
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import NO_GRAVES, Graves
from core.model.errors import Conflict, NotFound
from core.model.memory import Micros, OrgId
from core.ports import Clock, Looking


class DynamoSeedings:
    """Implements `Seedings`; `most` claims an org are held at most, as far as the counters know."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock, window: Micros, most: int, shards: int) -> None:
        """`window`: how long a claim holds. `shards`: of orgs that have none yet."""
        self._dynamo = dynamo
        self._clock = clock
        self._window = window
        self._most = most
        self._shards = shards

    async def unseeded(self) -> list[Looking]:
        bound = [(OrgId(i[SK]), str(i["id"])) async for i in self._dynamo.query(BINDINGS, only=(SK, "id"))]
        known = await self._dynamo.batch_get(seeding_key(org_id, binding_id) for org_id, binding_id in bound)
        looked = []
        for org_id, binding_id in bound:
            item = known.get(seeding_key(org_id, binding_id))
            if item is None:
                looked.append(Looking(org_id, binding_id))
            elif not item["done"]:
                looked.append(Looking(org_id, binding_id, item["began"], item["reached"], item["again"]))
        return looked

    async def note(self, looking: Looking, *, is_done: bool = False) -> None:
        pk, sk = seeding_key(looking.org_id, looking.binding_id)
        item = {
            PK: pk,
            SK: sk,
            "began": looking.began or 0,
            "reached": looking.reached,
            "again": looking.again_at,
            "done": is_done,
        }
        in_force = Check(binding_key(looking.org_id), "#id = :id", {"id": looking.binding_id})
        kept = Put(item, "attribute_not_exists(#pk) OR #done = :no", {"no": False})
        try:
            await self._dynamo.transact([in_force, kept])
        except Cancelled:
            return  # bound elsewhere by now, or done

    async def hidden(self, org_id: OrgId) -> tuple[int, Graves]:
        version = await self._version(org_id)
        return version, await hidden(self._dynamo, org_id) if version else NO_GRAVES

    async def claim(
        self, looking: Looking, claims: Sequence[Claim], alive_since: Micros, version: int
    ) -> int | None:
        """Each claim by itself; they are given back where something was deleted, or bound, meanwhile.

        Whoever deletes after the second look frees what of them it covers.
        """
        org_id = looking.org_id
        await self._refuse_unless_bound(looking)
        try:
            standing = await entered(self._dynamo, org_id, shards=self._shards, now=self._clock.micros())
        except NotFound:
            return 0
        if standing.deletions_version != version:
            return None
        taken = await claim_stored(
            self._dynamo, standing, claims, alive_since=alive_since, window=self._window, most=self._most
        )
        try:
            if await self._version(org_id) == version:
                await self._refuse_unless_bound(looking)
                return len(taken)
        except Conflict:
            await give_back(self._dynamo, standing, taken)
            raise
        await give_back(self._dynamo, standing, taken)
        return None

    async def _version(self, org_id: OrgId) -> int:
        standing = await read_standing(self._dynamo, org_id)
        return standing.deletions_version if standing else 0

    async def _refuse_unless_bound(self, looking: Looking) -> None:
        item = await self._dynamo.get(binding_key(looking.org_id), only=("id",))
        if item is None or item["id"] != looking.binding_id:
            raise Conflict(f"{looking.org_id} is bound to another store by now")
