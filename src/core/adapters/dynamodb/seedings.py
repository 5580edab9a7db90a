"""Which bindings' stores were read for claims, and the claims that came of it, in DynamoDB."""

from collections.abc import Sequence

from core.adapters.dynamodb.claiming import Claim, claim_stored
from core.adapters.dynamodb.client import Cancelled, Dynamo
from core.adapters.dynamodb.deletion_items import covered_by, open_deletions
from core.adapters.dynamodb.journal.standing import read_standing
from core.adapters.dynamodb.keys import binding_key
from core.adapters.dynamodb.places import BINDINGS, seeding_key
from core.adapters.dynamodb.statements import Check, Put
from core.adapters.dynamodb.table import PK, SK
from core.model.deletion import NO_GRAVES, Graves
from core.model.errors import Conflict
from core.model.memory import Micros, OrgId
from core.ports import Clock, Looking


class DynamoSeedings:
    """Implements `Seedings`; `most` claims an org are held at most."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock, window: Micros, most: int) -> None:
        self._dynamo = dynamo
        self._clock = clock
        self._window = window
        self._most = most

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
        standing = await read_standing(self._dynamo, org_id)
        if standing is None or not standing.deletions_version:
            return 0, NO_GRAVES
        return standing.deletions_version, covered_by(await open_deletions(self._dynamo, org_id))

    async def claim(
        self, looking: Looking, claims: Sequence[Claim], alive_since: Micros, version: int
    ) -> int | None:
        """Not in one transaction: what is deleted meanwhile frees its claim again when it is removed."""
        binding = await self._dynamo.get(binding_key(looking.org_id))
        if binding is None or binding["id"] != looking.binding_id:
            raise Conflict(f"{looking.org_id} is bound to another store by now")
        standing = await read_standing(self._dynamo, looking.org_id)
        if (standing.deletions_version if standing else 0) != version:
            return None
        return await claim_stored(
            self._dynamo,
            looking.org_id,
            claims,
            alive_since=alive_since,
            window=self._window,
            most=self._most,
        )
