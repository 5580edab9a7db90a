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
JsonText = Annotated[
    Raw, Meta(description="as it was sent; left out when empty", extra_json_schema={"type": "object"})
]
"""An object that is valid JSON already."""
MemoryId = Annotated[
    str,
    Meta(
        description="`mem_` and 24 hex digits; sorts by time",
        extra_json_schema={"pattern": "^mem_[0-9a-f]{24}$"},
    ),
]
OrgId = Annotated[str, Meta(description="the organization of the key")]
HasMore = Annotated[bool, Meta(description="whether more follows; exact")]
NextCursor = Annotated[str, Meta(description="send it as `cursor` for the next page; none on the last one")]
OnPage = Annotated[int, Meta(description="how many are on this page")]
Stores = Annotated[dict[str, bool], Meta(description="by organization: whether its store answered last")]
Ages = Annotated[
    dict[str, float],
    Meta(description="how many seconds ago that was; missing where nothing was seen yet"),
]


class ErrorAnswer(Struct, kw_only=True, omit_defaults=True):
    """Every error. `code` is for programs, which should expect codes that they do not know."""

    error: Annotated[str, Meta(description="one sentence for people; it may change")]
    code: Annotated[str, Meta(description="a stable word in snake_case")]
    request_id: Annotated[str, Meta(description="as in the `X-Request-ID` header")]
    hint: Annotated[str, Meta(description="the way out, where there is one")] = ""
    field: Annotated[str, Meta(description="what is wrong: `metadata`, `memories[3].tags[0]`")] = ""
    index: Annotated[int, Meta(description="which memory of a batch, from 0")] | UnsetType = UNSET
    id: Annotated[str, Meta(description="of the memory that is there already")] = ""
    max_bytes: Annotated[int, Meta(description="the limit that was passed")] | UnsetType = UNSET
    max_concurrent: Annotated[int, Meta(description="the limit that was passed")] | UnsetType = UNSET
    policy: Annotated[str, Meta(description="the rate that was passed, as in `RateLimit-Policy`")] = ""


class MemoryAnswer(Struct, kw_only=True, omit_defaults=True, gc=False):
    """A stored memory. What is empty is left out; importance 0 is none."""

    id: MemoryId
    time: Annotated[Moment, Meta(description="when the server took it; unique and strictly increasing")]
    org_id: OrgId
    agent_id: Annotated[str, Meta(description="who wrote it")]
    session_id: Annotated[str, Meta(description="the session it belongs to")] = ""
    memory_type: Annotated[MemoryType, Meta(description="what kind of memory it is")]
    event_type: Annotated[str, Meta(description="what happened")]
    content: Annotated[str, Meta(description="the memory itself")]
    metadata: JsonText | UnsetType = UNSET
    tags: tuple[str, ...] = ()
    dedup_key: Annotated[str, Meta(description="memories with the same key are equal")] = ""
    importance: Annotated[float, Meta(description="0.0 to 1.0")] | UnsetType = UNSET
    parent_id: Annotated[str, Meta(description="the id of another memory or thing")] = ""


class Fate(Struct, kw_only=True, gc=False):
    """What became of one memory of a batch; a duplicate has the id of the memory that won."""

    status: Literal["created", "duplicate"]
    id: MemoryId


class BatchAnswer(Struct, kw_only=True):
    """The memories created, and one result for each memory sent, in order."""

    memories: Annotated[list[MemoryAnswer], Meta(description="those that were created")]
    count: Annotated[int, Meta(description="how many were created")]
    duplicates: Annotated[int, Meta(description="how many were there already")]
    results: Annotated[list[Fate], Meta(description="one for each memory sent, in order")]


class MemoryListAnswer(Struct, kw_only=True, omit_defaults=True):
    """A page of memories; `next_cursor` is there when more follows."""

    memories: list[MemoryAnswer]
    count: OnPage
    has_more: HasMore
    next_cursor: NextCursor = ""


class SearchAnswer(Struct, kw_only=True, omit_defaults=True):
    """A page of what a search found."""

    results: list[MemoryAnswer]
    count: OnPage
    query_time_ms: Annotated[int, Meta(description="how long the search took")]
    has_more: HasMore
    next_cursor: NextCursor = ""


class AgentAnswer(Struct, kw_only=True, omit_defaults=True):
    """A registered agent."""

    id: Annotated[str, Meta(description="`agent_` and 24 hex digits")]
    org_id: OrgId
    name: Annotated[str, Meta(description="unique in its organization")]
    description: str
    config: dict[str, Any]
    created_at: Moment
    last_active_at: Annotated[
        Moment, Meta(description="of its last memory that was delivered; none before")
    ] = ""


class AgentListAnswer(Struct, kw_only=True, omit_defaults=True):
    """A page of agents."""

    agents: list[AgentAnswer]
    count: OnPage
    has_more: HasMore
    next_cursor: NextCursor = ""


class AgentStatsAnswer(Struct, kw_only=True, omit_defaults=True):
    """What an agent did; what was written under its name and under its id counts together."""

    agent_id: Annotated[str, Meta(description="its id where it is registered, else what was asked for")]
    memory_count: Annotated[int, Meta(description="over all time")]
    memories_24h: Annotated[int, Meta(description="of the last 24 hours")]
    errors_24h: Annotated[int, Meta(description="those of them whose event type is `error`")]
    session_count: Annotated[int, Meta(description="registered sessions")]
    active_sessions: Annotated[int, Meta(description="those of them that are not closed")]
    last_active_at: Annotated[Moment, Meta(description="of its last memory")] = ""
    memory_types: Annotated[dict[str, int], Meta(description="how many of each type, over all time")]


class SessionAnswer(Struct, kw_only=True, omit_defaults=True):
    """A session; `closed_at` is there while it is closed."""

    id: Annotated[str, Meta(description="`sess_` and 24 hex digits")]
    org_id: OrgId
    agent_id: str
    status: SessionStatus
    metadata: dict[str, Any] = {}
    created_at: Moment
    updated_at: Moment
    closed_at: Annotated[Moment, Meta(description="there while the session is closed")] = ""


class SessionListAnswer(Struct, kw_only=True, omit_defaults=True):
    """A page of sessions."""

    sessions: list[SessionAnswer]
    count: OnPage
    has_more: HasMore
    next_cursor: NextCursor = ""


class RemovedAnswer(Struct, kw_only=True):
    """How many memories are gone, and from where."""

    journal: Annotated[int, Meta(description="that were not settled in the store yet")]
    store: Annotated[int, Meta(description="that the event store had and has no more")]


class RemainderAnswer(Struct, kw_only=True):
    """What is not gone; `until` is null where nobody can say."""

    where: Annotated[str, Meta(description="`event store`, `journal's log`, `dedup claims`, …")]
    until: Annotated[Moment, Meta(description="when it will be gone; null where nobody can say")] | None
    why: Annotated[str, Meta(description="one sentence for people")]


class DeletionAnswer(Struct, kw_only=True, omit_defaults=True):
    """The receipt of a deletion. No read has shown what it covers since it was answered first."""

    deletion_id: Annotated[str, Meta(description="`del_` and 24 hex digits")]
    org_id: OrgId
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
    count: OnPage
    has_more: HasMore


class SessionDeletionAnswer(Struct, kw_only=True):
    """What became of a session."""

    session_id: str
    had_record: Annotated[bool, Meta(description="whether it was registered")]
    memories: Annotated[DeletionAnswer | None, Meta(description="null where they were not to be deleted")]


class ContextAnswer(Struct, kw_only=True):
    """A session's context as markdown, and how much of it was shown."""

    session_id: str
    context: Annotated[str, Meta(description="markdown for a prompt; empty where nothing is there")]
    memory_count: Annotated[int, Meta(description="memories shown")]
    omitted: Annotated[int, Meta(description="memories in the window that are not shown")]
    truncated: Annotated[bool, Meta(description="whether something was left out or cut")]
    tokens: Annotated[int, Meta(description="an estimate of the context's tokens, on the safe side")]


class MeAnswer(Struct, kw_only=True, omit_defaults=True):
    """Whose key this is and what it may do."""

    org_id: OrgId
    org_name: str
    key_name: str
    permissions: Annotated[list[Permission], Meta(description="`admin` implies the others")]
    expires_at: Annotated[Moment, Meta(description="none for a key that does not expire")] = ""
    has_binding: Annotated[bool, Meta(description="whether the organization has a store")]


class StoreSeen(Struct, kw_only=True, omit_defaults=True):
    """The org's store, as the flusher saw it last."""

    answers: Annotated[bool, Meta(description="whether it answered lately")]
    age_seconds: Annotated[float, Meta(description="how old that is")] | UnsetType = UNSET


class JournalAnswer(Struct, kw_only=True, omit_defaults=True):
    """What the org's journal holds, in numbers."""

    org_id: OrgId
    owed: Annotated[int, Meta(description="memories that the store has not accepted yet")]
    delivered: Annotated[int, Meta(description="that it accepted and that are not proven to be there")]
    dead: Annotated[int, Meta(description="that it refused for good")]
    bytes: Annotated[int, Meta(description="the size of all three")]
    claims: Annotated[int, Meta(description="dedup keys of the window")]
    oldest_owed: Annotated[Moment, Meta(description="the time of the oldest that is owed")] = ""
    oldest_owed_seconds: Annotated[float, Meta(description="its age")] | UnsetType = UNSET
    store: StoreSeen | UnsetType = UNSET


class DeadLetterAnswer(Struct, kw_only=True):
    """A memory that no store would take; it stays readable."""

    memory: MemoryAnswer
    reason: Annotated[str, Meta(description="why the store would not take it")]
    died_at: Moment


class DeadLetterListAnswer(Struct, kw_only=True):
    """The newest dead letters."""

    dead_letters: list[DeadLetterAnswer]
    count: OnPage
    has_more: HasMore


class HealthAnswer(Struct, kw_only=True, omit_defaults=True):
    """The process, and what the flusher last saw of each org's store."""

    status: str
    service: str
    uptime: Annotated[str, Meta(description="as in 2h30m15s")]
    arc: Stores | UnsetType = UNSET
    arc_age_seconds: Ages | UnsetType = UNSET


class ReadyAnswer(Struct, kw_only=True, omit_defaults=True):
    """Whether every bound store answers."""

    status: Literal["ready", "not ready"]
    arc: Stores | UnsetType = UNSET
    arc_age_seconds: Ages | UnsetType = UNSET
    reason: Annotated[str, Meta(description="`store_not_answering` or `no_instances`")] = ""
    hint: Annotated[str, Meta(description="the way out, where there is one")] = ""


class LiveAnswer(Struct, kw_only=True):
    """The process and its database work."""

    status: Literal["alive"]
