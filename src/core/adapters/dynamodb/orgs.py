"""Organizations in DynamoDB: an item in the org's own partition, and a copy in the list of all."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from core.adapters.dynamodb.client import Cancelled, Dynamo
from core.adapters.dynamodb.deletion_lists import forget_deletions
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import Key, binding_key, org_key
from core.adapters.dynamodb.persisting import persisting
from core.adapters.dynamodb.places import (
    BINDINGS,
    GONE,
    HEALTH,
    ORGS,
    agent_pk,
    key_id_key,
    org_pk,
    prefix_key,
    reply_pk,
    session_pk,
)
from core.adapters.dynamodb.statements import Check, Delete, Put, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import AlreadyExists, NotFound
from core.model.memory import OrgId
from core.model.org_settings import OrgSettings, settings_of
from core.model.tenant import Org
from core.model.timewindow import micros_of, moment_of

_THERE: Final = "attribute_exists(#pk)"
_NOT_THERE: Final = "attribute_not_exists(#pk)"
Forget = Callable[[OrgId], Awaitable[None]]


def org_there(org_id: OrgId) -> Check:
    """A step of a transaction that demands the org."""
    return Check(org_key(org_id), _THERE)


def refuse_unknown(met: Cancelled, step: int = 0) -> None:
    """Raises NotFound where this step of a transaction met no org."""
    if met.refusals[step].failed:
        raise NotFound("organization not found") from None


class DynamoOrgs:
    """An `OrgStore`.

    Deleting ends the use of an org in one transaction, and then takes its records one after the other;
    cut short, it goes on when it is asked for again.
    """

    def __init__(self, dynamo: Dynamo, *, forget_journal: Forget) -> None:
        """`forget_journal` drops all that the journal holds of an org; it may be repeated."""
        self._dynamo = dynamo
        self._forget_journal = forget_journal

    async def create_org(self, org: Org) -> None:
        token = secrets.token_hex(8)
        values = {
            "name": org.name,
            "created": micros_of(org.created_at),
            "settings": _text(org.settings.members()),
            "by": token,
        }
        own, listed = _item(org_key(org.id), values), _item((ORGS, org.id), values)
        try:
            await self._dynamo.transact(
                [Put(own, _NOT_THERE), Put(listed), Check((GONE, org.id), _NOT_THERE)]
            )
        except Cancelled as met:
            if met.refusals[2].failed:
                raise AlreadyExists(
                    f"organization '{org.id}' is being deleted", hint="delete it again to end that"
                ) from None
            held = met.refusals[0].item
            if held is None or held.get("by") != token:
                raise AlreadyExists(f"organization '{org.id}' already exists") from None

    async def list_orgs(self) -> list[Org]:
        """The oldest first."""
        orgs = [_org(item) async for item in self._dynamo.query(ORGS)]
        return sorted(orgs, key=lambda org: (org.created_at, org.id))

    async def find_org(self, org_id: OrgId) -> Org | None:
        item = await self._dynamo.get(org_key(org_id))
        return _org({**item, SK: org_id}) if item else None

    async def update_org_settings(
        self, org_id: OrgId, changes: Mapping[str, float | None]
    ) -> OrgSettings | None:
        async for attempt in persisting():
            with attempt:
                return await self._update(org_id, changes)
        return None  # pragma: no cover - the last attempt raises

    async def _update(self, org_id: OrgId, changes: Mapping[str, float | None]) -> OrgSettings | None:
        """Raises Cancelled where somebody else changed them meanwhile."""
        item = await self._dynamo.get(org_key(org_id))
        if item is None:
            return None
        members = {name: v for name, v in _members(item["settings"]).items() if name not in changes}
        members |= {name: value for name, value in changes.items() if value is not None}
        if _text(members) != item["settings"]:
            values = {"new": _text(members), "old": item["settings"]}
            same = "#settings = :old"
            await self._dynamo.transact(
                [
                    Update(org_key(org_id), "SET #settings = :new", same, values),
                    Update((ORGS, org_id), "SET #settings = :new", same, values),
                ]
            )
        return settings_of(members)

    async def delete_org(self, org_id: OrgId) -> bool:
        mark = {PK: GONE, SK: org_id}
        try:
            await self._dynamo.transact(
                [
                    Delete(org_key(org_id), _THERE),
                    Delete((ORGS, org_id)),
                    Delete(binding_key(org_id)),
                    Delete((BINDINGS, org_id)),
                    Put(mark),
                ]
            )
        except Cancelled:
            if await self._dynamo.get((GONE, org_id)) is None:
                return False
        await self._forget(org_id)
        await self._dynamo.write(Delete((GONE, org_id)))
        return True

    async def _forget(self, org_id: OrgId) -> None:
        """What belongs to it and is of no use without it."""
        await self._forget_journal(org_id)
        await forget_deletions(self._dynamo, org_id)
        lookups: list[Key] = [(HEALTH, org_id)]
        async for item in self._dynamo.query(org_pk(org_id), since="KEY#", through="KEY#~"):
            lookups += [prefix_key(item["prefix"], item["id"]), key_id_key(item["id"])]
        await self._dynamo.batch_write(deletes=lookups)
        for pk in (agent_pk(org_id), session_pk(org_id), reply_pk(org_id), org_pk(org_id)):
            await forget_partition(self._dynamo, pk)


async def forget_partition(dynamo: Dynamo, pk: str) -> None:
    """Deletes every item of it, some at a time."""
    held: list[Key] = []
    async for item in dynamo.query(pk, only=(PK, SK)):
        held.append((item[PK], item[SK]))
        if len(held) == _SOME:
            await dynamo.batch_write(deletes=held)
            held = []
    await dynamo.batch_write(deletes=held)


_SOME: Final = 500


def _item(key: Key, values: Mapping[str, Any]) -> Item:
    return {PK: key[0], SK: key[1], **values}


def _text(members: Mapping[str, Any]) -> str:
    return msgspec.json.encode(dict(members), order="sorted").decode()


def _members(text: str) -> dict[str, Any]:
    members: dict[str, Any] = msgspec.json.decode(text)
    return members


def _org(item: Item) -> Org:
    settings = settings_of(_members(item["settings"]))
    return Org(OrgId(item[SK]), item["name"], moment_of(item["created"]), settings)
