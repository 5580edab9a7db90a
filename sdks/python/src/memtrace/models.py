"""What is sent and what comes back, as pydantic models.

Fields that only newer servers send are optional, and fields that are not known here are ignored.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

MemoryType = Literal["episodic", "session", "decision", "entity"]
Order = Literal["asc", "desc"]


class Memory(BaseModel):
    """A stored memory. `id` is `None` where the server has no ids."""

    time: datetime
    org_id: str
    agent_id: str
    session_id: str | None = None
    memory_type: MemoryType
    event_type: str
    content: str
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None
    dedup_key: str | None = None
    importance: float | None = None
    parent_id: str | None = None
    id: str | None = None


class AddMemoryRequest(BaseModel):
    """A memory to store."""

    agent_id: str
    session_id: str | None = None
    memory_type: MemoryType
    event_type: str
    content: str
    metadata: dict[str, Any] | None = None
    tags: list[str] | None = None
    dedup_key: str | None = None
    importance: float | None = Field(default=None, ge=0, le=1)
    parent_id: str | None = None


class BatchEntry(BaseModel):
    """What became of one memory of a batch: `created` or `duplicate`, then `id` is the one that was there."""

    status: str
    id: str


class AddedMemories(list[Memory]):
    """The memories of a batch that were stored, and what became of each that was sent, in their order.

    `results` and `duplicates` are `None` where the server does not tell.
    """

    results: list[BatchEntry] | None = None
    duplicates: int | None = None


class ListOptions(BaseModel):
    """Which memories to list. `tags` is comma separated, all must be there; times are `2h` or ISO 8601."""

    agent_id: str | None = None
    session_id: str | None = None
    memory_type: str | None = None
    event_type: str | None = None
    tags: str | None = None
    since: str | None = None
    until: str | None = None
    limit: int | None = None
    offset: int | None = None
    order: Order | None = None
    cursor: str | None = None


class MemoryList(BaseModel):
    """A page of memories; `count` is its length."""

    memories: list[Memory]
    count: int
    has_more: bool
    next_cursor: str | None = None


class SearchQuery(BaseModel):
    """Which memories to search; all that is given must hold. `content_contains` is a literal substring."""

    agent_id: str | None = None
    session_id: str | None = None
    memory_types: list[str] | None = None
    event_types: list[str] | None = None
    tags: list[str] | None = None
    content_contains: str | None = None
    since: str | None = None
    until: str | None = None
    min_importance: float | None = None
    limit: int | None = None
    order: Order | None = None
    cursor: str | None = None


class SearchResult(BaseModel):
    """A page of what was found. A server that does not tell whether there is more says `has_more=False`."""

    results: list[Memory]
    count: int
    query_time_ms: int
    has_more: bool = False
    next_cursor: str | None = None


class Agent(BaseModel):
    """A registered agent."""

    id: str
    org_id: str
    name: str
    description: str | None = None
    config: dict[str, Any] | None = None
    created_at: datetime
    last_active_at: datetime | None = None


class RegisterAgentRequest(BaseModel):
    """An agent to register."""

    name: str
    description: str | None = None
    config: dict[str, Any] | None = None


class AgentList(BaseModel):
    """A page of agents, the newest first."""

    agents: list[Agent]
    count: int
    has_more: bool = False
    next_cursor: str | None = None


class AgentStats(BaseModel):
    """What an agent did."""

    agent_id: str
    memory_count: int
    memories_24h: int
    errors_24h: int
    session_count: int
    active_sessions: int
    last_active_at: datetime | None = None
    memory_types: dict[str, int]


class Session(BaseModel):
    """A registered session; `status` is `active` or `closed`."""

    id: str
    org_id: str
    agent_id: str
    status: str
    metadata: dict[str, Any] | None = None
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None


class SessionList(BaseModel):
    """A page of sessions, the newest first."""

    sessions: list[Session]
    count: int
    has_more: bool = False
    next_cursor: str | None = None


class CreateSessionRequest(BaseModel):
    """A session to open."""

    agent_id: str
    metadata: dict[str, Any] | None = None


class ContextOptions(BaseModel):
    """How a session is told: how far back, which memory types, and how many tokens at most."""

    max_tokens: int | None = None
    include_types: list[str] | None = None
    since: str | None = None


class SessionContext(BaseModel):
    """A session as markdown for a prompt; `tokens` is an estimate from above."""

    session_id: str
    context: str
    memory_count: int
    omitted: int | None = None
    truncated: bool | None = None
    tokens: int | None = None


class Removed(BaseModel):
    """How many memories a deletion took away: before they were in the store, and out of it."""

    journal: int = 0
    store: int = 0


class Remainder(BaseModel):
    """What a deletion has not reached, why, and until when; `None` where nobody can say."""

    where: str
    why: str
    until: datetime | None = None


class Deletion(BaseModel):
    """The receipt of a deletion; `state` is `pending`, `removed` or `closed`."""

    deletion_id: str
    org_id: str
    requested_at: datetime
    state: str
    memory_id: str | None = None
    session_id: str | None = None
    agent_ids: list[str] | None = None
    before: datetime | None = None
    removed: Removed = Field(default_factory=Removed)
    remains: list[Remainder] = Field(default_factory=list)


class DeletionList(BaseModel):
    """Deletions, the newest first."""

    deletions: list[Deletion]
    count: int
    has_more: bool = False


class SessionDeletion(BaseModel):
    """What deleting a session did; `memories` is the receipt, where its memories were to go too."""

    session_id: str
    had_record: bool
    memories: Deletion | None = None


class Me(BaseModel):
    """Whose key this is, and what it may do."""

    org_id: str
    org_name: str
    key_name: str
    permissions: list[str]
    expires_at: datetime | None = None
    has_binding: bool | None = None
