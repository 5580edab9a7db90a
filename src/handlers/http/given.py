"""What callers may send: bodies and query parameters, decoded as these types and documented from them.

For optional fields null and "" mean absent, and unknown fields are ignored. What a type cannot
say, `checks.py` checks; its rules are repeated here for the OpenAPI document alone.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from core.model.memory import MemoryType
from core.model.paging import MAX_OFFSET
from core.model.work import SessionStatus
from handlers.http.checks import (
    MAX_BATCH,
    MAX_CONTENT_BYTES,
    MAX_DEDUP_KEY_BYTES,
    MAX_LIMIT,
    MAX_METADATA_BYTES,
    MAX_NAME_BYTES,
    MAX_NEEDLE_BYTES,
    MAX_TAGS,
)

Empty = Literal[""]
Id = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-zA-Z][a-zA-Z0-9_-]{0,127}$"})]
IdOrEmpty = Annotated[str, Meta(extra_json_schema={"pattern": "^([a-zA-Z][a-zA-Z0-9_-]{0,127})?$"})]
EventType = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-zA-Z][a-zA-Z0-9_]{0,63}$"})]
EventTypeOrEmpty = Annotated[
    str,
    Meta(description="default: general", extra_json_schema={"pattern": "^([a-zA-Z][a-zA-Z0-9_]{0,63})?$"}),
]
MemoryTypeOrEmpty = Annotated[
    Literal["episodic", "session", "decision", "entity", ""], Meta(description="default: episodic")
]
OrderOrEmpty = Literal["desc", "asc", ""]
Tag = Annotated[str, Meta(extra_json_schema={"pattern": r"^[a-zA-Z0-9_.\-]{1,64}$"})]
Tags = Annotated[list[Tag], Meta(description=f"at most {MAX_TAGS}")]
WantedTags = Annotated[list[Tag], Meta(description="all of them must be there, whole")]
Content = Annotated[
    str,
    Meta(description=f"at most {MAX_CONTENT_BYTES // 1024} KB of UTF-8", extra_json_schema={"minLength": 1}),
]
AgentName = Annotated[
    str,
    Meta(
        description=f"at most {MAX_NAME_BYTES} bytes; unique in its org", extra_json_schema={"minLength": 1}
    ),
]
DedupKey = Annotated[
    str, Meta(description=f"at most {MAX_DEDUP_KEY_BYTES} bytes; default: made from agent, event and content")
]
Needle = Annotated[
    str,
    Meta(
        description=f"a literal, case-sensitive substring of at most {MAX_NEEDLE_BYTES // 1024} KB;"
        " no character is special"
    ),
]
Share = Annotated[float, Meta(ge=0, le=1)]
Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT)]
Offset = Annotated[
    int,
    Meta(ge=0, description="a cursor goes any distance", extra_json_schema={"maximum": MAX_OFFSET}),
]
SearchLimit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="default: 50")]
TokenBudget = Annotated[int, Meta(ge=0, description="0: no budget")]
Time = Annotated[
    str,
    Meta(description="`30m`, `2h`, `7d` (s, m, h, d, w) before now, `now`, or ISO 8601 (UTC without a zone)"),
]
Cursor = Annotated[str, Meta(description="the `next_cursor` of the page before")]
JsonObject = Annotated[
    dict[str, Any], Meta(description=f"at most {MAX_METADATA_BYTES // 1024} KB as compact JSON")
]


class _MemoryParts(Struct, kw_only=True):
    session_id: IdOrEmpty | None = None
    memory_type: MemoryTypeOrEmpty | None = None
    event_type: EventTypeOrEmpty | None = None
    metadata: JsonObject | Empty | None = None
    tags: Tags | Empty | None = None
    dedup_key: DedupKey | None = None
    importance: Share | Empty | None = None
    parent_id: IdOrEmpty | None = None


class MemoryInput(_MemoryParts, kw_only=True):
    """A memory to store."""

    agent_id: Id
    content: Content


class MemoryBatch(Struct, kw_only=True):
    """Memories to store: all are checked before the first is written."""

    memories: Annotated[list[MemoryInput], Meta(min_length=1, max_length=MAX_BATCH)]


class MemoryOrBatch(_MemoryParts, kw_only=True):
    """Either of the two, so that one decoding is enough."""

    agent_id: str | None = None
    content: str | None = None
    memories: list[MemoryInput] | Empty | None = None


class SearchInput(Struct, kw_only=True):
    """What to look for: every part given must hold."""

    agent_id: IdOrEmpty | None = None
    session_id: IdOrEmpty | None = None
    memory_types: list[MemoryType] | Empty | None = None
    event_types: list[EventType] | Empty | None = None
    tags: WantedTags | Empty | None = None
    content_contains: Needle | None = None
    since: Time | None = None
    until: Time | None = None
    min_importance: Share | Empty | None = None
    limit: SearchLimit | Empty | None = None
    order: OrderOrEmpty | None = None
    cursor: Cursor | None = None


class AgentInput(Struct, kw_only=True):
    """An agent to register."""

    name: AgentName
    description: Annotated[str, Meta(description="at most 4 KB")] | None = None
    config: JsonObject | Empty | None = None


class SessionInput(Struct, kw_only=True):
    """A session to open; the agent need not be registered."""

    agent_id: Id
    metadata: JsonObject | Empty | None = None


class SessionUpdate(Struct, kw_only=True):
    """A change of a session. Metadata is merged into what is there; null takes a key away."""

    status: SessionStatus | Empty | None = None
    metadata: JsonObject | Empty | None = None


class ContextInput(Struct, kw_only=True):
    """How a session's context is to be made; an empty body means the defaults."""

    since: Annotated[Time, Meta(description="default: 24h")] | None = None
    include_types: list[MemoryType] | Empty | None = None
    max_tokens: TokenBudget | Empty | None = None


class PageQuery(Struct, kw_only=True):
    """Query parameters of lists of agents."""

    limit: Limit = 100
    cursor: Cursor = ""


class SessionQuery(PageQuery, kw_only=True):
    """Query parameters of lists of sessions."""

    agent_id: Id = ""
    status: SessionStatus | Empty = ""


class DeletionsQuery(Struct, kw_only=True):
    """Query parameters of the list of deletions."""

    limit: Limit = 100


class DeadLettersQuery(Struct, kw_only=True):
    """Query parameters of the list of dead letters."""

    limit: Limit = 100


class SessionDeletionQuery(Struct, kw_only=True):
    """What is deleted with a session."""

    memories: Annotated[bool, Meta(description="also all that was written in it")] = False


class ListQuery(Struct, kw_only=True):
    """Query parameters of lists of memories. Where the path names the agent or session, it counts."""

    memory_type: MemoryType | Empty = ""
    event_type: EventType = ""
    tags: Annotated[str, Meta(description="comma separated; all of them must be there, whole")] = ""
    since: Time = ""
    until: Time = ""
    limit: Limit = 100
    offset: Offset = 0
    order: Literal["desc", "asc"] = "desc"
    cursor: Cursor = ""
    agent_id: Id = ""
    session_id: Id = ""
