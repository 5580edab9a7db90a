"""What the ledger tells everybody of an org's deletions: that there are others now, and what no stamp is."""

from typing import Final

from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import ledger_key
from core.adapters.dynamodb.statements import Update
from core.model.memory import Micros, OrgId

_THERE: Final = "attribute_exists(#pk)"
_LATER: Final = "(attribute_not_exists(#stamped_through) OR #stamped_through < :time)"


async def announce(dynamo: Dynamo, org_id: OrgId, stamped_through: Micros | None = None) -> Item | None:
    """Readers look again, and whoever reads the standing from now on stamps later than this.

    The ledger's item as it is now; None where the org is gone. Once too often does no harm.
    """
    again, values = "ADD #deletions_version :one", {"one": 1}
    if stamped_through is not None:
        change = f"{again} SET #stamped_through = :time"
        told = {**values, "time": stamped_through}
        try:
            return await dynamo.write(
                Update(ledger_key(org_id), change, f"{_THERE} AND {_LATER}", told), returning="new"
            )
        except ConditionFailed as failed:
            if failed.item is None:
                return None
    try:
        return await dynamo.write(Update(ledger_key(org_id), again, _THERE, values), returning="new")
    except ConditionFailed:
        return None
