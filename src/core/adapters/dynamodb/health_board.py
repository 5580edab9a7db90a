"""The health board in DynamoDB: what the flusher saw last, for the edge to read."""

import zlib
from collections.abc import Sequence
from typing import Final

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.keys import org_key
from core.adapters.dynamodb.places import HEALTH, REPORT
from core.adapters.dynamodb.statements import Put
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import DatabaseError
from core.model.memory import Micros, OrgId
from core.ports import StoreHealth

_MOST_BYTES: Final = 350 * 1024
_MOST_UNPACKED: Final = 16 * 1024 * 1024


class DynamoHealthBoard:
    """A `HealthBoard`. An org that was deleted meanwhile is not brought back."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    async def post_health(self, health: Sequence[StoreHealth]) -> None:
        known = await self._dynamo.batch_get(org_key(one.org_id) for one in health)
        items = [
            {
                PK: HEALTH,
                SK: one.org_id,
                "ok": one.ok,
                "checked": one.checked_at,
                "circuit": one.circuit,
                "retry": one.retry_at,
                "reason": one.reason,
            }
            for one in health
            if org_key(one.org_id) in known
        ]
        await self._dynamo.batch_write(items)

    async def read_health(self) -> list[StoreHealth]:
        """In the order of the orgs' ids."""
        return [
            StoreHealth(
                OrgId(item[SK]), item["ok"], item["checked"], item["circuit"], item["retry"], item["reason"]
            )
            async for item in self._dynamo.query(HEALTH)
        ]

    async def post_report(self, text: bytes, now: Micros) -> None:
        """Raises DatabaseError for a text that no item has room for."""
        packed = zlib.compress(text)
        if len(packed) > _MOST_BYTES:
            raise DatabaseError("the flusher's metrics are larger than one item of DynamoDB")
        await self._dynamo.write(Put({PK: REPORT[0], SK: REPORT[1], "metrics": packed, "at": now}))

    async def read_report(self) -> tuple[bytes, Micros] | None:
        item = await self._dynamo.get(REPORT)
        if item is None:
            return None
        return zlib.decompressobj().decompress(item["metrics"], _MOST_UNPACKED), item["at"]
