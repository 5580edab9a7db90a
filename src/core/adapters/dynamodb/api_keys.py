"""API keys in DynamoDB: hashes and lookup prefixes, never a key itself.

A key is three items that change together: in its org, under its prefix (all that a caller is checked
with, in one query), and under its number. A fourth one holds its name while it is enabled.
"""

from datetime import datetime
from typing import Any, Final

from core.adapters.dynamodb.client import Cancelled, Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import Key
from core.adapters.dynamodb.orgs import org_there, refuse_unknown
from core.adapters.dynamodb.places import (
    KEY_COUNTER,
    api_key_key,
    key_id_key,
    key_name_key,
    org_pk,
    prefix_key,
)
from core.adapters.dynamodb.statements import Delete, Put, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import AlreadyExists
from core.model.memory import OrgId
from core.model.tenant import PERMISSIONS, ApiKey, Permission
from core.model.timewindow import micros_of, moment_of

_NAME: Final = 1
"""The step that claims the name."""


class DynamoKeys:
    """A `KeyStore`. A revoked key's name is free for its successor."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    async def create_key(
        self,
        org_id: OrgId,
        name: str,
        prefix: str,
        hash: str,
        permissions: frozenset[Permission],
        expires_at: datetime | None,
        created_at: datetime,
    ) -> ApiKey:
        """A number that was given out for nothing is never used again."""
        count = Update(KEY_COUNTER, "ADD #n :one", "", {"one": 1})
        counted = await self._dynamo.write(count, returning="new")
        values = {
            "id": counted["n"],
            "org": org_id,
            "name": name,
            "prefix": prefix,
            "hash": hash,
            "permissions": [p for p in PERMISSIONS if p in permissions],
            "created": micros_of(created_at),
            "expires": micros_of(expires_at) if expires_at else None,
            "enabled": True,
        }
        try:
            await self._dynamo.transact(_creation(org_id, values))
        except Cancelled as met:
            refuse_unknown(met)
            held = met.refusals[_NAME].item
            if held is None or held["id"] != values["id"]:  # else it is ours, and the answer was lost
                raise AlreadyExists(f"key '{name}' already exists in this organization") from None
        return _key(values)

    async def find_keys(self, prefix: str) -> list[ApiKey]:
        return [_key(item) async for item in self._dynamo.query(prefix_key(prefix, 0)[0])]

    async def list_keys(self, org_id: OrgId) -> list[ApiKey]:
        found = self._dynamo.query(org_pk(org_id), since="KEY#", through="KEY#~")
        return [_key(item) async for item in found]

    async def revoke_key(self, key_id: int) -> bool:
        place = await self._dynamo.get(key_id_key(key_id))
        if place is None:
            return False
        org_id, there, off = OrgId(place["org"]), "attribute_exists(#pk)", "SET #enabled = :no"
        name = key_name_key(org_id, place["name"])
        values = {"no": False}
        steps = [
            Update(api_key_key(org_id, key_id), off, there, values),
            Update(prefix_key(place["prefix"], key_id), off, there, values),
        ]
        held = await self._dynamo.get(name)
        freed = [Delete(name, "#id = :id", {"id": key_id})] if held and held["id"] == key_id else []
        try:
            await self._dynamo.transact([*steps, *freed])
        except Cancelled as met:
            if any(refusal.failed for refusal in met.refusals[: len(steps)]):
                return False  # its org was deleted meanwhile
            await self._dynamo.transact(steps)  # somebody else revoked it, and the name has a new owner
        return True


def _creation(org_id: OrgId, values: dict[str, Any]) -> list[Any]:
    number = values["id"]
    places = {name: values[name] for name in ("id", "org", "name", "prefix")}
    return [
        org_there(org_id),
        Put(_at(key_name_key(org_id, values["name"]), {"id": number}), "attribute_not_exists(#pk)"),
        Put(_at(api_key_key(org_id, number), values)),
        Put(_at(prefix_key(values["prefix"], number), values)),
        Put(_at(key_id_key(number), places)),
    ]


def _at(key: Key, values: dict[str, Any]) -> Item:
    return {**values, PK: key[0], SK: key[1]}


def _key(item: Item) -> ApiKey:
    return ApiKey(
        id=item["id"],
        org_id=OrgId(item["org"]),
        name=item["name"],
        prefix=item["prefix"],
        hash=item["hash"],
        permissions=frozenset(p for p in PERMISSIONS if p in item["permissions"]),
        created_at=moment_of(item["created"]),
        expires_at=moment_of(item["expires"]) if item["expires"] is not None else None,
        enabled=item["enabled"],
    )
