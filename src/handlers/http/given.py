"""What callers may send: bodies and query parameters, decoded as these types and documented from them.

For optional fields null and "" mean absent, and unknown fields are ignored. What a type cannot
say, `checks.py` checks; its rules are repeated here for the OpenAPI document alone. Limits in bytes
of UTF-8 are documented as so many characters, which no text within them passes.
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
    MAX_DESCRIPTION_BYTES,
    MAX_EVENT_TYPES,
    MAX_LIMIT,
    MAX_METADATA_BYTES,
    MAX_NAME_BYTES,
    MAX_NEEDLE_BYTES,
    MAX_TAGS,
)

Empty = Literal[""]
_ID = "[a-zA-Z][a-zA-Z0-9_-]{0,127}"
_EVENT_TYPE = "[a-zA-Z][a-zA-Z0-9_]{0,63}"
ID_PATTERN = f"^{_ID}$"
Id = Annotated[str, Meta(extra_json_schema={"pattern": ID_PATTERN})]
IdOrEmpty = Annotated[str, Meta(extra_json_schema={"pattern": f"^({_ID})?$"})]
EventType = Annotated[str, Meta(extra_json_schema={"pattern": f"^{_EVENT_TYPE}$"})]
EventTypeOrEmpty = Annotated[
    str,
    Meta(
        description="what happened; `error` is special in contexts and stats. Default: `general`",
        extra_json_schema={"pattern": f"^({_EVENT_TYPE})?$"},
    ),
]
MemoryTypeOrEmpty = Annotated[
    Literal["episodic", "session", "decision", "entity", ""],
    Meta(description="what kind of memory it is. Default: `episodic`"),
]
OrderOrEmpty = Annotated[
    Literal["desc", "asc", ""], Meta(description="by time; `desc` is the newest first. Default: `desc`")
]
Tag = Annotated[str, Meta(extra_json_schema={"pattern": r"^[a-zA-Z0-9_.\-]{1,64}$"})]
Tags = Annotated[
    list[Tag],
    Meta(
        description="each of 1 to 64 letters, digits, `_`, `.` or `-`",
        extra_json_schema={"maxItems": MAX_TAGS},
    ),
]
WantedTags = Annotated[
    list[Tag], Meta(description="all of them must be there, whole", extra_json_schema={"maxItems": MAX_TAGS})
]
Content = Annotated[
    str,
    Meta(
        description=f"the memory itself, a text of at most {MAX_CONTENT_BYTES // 1024} KB of UTF-8",
        extra_json_schema={"minLength": 1, "maxLength": MAX_CONTENT_BYTES},
    ),
]
AgentName = Annotated[
    str,
    Meta(
        description=f"unique in its organization; at most {MAX_NAME_BYTES} bytes, no control characters",
        extra_json_schema={
            "minLength": 1,
            "maxLength": MAX_NAME_BYTES,
            "pattern": r"^[^\x00-\x1f\x7f]*$",
        },
    ),
]
AgentDescription = Annotated[
    str,
    Meta(
        description=f"what the agent is for; at most {MAX_DESCRIPTION_BYTES // 1024} KB",
        extra_json_schema={"maxLength": MAX_DESCRIPTION_BYTES},
    ),
]
DedupKey = Annotated[
    str,
    Meta(
        description=f"memories with the same key are equal; at most {MAX_DEDUP_KEY_BYTES} bytes."
        " Default: made from agent, event type and content",
        extra_json_schema={"maxLength": MAX_DEDUP_KEY_BYTES},
    ),
]
Needle = Annotated[
    str,
    Meta(
        description=f"a literal, case-sensitive substring of at most {MAX_NEEDLE_BYTES // 1024} KB;"
        " no character is special",
        extra_json_schema={"maxLength": MAX_NEEDLE_BYTES},
    ),
]
Share = Annotated[float, Meta(ge=0, le=1)]
Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="at most so many on a page")]
Offset = Annotated[
    int,
    Meta(
        ge=0,
        description="skips so many; new memories shift it, and a cursor goes any distance",
        extra_json_schema={"maximum": MAX_OFFSET},
    ),
]
SearchLimit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="at most so many on a page. Default: 50")]
TokenBudget = Annotated[int, Meta(ge=0, description="the context is never estimated above it; 0: no budget")]
_TIME = "`30m`, `2h`, `7d` (s, m, h, d, w) before now, `now`, or ISO 8601 (UTC without a zone)"
Time = Annotated[
    str, Meta(extra_json_schema={"pattern": "^(now|[1-9][0-9]{0,8}[smhdw]|[0-9]{4}-?[0-9W].*)?$"})
]
Since = Annotated[Time, Meta(description=f"from this time on, itself included: {_TIME}")]
Until = Annotated[Time, Meta(description=f"before this time, itself excluded: {_TIME}")]
Cursor = Annotated[
    str,
    Meta(
        description="the `next_cursor` of the page before; opaque",
        extra_json_schema={"pattern": "^[A-Za-z0-9_-]*$"},
    ),
]
JsonObject = Annotated[
    dict[str, Any],
    Meta(description=f"any JSON object, at most {MAX_METADATA_BYTES // 1024} KB as compact JSON, 64 levels"),
]
MemoryTypes = Annotated[list[MemoryType], Meta(description="any of these memory types")]
EventTypes = Annotated[
    list[EventType],
    Meta(description="any of these event types", extra_json_schema={"maxItems": MAX_EVENT_TYPES}),
]
OfAgent = Annotated[IdOrEmpty, Meta(description="only of this agent, literally")]
OfSession = Annotated[IdOrEmpty, Meta(description="only of this session")]
AgentId = Annotated[Id, Meta(description="who it is by: an id or a name; need not be registered")]


class _MemoryParts(Struct, kw_only=True):
    session_id: (
        Annotated[IdOrEmpty, Meta(description="the session it belongs to; need not be registered")] | None
    ) = None
    memory_type: MemoryTypeOrEmpty | None = None
    event_type: EventTypeOrEmpty | None = None
    metadata: JsonObject | Empty | None = None
    tags: Tags | Empty | None = None
    dedup_key: DedupKey | None = None
    importance: Annotated[Share, Meta(description="how much it matters; 0 is none")] | Empty | None = None
    parent_id: (
        Annotated[IdOrEmpty, Meta(description="the id of another memory or thing; it is not followed")] | None
    ) = None


class MemoryInput(_MemoryParts, kw_only=True):
    """A memory to store."""

    agent_id: AgentId
    content: Content


class MemoryBatch(Struct, kw_only=True):
    """Memories to store: all are checked before the first is written."""

    memories: Annotated[
        list[MemoryInput],
        Meta(min_length=1, max_length=MAX_BATCH, description="each stands or is a duplicate by itself"),
    ]


class MemoryOrBatch(_MemoryParts, kw_only=True):
    """Either of the two, so that one decoding is enough."""

    agent_id: str | None = None
    content: str | None = None
    memories: list[MemoryInput] | Empty | None = None


class SearchInput(Struct, kw_only=True):
    """What to look for: every part given must hold."""

    agent_id: OfAgent | None = None
    session_id: OfSession | None = None
    memory_types: MemoryTypes | Empty | None = None
    event_types: EventTypes | Empty | None = None
    tags: WantedTags | Empty | None = None
    content_contains: Needle | None = None
    since: Since | None = None
    until: Until | None = None
    min_importance: Annotated[Share, Meta(description="at least as important")] | Empty | None = None
    limit: SearchLimit | Empty | None = None
    order: OrderOrEmpty | None = None
    cursor: Cursor | None = None


class AgentInput(Struct, kw_only=True):
    """An agent to register."""

    name: AgentName
    description: AgentDescription | None = None
    config: JsonObject | Empty | None = None


class SessionInput(Struct, kw_only=True):
    """A session to open; the agent need not be registered."""

    agent_id: AgentId
    metadata: JsonObject | Empty | None = None


class SessionUpdate(Struct, kw_only=True):
    """A change of a session. Metadata is merged into what is there; null takes a key away."""

    status: (
        Annotated[
            SessionStatus,
            Meta(description="`closed` sets `closed_at`, `active` takes it away. Default: as it is"),
        ]
        | Empty
        | None
    ) = None
    metadata: JsonObject | Empty | None = None


class ContextInput(Struct, kw_only=True):
    """How a session's context is to be made; an empty body means the defaults."""

    since: Annotated[Time, Meta(description=f"how far back: {_TIME}. Default: `24h`")] | None = None
    include_types: MemoryTypes | Empty | None = None
    max_tokens: TokenBudget | Empty | None = None


class PageQuery(Struct, kw_only=True):
    """Query parameters of lists of agents."""

    limit: Limit = 100
    cursor: Cursor = ""


class SessionQuery(PageQuery, kw_only=True):
    """Query parameters of lists of sessions."""

    agent_id: OfAgent = ""
    status: Annotated[SessionStatus, Meta(description="only with this status")] | Empty = ""


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

    memory_type: Annotated[MemoryType, Meta(description="only of this type")] | Empty = ""
    event_type: Annotated[EventTypeOrEmpty, Meta(description="only of this event type")] = ""
    tags: Annotated[
        str,
        Meta(
            description=f"comma separated, at most {MAX_TAGS}; all of them must be there, whole",
            extra_json_schema={"pattern": r"^[a-zA-Z0-9_.,\s\-]*$"},
        ),
    ] = ""
    since: Since = ""
    until: Until = ""
    limit: Limit = 100
    offset: Offset = 0
    order: Annotated[Literal["desc", "asc"], Meta(description="by time; `desc` is the newest first")] = "desc"
    cursor: Cursor = ""
    agent_id: OfAgent = ""
    session_id: OfSession = ""
