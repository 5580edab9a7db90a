"""Bindings in DynamoDB: one an org at most, its Arc key sealed; an item in the org, a copy in the list."""

from typing import Any, Final

from core.adapters.dynamodb.client import Cancelled, Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import binding_key
from core.adapters.dynamodb.orgs import org_there
from core.adapters.dynamodb.places import BINDINGS, HEALTH
from core.adapters.dynamodb.statements import Delete, Put, Step, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import NotFound
from core.model.memory import OrgId
from core.model.tenant import SealedBinding

_THERE: Final = "attribute_exists(#pk)"
_FIELDS: Final = ("id", "url", "database", "measurement", "created")
_SEALED: Final = ("cipher", "nonce", "admin_cipher", "admin_nonce")


class DynamoBindings:
    """A `BindingStore`. Health seen through an earlier binding goes with it."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    async def find_binding(self, org_id: OrgId) -> SealedBinding | None:
        item = await self._dynamo.get(binding_key(org_id))
        return _binding({**item, SK: org_id}) if item else None

    async def list_bindings(self) -> list[SealedBinding]:
        """In the order of their orgs' ids."""
        return [_binding(item) async for item in self._dynamo.query(BINDINGS)]

    async def put_binding(self, binding: SealedBinding) -> None:
        try:
            await self._dynamo.transact([org_there(binding.org_id), *replacing(binding)])
        except Cancelled:
            raise NotFound("organization not found") from None

    async def set_admin_key(self, org_id: OrgId, cipher: bytes, nonce: bytes) -> bool:
        change = "SET #admin_cipher = :cipher, #admin_nonce = :nonce"
        values = {"cipher": cipher, "nonce": nonce}
        return await self._change(org_id, change, _THERE, values)

    async def reseal_binding(self, old: SealedBinding, new: SealedBinding) -> bool:
        change = "SET " + ", ".join(f"#{name} = :new_{name}" for name in _SEALED)
        same = "#id = :id AND " + " AND ".join(f"#{name} = :{name}" for name in _SEALED)
        values: dict[str, Any] = {"id": old.id}
        for name in _SEALED:
            values |= {name: getattr(old, name), f"new_{name}": getattr(new, name)}
        if await self._change(old.org_id, change, same, values):
            return True
        held = await self.find_binding(old.org_id)
        return held == new  # then it was done, and the answer was lost

    async def remove_binding(self, org_id: OrgId) -> bool:
        try:
            await self._dynamo.transact(
                [
                    Delete(binding_key(org_id), _THERE),
                    Delete((BINDINGS, org_id)),
                    Delete((HEALTH, org_id)),
                ]
            )
        except Cancelled:
            return False
        return True

    async def _change(self, org_id: OrgId, change: str, condition: str, values: dict[str, Any]) -> bool:
        """Both items, where the condition holds for them."""
        keys = (binding_key(org_id), (BINDINGS, org_id))
        try:
            await self._dynamo.transact([Update(key, change, condition, values) for key in keys])
        except Cancelled:
            return False
        return True


def replacing(binding: SealedBinding) -> list[Step]:
    """The steps that make this the org's one binding."""
    values = {name: getattr(binding, name) for name in (*_FIELDS, *_SEALED)}
    own, listed = binding_key(binding.org_id), (BINDINGS, binding.org_id)
    return [
        Put({**values, PK: own[0], SK: own[1]}),
        Put({**values, PK: listed[0], SK: listed[1]}),
        Delete((HEALTH, binding.org_id)),
    ]


def _binding(item: Item) -> SealedBinding:
    values = {name: item[name] for name in (*_FIELDS, *_SEALED)}
    return SealedBinding(org_id=OrgId(item[SK]), **values)
