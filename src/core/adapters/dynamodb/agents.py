"""Registered agents in DynamoDB: an agent's own item, its name, and its place in the list of all."""

from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec

from core.adapters.dynamodb.client import Cancelled, ConditionFailed, Dynamo, together
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.listing import listed
from core.adapters.dynamodb.orgs import org_there, refuse_unknown
from core.adapters.dynamodb.places import agent_pk, by_id, by_name, by_time
from core.adapters.dynamodb.statements import Delete, Put, Step, Update
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import AlreadyExists
from core.model.memory import Micros, OrgId
from core.model.timewindow import micros_of, moment_of
from core.model.work import Agent

_FIRST: Final = "AT#"
_LAST: Final = "AT#~"


class DynamoAgents:
    """An `AgentStore`."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    async def create_agent(self, agent: Agent) -> None:
        pk, created = agent_pk(agent.org_id), micros_of(agent.created_at)
        item = {
            PK: pk,
            SK: by_id(agent.id),
            "id": agent.id,
            "name": agent.name,
            "description": agent.description,
            "config": msgspec.json.encode(agent.config),
            "created": created,
            "active": micros_of(agent.last_active_at) if agent.last_active_at else 0,
        }
        new = "attribute_not_exists(#pk)"
        steps: list[Step] = [
            org_there(agent.org_id),
            Put({PK: pk, SK: by_name(agent.name), "id": agent.id}, new),
            Put(item, new),
            Put({PK: pk, SK: by_time(created, agent.id), "id": agent.id}),
        ]
        try:
            await self._dynamo.transact(steps)
        except Cancelled as met:
            refuse_unknown(met)
            if not await self._is_ours(met, item):
                raise AlreadyExists(f"agent '{agent.name}' already exists in this organization") from None

    async def _is_ours(self, met: Cancelled, item: Item) -> bool:
        """Whether it was done, and the answer was lost: an id is made for one call alone."""
        return (
            met.refusals[1].item is not None
            and met.refusals[2].item == item
            and (met.refusals[1].item["id"] == item["id"])
        )

    async def find_agent(self, org_id: OrgId, id_or_name: str) -> Agent | None:
        item = await self._find(org_id, id_or_name)
        return _agent(org_id, item) if item else None

    async def _find(self, org_id: OrgId, id_or_name: str) -> Item | None:
        pk = agent_pk(org_id)
        keys = ((pk, by_id(id_or_name)), (pk, by_name(id_or_name)))
        found = await self._dynamo.batch_get(keys)
        if keys[0] in found:
            return found[keys[0]]
        if keys[1] not in found:
            return None
        return await self._dynamo.get((pk, by_id(found[keys[1]]["id"])))

    async def list_agents(self, org_id: OrgId, limit: int, after: tuple[datetime, str] | None) -> list[Agent]:
        through = by_time(micros_of(after[0]), after[1]) if after else _LAST
        places = self._dynamo.query(
            agent_pk(org_id), since=_FIRST, through=through, ascending=False, page=limit + 1
        )
        return [_agent(org_id, item) for item in await listed(self._dynamo, places, limit, skip=through)]

    async def delete_agent(self, org_id: OrgId, id_or_name: str) -> bool:
        """Its sessions and memories stay: neither needs a registered agent."""
        item = await self._find(org_id, id_or_name)
        if item is None:
            return False
        pk = agent_pk(org_id)
        try:
            await self._dynamo.transact(
                [
                    Delete((pk, item[SK]), "attribute_exists(#pk)"),
                    Delete((pk, by_name(item["name"]))),
                    Delete((pk, by_time(item["created"], item["id"]))),
                ]
            )
        except Cancelled:
            return False
        return True

    async def touch_agents(self, org_id: OrgId, seen: dict[str, Micros]) -> None:
        """One write for each agent that is registered and of which something changes."""
        pk = agent_pk(org_id)
        names = await self._dynamo.batch_get((pk, by_name(who)) for who in seen)
        named = {item[SK].removeprefix("NAME#"): item["id"] for item in names.values()}
        newest: dict[str, Micros] = {}
        for who, at in seen.items():
            for id in {who, named.get(who, who)}:
                newest[id] = max(at, newest.get(id, 0))
        items = await self._dynamo.batch_get((pk, by_id(id)) for id in newest)
        await together(
            partial(self._touch, key, newest[item["id"]])
            for key, item in items.items()
            if item["active"] < newest[item["id"]]
        )

    async def _touch(self, key: tuple[str, str], at: Micros) -> None:
        try:
            await self._dynamo.write(Update(key, "SET #active = :at", "#active < :at", {"at": at}))
        except ConditionFailed:
            return  # it is gone, or was seen later


def _agent(org_id: OrgId, item: Item) -> Agent:
    config: dict[str, Any] = msgspec.json.decode(item["config"])
    return Agent(
        id=item["id"],
        org_id=org_id,
        name=item["name"],
        description=item["description"],
        config=config,
        created_at=moment_of(item["created"]),
        last_active_at=moment_of(item["active"]) if item["active"] else None,
    )
