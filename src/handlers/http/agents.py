"""Agents: register, list, find, forget; what an agent remembers and did."""

from typing import Final

from core.ids import Attempt
from core.model.names import breaks_line
from handlers.http import present
from handlers.http.ask import Ask, Reply
from handlers.http.checks import (
    MAX_DESCRIPTION_BYTES,
    MAX_NAME_BYTES,
    checked_id,
    checked_size,
    compact_json,
    is_id,
    refuse,
)
from handlers.http.cursors import open_after
from handlers.http.doors import Doors
from handlers.http.given import AgentInput, ListQuery, PageQuery
from handlers.http.queries import listed
from handlers.http.wire import parse_body, parse_query

CREATE: Final = b"POST /api/v1/agents"
_DEFAULT_SINCE: Final = "24h"


async def create(doors: Doors, ask: Ask) -> Reply:
    """201 with the agent, or AlreadyExists; the same again for the same Idempotency-Key and body."""
    given = parse_body(ask.body, AgentInput)
    if not given.name:
        raise refuse("name", "is required")
    if breaks_line(given.name):
        raise refuse("name", "must not hold control characters")
    name = checked_size(given.name, "name", MAX_NAME_BYTES)
    description = checked_size(given.description or "", "description", MAX_DESCRIPTION_BYTES)
    config = given.config or {}
    compact_json(config, "config")

    async def register(attempt: Attempt | None) -> Reply:
        agent = await doors.agents.register(ask.principal.org_id, name, description, config, attempt)
        return present.reply(201, present.agent(agent))

    return await doors.repeats.once(ask, CREATE, register)


async def list_all(doors: Doors, ask: Ask) -> Reply:
    """A page, the newest first."""
    given = parse_query(ask.query, PageQuery)
    after = open_after("agents", given.cursor)
    agents, rest = await doors.agents.list(ask.principal.org_id, given.limit, after)
    return present.reply(200, present.agent_list(agents, rest))


async def get(doors: Doors, ask: Ask) -> Reply:
    """By id, else by name. Raises NotFound."""
    agent = await doors.agents.find(ask.principal.org_id, ask.params["id"])
    return present.reply(200, present.agent(agent))


async def delete(doors: Doors, ask: Ask) -> Reply:
    """204, also for an agent with sessions. Raises NotFound."""
    await doors.agents.delete(ask.principal.org_id, ask.params["id"])
    return Reply(204, b"")


async def memories(doors: Doors, ask: Ask) -> Reply:
    """What was written under its name and under its id, of the last 24 hours where nothing else is asked."""
    given = parse_query(ask.query, ListQuery)
    names = await _names(doors, ask)
    query = listed(given, doors.clock.micros(), agent_ids=names, since=_DEFAULT_SINCE)
    return present.reply(200, present.memory_list(await doors.recall.search(ask.principal, query, "list")))


async def stats(doors: Doors, ask: Ask) -> Reply:
    """Counts what was written under its name and its id together, registered or not."""
    if not is_id(ask.params["id"]):
        await _names(doors, ask)
    return present.reply(200, present.stats(await doors.agents.stats(ask.principal, ask.params["id"])))


async def _names(doors: Doors, ask: Ask) -> tuple[str, ...]:
    """Under what the agent's memories are written. What is no id must be a registered agent's name."""
    given = ask.params["id"]
    names = await doors.agents.names(ask.principal.org_id, given)
    if names == (given,):
        checked_id(given, "agent_id")
    return names
