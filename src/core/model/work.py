"""The work that memories tell of: registered agents and sessions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from core.model.errors import InvalidRequest
from core.model.memory import OrgId

SessionStatus = Literal["active", "closed"]
SESSION_STATUSES: Final[tuple[SessionStatus, ...]] = ("active", "closed")
SESSION_METADATA_BYTES: Final = 65_536


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


def merged(old: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The metadata after an update: top-level keys replace their namesakes, null takes a key away.

    Raises InvalidRequest when the outcome is larger than metadata may be: updates add up.
    """
    outcome = {k: v for k, v in {**old, **changes}.items() if not (k in changes and v is None)}
    if len(msgspec.json.encode(outcome)) > SESSION_METADATA_BYTES:
        raise InvalidRequest(
            f"metadata would be larger than {SESSION_METADATA_BYTES // 1024} KB with what the session has",
            field="metadata",
            hint="take keys away by setting them to null",
        )
    return outcome
