"""What callers get, in the types that the answers are encoded from and documented from.

Empty optional fields are left out. Times are RFC 3339 in UTC with a `Z`.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from core.model.deletion import DeletionState
from core.model.memory import MemoryType
from core.model.tenant import Permission
from core.model.work import SessionStatus

Moment = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
JsonText = Annotated[Raw, Meta(extra_json_schema={"type": "object"})]
"""An object that is valid JSON already."""


class ErrorAnswer(Struct, kw_only=True, omit_defaults=True):
    """Every error. Some carry more: `field`, `index`, `id`, `max_bytes`."""

    error: Annotated[str, Meta(description="one sentence")]
    code: Annotated[str, Meta(description="a stable word in snake_case")]
    request_id: str
    hint: Annotated[str, Meta(description="the way out")] = ""
    field: Annotated[str, Meta(description="the field that is wrong")] = ""
    index: Annotated[int, Meta(description="which memory of a batch, from 0")] | UnsetType = UNSET
    id: Annotated[str, Meta(description="of the memory that is there already")] = ""


class MemoryAnswer(Struct, kw_only=True, omit_defaults=True, gc=False):
    """A stored memory. Importance 0 is none, and left out."""

    id: str
    time: Moment
    org_id: str
    agent_id: str
    session_id: str = ""
    memory_type: MemoryType
    event_type: str
    content: str
    metadata: JsonText | UnsetType = UNSET
    tags: tuple[str, ...] = ()
    dedup_key: str = ""
    importance: float | UnsetType = UNSET
    parent_id: str = ""


class Fate(Struct, kw_only=True, gc=False):
    """What became of one memory of a batch; a duplicate has the id of the memory that won."""

    status: Literal["created", "duplicate"]
    id: str


class BatchAnswer(Struct, kw_only=True):
    """The memories created, and one result for each memory sent, in order."""

    memories: list[MemoryAnswer]
    count: int
    duplicates: int
    results: list[Fate]


class MemoryListAnswer(Struct, kw_only=True, omit_defaults=True):
    """A page of memories; `next_cursor` is there when more follows."""

    memories: list[MemoryAnswer]
    count: int
    has_more: bool
    next_cursor: str = ""


class SearchAnswer(Struct, kw_only=True, omit_defaults=True):
    """A page of what a search found."""

    results: list[MemoryAnswer]
    count: int
    query_time_ms: int
    has_more: bool
    next_cursor: str = ""


class AgentAnswer(Struct, kw_only=True, omit_defaults=True):
    """A registered agent."""

    id: str
    org_id: str
    name: str
    description: str
    config: dict[str, Any]
    created_at: Moment
    last_active_at: Moment = ""


class AgentListAnswer(Struct, kw_only=True, omit_defaults=True):
    """A page of agents."""

    agents: list[AgentAnswer]
    count: int
    has_more: bool
    next_cursor: str = ""


class AgentStatsAnswer(Struct, kw_only=True, omit_defaults=True):
    """What an agent did; what was written under its name and under its id counts together."""

    agent_id: str
    memory_count: int
    memories_24h: int
    errors_24h: int
    session_count: int
    active_sessions: int
    last_active_at: Moment = ""
    memory_types: dict[str, int]


class SessionAnswer(Struct, kw_only=True, omit_defaults=True):
    """A session; `closed_at` is there while it is closed."""

    id: str
    org_id: str
    agent_id: str
    status: SessionStatus
    metadata: dict[str, Any] = {}
    created_at: Moment
    updated_at: Moment
    closed_at: Moment = ""


class SessionListAnswer(Struct, kw_only=True, omit_defaults=True):
    """A page of sessions."""

    sessions: list[SessionAnswer]
    count: int
    has_more: bool
    next_cursor: str = ""


class RemovedAnswer(Struct, kw_only=True):
    """How many memories are gone, and from where."""

    journal: Annotated[int, Meta(description="that were not settled in the store yet")]
    store: Annotated[int, Meta(description="that the event store had and has no more")]


class RemainderAnswer(Struct, kw_only=True):
    """What is not gone; `until` is null where nobody can say."""

    where: str
    until: Moment | None
    why: str


class DeletionAnswer(Struct, kw_only=True, omit_defaults=True):
    """The receipt of a deletion. No read has shown what it covers since it was answered first."""

    deletion_id: str
    org_id: str
    requested_at: Moment
    state: Annotated[
        DeletionState,
        Meta(
            description="pending: not taken out of the store for certain yet; removed: it is, and is looked"
            " at again; closed: nothing can bring it back"
        ),
    ]
    memory_id: Annotated[str, Meta(description="of the one memory it deleted")] = ""
    session_id: Annotated[str, Meta(description="whose memories it deleted")] = ""
    agent_ids: Annotated[tuple[str, ...], Meta(description="under which they were written")] = ()
    before: Annotated[Moment, Meta(description="what was written from then on stays")] = ""
    removed: RemovedAnswer
    remains: list[RemainderAnswer]


class DeletionListAnswer(Struct, kw_only=True):
    """The newest deletions."""

    deletions: list[DeletionAnswer]
    count: int
    has_more: bool


class SessionDeletionAnswer(Struct, kw_only=True):
    """What became of a session."""

    session_id: str
    had_record: Annotated[bool, Meta(description="whether it was registered")]
    memories: Annotated[DeletionAnswer | None, Meta(description="null where they were not to be deleted")]


class ContextAnswer(Struct, kw_only=True):
    """A session's context as markdown, and how much of it was shown."""

    session_id: str
    context: str
    memory_count: Annotated[int, Meta(description="memories shown")]
    omitted: Annotated[int, Meta(description="memories in the window that are not shown")]
    truncated: Annotated[bool, Meta(description="whether something was left out or cut")]
    tokens: Annotated[int, Meta(description="an estimate of the context's tokens, on the safe side")]


class MeAnswer(Struct, kw_only=True, omit_defaults=True):
    """Whose key this is and what it may do."""

    org_id: str
    org_name: str
    key_name: str
    permissions: list[Permission]
    expires_at: Moment = ""
    has_binding: bool


class StoreSeen(Struct, kw_only=True, omit_defaults=True):
    """The org's store, as the flusher saw it last."""

    answers: bool
    age_seconds: Annotated[float, Meta(description="how old that is")] | UnsetType = UNSET


class JournalAnswer(Struct, kw_only=True, omit_defaults=True):
    """What the org's journal holds, in numbers."""

    org_id: str
    owed: Annotated[int, Meta(description="memories that the store has not accepted yet")]
    delivered: Annotated[int, Meta(description="that it accepted and that are not proven to be there")]
    dead: Annotated[int, Meta(description="that it refused for good")]
    bytes: Annotated[int, Meta(description="the size of all three")]
    claims: Annotated[int, Meta(description="dedup keys of the window")]
    oldest_owed: Moment = ""
    oldest_owed_seconds: Annotated[float, Meta(description="its age")] | UnsetType = UNSET
    store: StoreSeen | UnsetType = UNSET


class DeadLetterAnswer(Struct, kw_only=True):
    """A memory that no store would take; it stays readable."""

    memory: MemoryAnswer
    reason: str
    died_at: Moment


class DeadLetterListAnswer(Struct, kw_only=True):
    """The newest dead letters."""

    dead_letters: list[DeadLetterAnswer]
    count: int
    has_more: bool


class HealthAnswer(Struct, kw_only=True, omit_defaults=True):
    """The process, and what the flusher last saw of each org's store."""

    status: str
    service: str
    uptime: Annotated[str, Meta(description="as in 2h30m15s")]
    arc: dict[str, bool] | UnsetType = UNSET
    arc_age_seconds: (
        Annotated[dict[str, float], Meta(description="how old that is; missing where nothing was seen yet")]
        | UnsetType
    ) = UNSET


class ReadyAnswer(Struct, kw_only=True, omit_defaults=True):
    """Whether every bound store answers."""

    status: Literal["ready", "not ready"]
    arc: dict[str, bool] | UnsetType = UNSET
    arc_age_seconds: dict[str, float] | UnsetType = UNSET
    reason: str = ""
    hint: str = ""


class LiveAnswer(Struct, kw_only=True):
    """The process and its database work."""

    status: Literal["alive"]
