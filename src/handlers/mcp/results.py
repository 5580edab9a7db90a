"""What each tool answers: encoded from these types, and described from them.

Leaner than the REST API: who asked and the dedup key cost a model tokens, and tell it nothing.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from core.model.work import SessionStatus

Moment = Annotated[str, Meta(description="RFC 3339, UTC")]


class Remembered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`created`, or `duplicate`: an equal memory was there already, and has this id."""

    status: Literal["created", "duplicate"]
    id: str
    time: Moment = ""


class MemoryFound(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A memory. One too long for a single answer comes in parts, page by page."""

    id: str
    time: Moment
    agent_id: str
    session_id: str = ""
    memory_type: str
    event_type: str
    content: str
    metadata: dict[str, Any] | UnsetType = UNSET
    tags: list[str] = []
    importance: float = 0.0
    parent_id: str = ""
    content_from: Annotated[
        int | UnsetType,
        Meta(description="this is a part of the content, from this character on; `next_cursor` goes on"),
    ] = UNSET
    content_length: Annotated[int | UnsetType, Meta(description="characters of the whole content")] = UNSET
    metadata_left_out: Annotated[
        bool, Meta(description="the metadata is too long to be shown; the REST API has it under the id")
    ] = False


class Recalled(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of memories, the newest first. With `next_cursor` there is more."""

    memories: list[MemoryFound]
    count: int
    has_more: bool
    next_cursor: str = ""


class Found(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of what a search found, the newest first. With `next_cursor` there is more."""

    results: list[MemoryFound]
    count: int
    has_more: bool
    next_cursor: str = ""


class SessionOpened(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session, newly opened: its id goes into `session_id` of what is remembered in it."""

    id: str
    agent_id: str
    status: SessionStatus
    created_at: Moment


class ContextTold(Struct, frozen=True, kw_only=True):
    """A session as markdown. `truncated`: something is left out or cut; a larger `max_tokens` shows more."""

    session_id: str
    context: Annotated[str, Meta(description="markdown")]
    memory_count: int
    omitted: int
    truncated: bool
    tokens: Annotated[int, Meta(description="an estimate from above")]


class AgentRegistered(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A registered agent. `created` is false where the name was registered before."""

    id: str
    name: str
    description: str = ""
    created: bool
    created_at: Moment
