"""Registered agents, and what an agent did, registered or not."""

from datetime import datetime
from typing import Any, Final, Protocol

from core.ids import Attempt, new_id
from core.model.errors import AlreadyExists, NotFound
from core.model.memory import MemoryFilter, Micros, OrgId, Tally
from core.model.tenant import Principal
from core.model.timewindow import moment_of
from core.model.work import Agent, AgentStats
from core.ports import AgentStore, Clock, SessionStore

After = tuple[datetime, str]
"""(created_at, id): a list goes on strictly after it."""
_DAY: Final = 86_400 * 1_000_000


class Tallies(Protocol):
    """Counts of distinct memories; `recall` keeps them."""

    async def tally(self, principal: Principal, filter: MemoryFilter, recent_since: Micros) -> Tally: ...


class Agents:
    """The org always comes from the caller's key."""

    def __init__(self, *, agents: AgentStore, sessions: SessionStore, tallies: Tallies, clock: Clock) -> None:
        self._agents = agents
        self._sessions = sessions
        self._tallies = tallies
        self._clock = clock

    async def register(
        self,
        org_id: OrgId,
        name: str,
        description: str,
        config: dict[str, Any],
        attempt: Attempt | None = None,
    ) -> Agent:
        """Raises AlreadyExists when the org has an agent of that name.

        An attempt may be repeated: the agent that it made first is answered.
        """
        now = moment_of(self._clock.micros())
        agent = Agent(new_id("agent", attempt), org_id, name, description, config, now)
        try:
            await self._agents.create_agent(agent)
        except AlreadyExists:
            there = await self._agents.find_agent(org_id, agent.id)
            if there is None or there.id != agent.id:
                raise
            return there
        return agent

    async def find(self, org_id: OrgId, id_or_name: str) -> Agent:
        """By id, else by name. Raises NotFound."""
        agent = await self._agents.find_agent(org_id, id_or_name)
        if agent is None:
            raise NotFound("agent not found")
        return agent

    async def list(self, org_id: OrgId, limit: int, after: After | None) -> tuple[list[Agent], After | None]:
        """A page, newest first, and after what the next one starts; None when this is the last."""
        agents = await self._agents.list_agents(org_id, limit + 1, after)
        page = agents[:limit]
        return page, (page[-1].created_at, page[-1].id) if len(agents) > limit else None

    async def delete(self, org_id: OrgId, id_or_name: str) -> None:
        """Its sessions and memories stay. Raises NotFound."""
        if not await self._agents.delete_agent(org_id, id_or_name):
            raise NotFound("agent not found")

    async def names(self, org_id: OrgId, id_or_name: str) -> tuple[str, ...]:
        """Under what memories of this agent may be written: its id and its name, or just what was given."""
        return _names(await self._agents.find_agent(org_id, id_or_name), id_or_name)

    async def stats(self, principal: Principal, id_or_name: str) -> AgentStats:
        """Counts what was written under its name and its id together; needs no registration.

        Raises what counting memories raises: NoArcInstance, StoreError.
        """
        org_id = principal.org_id
        agent = await self._agents.find_agent(org_id, id_or_name)
        names = _names(agent, id_or_name)
        now = self._clock.micros()
        tally = await self._tallies.tally(principal, MemoryFilter(agent_ids=names), now - _DAY)
        sessions, active = await self._sessions.count_sessions(org_id, names)
        seen = [moment_of(tally.last)] if tally.last else []
        if agent is not None and agent.last_active_at is not None:
            seen.append(agent.last_active_at)
        return AgentStats(
            agent_id=agent.id if agent else id_or_name,
            memory_count=tally.total,
            memories_24h=tally.recent,
            errors_24h=tally.recent_errors,
            session_count=sessions,
            active_sessions=active,
            last_active_at=max(seen, default=None),
            memory_types=dict(tally.by_type),
        )


def _names(agent: Agent | None, given: str) -> tuple[str, ...]:
    if agent is None:
        return (given,)
    return tuple(dict.fromkeys((agent.id, agent.name)))
