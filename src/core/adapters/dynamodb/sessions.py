"""Sessions in DynamoDB: a session's own item, and its places in the lists of all and of its agent.

Updates read, merge and write on the condition that nobody else wrote meanwhile.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from core.adapters.dynamodb.client import Cancelled, Dynamo
from core.adapters.dynamodb.items import Item
from core.adapters.dynamodb.keys import Key
from core.adapters.dynamodb.listing import listed
from core.adapters.dynamodb.orgs import org_there, refuse_unknown
from core.adapters.dynamodb.persisting import persisting
from core.adapters.dynamodb.places import by_agent, by_id, by_time, reply_pk, session_pk
from core.adapters.dynamodb.statements import Delete, Put
from core.adapters.dynamodb.table import PK, SK
from core.model.errors import AlreadyExists
from core.model.memory import OrgId
from core.model.timewindow import micros_of, moment_of
from core.model.work import Session, SessionStatus, merged

_FIRST: Final = "AT#"
_LAST: Final = "AT#~"
_NEW: Final = "attribute_not_exists(#pk)"


class DynamoSessions:
    """A `SessionStore`."""

    def __init__(self, dynamo: Dynamo) -> None:
        self._dynamo = dynamo

    async def create_session(self, session: Session) -> None:
        item = _item(session)
        try:
            await self._dynamo.transact([org_there(session.org_id), Put(item, _NEW), *_places(item)])
        except Cancelled as met:
            refuse_unknown(met)
            held = met.refusals[1].item
            if held is None or held["by"] != item["by"]:
                raise AlreadyExists(f"session '{session.id}' already exists") from None

    async def find_session(self, org_id: OrgId, session_id: str) -> Session | None:
        item = await self._dynamo.get((session_pk(org_id), by_id(session_id)))
        return _session(org_id, item) if item else None

    async def list_sessions(
        self,
        org_id: OrgId,
        agent_id: str | None,
        status: SessionStatus | None,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> list[Session]:
        begin, end = _bounds(agent_id, after)
        where = {"where": "#status = :status", "values": {"status": status}} if status else {}
        page = {} if status else {"page": limit + 1}
        pk = session_pk(org_id)
        places = self._dynamo.query(pk, since=begin, through=end, ascending=False, **where, **page)  # type: ignore[arg-type]
        return [_session(org_id, item) for item in await listed(self._dynamo, places, limit, skip=end)]

    async def update_session(
        self,
        org_id: OrgId,
        session_id: str,
        status: SessionStatus | None,
        metadata: dict[str, Any] | None,
        now: datetime,
    ) -> Session | None:
        key, token = (session_pk(org_id), by_id(session_id)), secrets.token_hex(8)
        async for attempt in persisting():
            with attempt:
                return await self._update(key, org_id, status, metadata, now, token)
        return None  # pragma: no cover - the last attempt raises

    async def _update(
        self,
        key: Key,
        org_id: OrgId,
        status: SessionStatus | None,
        metadata: dict[str, Any] | None,
        now: datetime,
        token: str,
    ) -> Session | None:
        """Raises Cancelled where somebody else changed it meanwhile."""
        item = await self._dynamo.get(key)
        if item is None:
            return None
        held = _session(org_id, item)
        if item["by"] == token:
            return held  # done before, and the answer was lost
        outcome = status or held.status
        closed = (item["closed"] or micros_of(now)) if outcome == "closed" else 0
        changed = {
            **item,
            "status": outcome,
            "metadata": msgspec.json.encode(merged(held.metadata, metadata) if metadata else held.metadata),
            "updated": micros_of(now),
            "closed": closed,
            "by": token,
        }
        places = _places(changed) if outcome != held.status else []
        await self._dynamo.transact([Put(changed, "#by = :by", {"by": item["by"]}), *places])
        return _session(org_id, changed)

    async def delete_session(self, org_id: OrgId, session_id: str) -> bool:
        await self._hide_metadata(org_id, session_id)
        key = session_pk(org_id), by_id(session_id)
        item = await self._dynamo.get(key)
        if item is None:
            return False
        places = [Delete((place.item[PK], place.item[SK])) for place in _places(item)]
        try:
            await self._dynamo.transact([Delete(key, "attribute_exists(#pk)"), *places])
        except Cancelled:
            return False
        return True

    async def _hide_metadata(self, org_id: OrgId, session_id: str) -> None:
        """Takes it out of answers that are kept for a repeated request."""
        wanted = session_id.encode()
        async for reply in self._dynamo.query(reply_pk(org_id)):
            if wanted not in reply["answer"]:
                continue
            answer = msgspec.json.decode(reply["answer"])
            is_its_own = isinstance(answer, dict) and answer.get("id") == session_id
            if is_its_own and answer.pop("metadata", None) is not None:
                await self._dynamo.write(Put({**reply, "answer": msgspec.json.encode(answer)}))

    async def count_sessions(self, org_id: OrgId, agent_ids: Sequence[str]) -> tuple[int, int]:
        total = active = 0
        for agent_id in dict.fromkeys(agent_ids):
            begin, end = _bounds(agent_id, None)
            places = self._dynamo.query(session_pk(org_id), since=begin, through=end, only=("status",))
            async for place in places:
                total += 1
                active += place["status"] == "active"
        return total, active


def _bounds(agent_id: str | None, after: tuple[datetime, str] | None) -> tuple[str, str]:
    """The sort keys between which the places are; `after` itself is the last of them."""
    if agent_id is None:
        return _FIRST, by_time(micros_of(after[0]), after[1]) if after else _LAST
    begin = by_agent(agent_id)
    return begin, by_agent(agent_id, micros_of(after[0]), after[1]) if after else f"{begin}~"


def _places(item: Item) -> list[Put]:
    """Its places in the lists."""
    shared = {"id": item["id"], "status": item["status"], PK: item[PK]}
    return [
        Put({**shared, SK: by_time(item["created"], item["id"])}),
        Put({**shared, SK: by_agent(item["agent"], item["created"], item["id"])}),
    ]


def _item(session: Session) -> Item:
    return {
        PK: session_pk(session.org_id),
        SK: by_id(session.id),
        "id": session.id,
        "agent": session.agent_id,
        "status": session.status,
        "metadata": msgspec.json.encode(session.metadata),
        "created": micros_of(session.created_at),
        "updated": micros_of(session.updated_at),
        "closed": micros_of(session.closed_at) if session.closed_at else 0,
        "by": secrets.token_hex(8),
    }


def _session(org_id: OrgId, item: Item) -> Session:
    metadata: dict[str, Any] = msgspec.json.decode(item["metadata"])
    return Session(
        id=item["id"],
        org_id=org_id,
        agent_id=item["agent"],
        status="closed" if item["status"] == "closed" else "active",
        metadata=metadata,
        created_at=moment_of(item["created"]),
        updated_at=moment_of(item["updated"]),
        closed_at=moment_of(item["closed"]) if item["closed"] else None,
    )
