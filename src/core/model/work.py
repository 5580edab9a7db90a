"""The work that memories tell of: registered agents and sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from core.model.memory import OrgId

SessionStatus = Literal["active", "closed"]
SESSION_STATUSES: Final[tuple[SessionStatus, ...]] = ("active", "closed")


@dataclass(frozen=True, slots=True)
class Agent:
    """A registered agent. Agents need not be registered to write; the name is unique in its org."""

    id: str
    org_id: OrgId
    name: str
    description: str
    config: dict[str, Any]
    created_at: datetime
    last_active_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A bounded piece of one agent's work. `closed_at` is set while the status is `closed`."""

    id: str
    org_id: OrgId
    agent_id: str
    status: SessionStatus
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AgentStats:
    """What an agent did. The memory counts take its name and its id together."""

    agent_id: str
    memory_count: int
    memories_24h: int
    errors_24h: int
    session_count: int
    active_sessions: int
    last_active_at: datetime | None
    memory_types: dict[str, int]
