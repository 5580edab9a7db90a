"""How an org's journal stands: its item in the ledger, and who has read it."""

import asyncio
from dataclasses import dataclass
from typing import Final

from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import LEDGER, ledger_key
from core.adapters.dynamodb.table import SK
from core.model.memory import Micros, OrgId

_MOST_KNOWN: Final = 10_000
_KNOWN_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Standing:
    """An org's item in the ledger. Its counters are near the truth; a recount mends them."""

    org_id: OrgId
    shards: int
    """Chosen at the org's first memory, for good."""
    settled_through: Micros
    stamped_through: Micros = 0
    """No memory of this org is stamped at or before it any more."""
    deletions_version: int = 0
    """Grows with every change of what is hidden; 0: nothing was ever deleted."""
    rows: int = 0
    bytes: int = 0
    claims: int = 0
    delivered: int = 0
    dead: int = 0
    gone_since: Micros | None = None
    """When the org was deleted; what is left of its journal is nobody's."""


def standing_of(item: Item) -> Standing:
    """The item as a value."""
    return Standing(
        OrgId(item[SK]),
        item["shards"],
        item["settled_through"],
        item.get("stamped_through", 0),
        item.get("deletions_version", 0),
        item.get("rows", 0),
        item.get("bytes", 0),
        item.get("claims", 0),
        item.get("delivered", 0),
        item.get("dead", 0),
        item.get("gone"),
    )


async def read_standing(dynamo: Dynamo, org_id: OrgId) -> Standing | None:
    """As it is now; None for an org that never wrote, or is gone."""
    item = await dynamo.get(ledger_key(org_id))
    standing = standing_of(item) if item else None
    return standing if standing and standing.gone_since is None else None


async def all_standings(dynamo: Dynamo) -> list[Standing]:
    """Of every org that has a journal, gone ones too; may be a second behind."""
    return [standing_of(item) async for item in dynamo.query(LEDGER, consistent=False)]


class Shards:
    """How many partitions each org's journal has. That never changes, but for an org that is made again."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo
        self._known: dict[OrgId, tuple[int, float]] = {}

    async def of(self, org_id: OrgId) -> int | None:
        """As it was at most ten minutes ago; None for an org that has no journal."""
        shards, known_at = self._known.get(org_id, (0, float("-inf")))
        if asyncio.get_running_loop().time() - known_at < _KNOWN_SECONDS:
            return shards
        standing = await read_standing(self._dynamo, org_id)
        if standing is None:
            return None
        self.learn(standing)
        return standing.shards

    def learn(self, standing: Standing) -> None:
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[standing.org_id] = standing.shards, asyncio.get_running_loop().time()
