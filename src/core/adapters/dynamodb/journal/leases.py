"""The flushing lease: one item, a fence that only grows, and an expiry."""

import secrets

from core.adapters.dynamodb.client import ConditionFailed, Dynamo
from core.adapters.dynamodb.keys import LEASE
from core.adapters.dynamodb.statements import Update
from core.model.errors import LeaseLost
from core.model.memory import Micros
from core.ports import Clock, Lease

_OURS = "#owner = :owner AND #fence = :fence"


async def hold(dynamo: Dynamo, lease: Lease) -> None:
    """Raises LeaseLost unless the lease is the caller's now. The fence decides, not the expiry.

    It may be lost a moment later, so whatever follows is a compare-and-set too.
    """
    item = await dynamo.get(LEASE)
    if item is None or (item["owner"], item["fence"]) != (lease.owner, lease.fence):
        raise LeaseLost()


class DynamoLeases:
    """Implements `Leases`. Whether the owner's process is dead, only the expiry can tell."""

    def __init__(self, dynamo: Dynamo, *, clock: Clock) -> None:
        self._dynamo = dynamo
        self._clock = clock

    async def acquire(self, owner: str, seconds: float) -> Lease | None:
        item = await self._dynamo.get(LEASE)
        now = self._clock.micros()
        held, fence = (item["owner"], item["fence"]) if item else ("", 0)
        if item and held and held != owner and item["expires"] > now:
            return None
        nonce = secrets.token_bytes(8)
        take = Update(
            LEASE,
            "SET #owner = :owner, #fence = :next, #expires = :expires, #nonce = :nonce",
            "#fence = :fence" if item else "attribute_not_exists(#pk)",
            {
                "owner": owner,
                "next": fence + 1,
                "expires": now + _micros(seconds),
                "nonce": nonce,
            }
            | ({"fence": fence} if item else {}),
        )
        try:
            await self._dynamo.write(take)
        except ConditionFailed as failed:
            # Its own, where the answer to the first attempt was lost.
            if failed.item is None or failed.item["nonce"] != nonce:
                return None
        return Lease(owner, fence + 1)

    async def renew(self, lease: Lease, seconds: float) -> None:
        expires = self._clock.micros() + _micros(seconds)
        values = {"owner": lease.owner, "fence": lease.fence, "expires": expires}
        try:
            await self._dynamo.write(Update(LEASE, "SET #expires = :expires", _OURS, values))
        except ConditionFailed:
            raise LeaseLost() from None

    async def release(self, lease: Lease) -> None:
        values = {"owner": lease.owner, "fence": lease.fence, "nobody": "", "zero": 0}
        try:
            await self._dynamo.write(Update(LEASE, "SET #owner = :nobody, #expires = :zero", _OURS, values))
        except ConditionFailed:
            return

    async def holder(self) -> str | None:
        item = await self._dynamo.get(LEASE)
        if item is None or not item["owner"] or item["expires"] <= self._clock.micros():
            return None
        return str(item["owner"])


def _micros(seconds: float) -> Micros:
    return round(seconds * 1_000_000)
