"""Turns what the services return into answers."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final

import msgspec

from core.model.memory import Memory, Page, metadata_of
from core.model.tenant import Principal
from core.model.timewindow import micros_of, rfc3339
from core.model.work import Agent, AgentStats, Session
from core.storyteller import ContextAnswer as SessionStory
from handlers.http.answers import (
    AgentAnswer,
    AgentListAnswer,
    AgentStatsAnswer,
    ContextAnswer,
    MeAnswer,
    MemoryAnswer,
    MemoryListAnswer,
    SessionAnswer,
    SessionListAnswer,
)
from handlers.http.ask import Reply
from handlers.http.cursors import After, seal_after, seal_position

_MILLION: Final = 1_000_000
encode: Final = msgspec.json.Encoder().encode


def reply(status: int, answer: msgspec.Struct) -> Reply:
    """The answer as JSON."""
    return Reply(status, encode(answer))


def written(memory: Memory, id: str) -> MemoryAnswer:
    """A memory that was just stored: what is in it is known to be well formed."""
    return _memory(memory, id, memory.metadata_json)


def read(memory: Memory) -> MemoryAnswer:
    """A memory that came from the store, where others may have written what is no object."""
    return _memory(memory, memory.id, memory.metadata_json if metadata_of(memory) else "")


def memory_list(page: Page) -> MemoryListAnswer:
    """A page of a list; the cursor is there when more follows."""
    return MemoryListAnswer(
        memories=[read(memory) for memory in page.memories],
        count=len(page.memories),
        has_more=page.has_more,
        next_cursor=next_cursor(page),
    )


def next_cursor(page: Page) -> str:
    """Empty on the last page."""
    return seal_position(page.next) if page.next is not None else ""


def agent(agent: Agent) -> AgentAnswer:
    """An agent as callers see it."""
    return AgentAnswer(
        id=agent.id,
        org_id=agent.org_id,
        name=agent.name,
        description=agent.description,
        config=agent.config,
        created_at=moment(agent.created_at),
        last_active_at=moment(agent.last_active_at),
    )


def agent_list(agents: Iterable[Agent], after: After | None) -> AgentListAnswer:
    """A page; `after` is where the next one starts."""
    shown = [agent(one) for one in agents]
    return AgentListAnswer(
        agents=shown,
        count=len(shown),
        has_more=after is not None,
        next_cursor=seal_after("agents", after) if after else "",
    )


def stats(stats: AgentStats) -> AgentStatsAnswer:
    """The counts, and when it was last seen at work."""
    return AgentStatsAnswer(
        agent_id=stats.agent_id,
        memory_count=stats.memory_count,
        memories_24h=stats.memories_24h,
        errors_24h=stats.errors_24h,
        session_count=stats.session_count,
        active_sessions=stats.active_sessions,
        last_active_at=moment(stats.last_active_at),
        memory_types=stats.memory_types,
    )


def session(session: Session) -> SessionAnswer:
    """A session as callers see it."""
    return SessionAnswer(
        id=session.id,
        org_id=session.org_id,
        agent_id=session.agent_id,
        status=session.status,
        metadata=session.metadata,
        created_at=moment(session.created_at),
        updated_at=moment(session.updated_at),
        closed_at=moment(session.closed_at),
    )


def session_list(sessions: Iterable[Session], after: After | None) -> SessionListAnswer:
    """A page; `after` is where the next one starts."""
    shown = [session(one) for one in sessions]
    return SessionListAnswer(
        sessions=shown,
        count=len(shown),
        has_more=after is not None,
        next_cursor=seal_after("sessions", after) if after else "",
    )


def context(made: SessionStory) -> ContextAnswer:
    """The markdown and its numbers."""
    return ContextAnswer(
        session_id=made.session_id,
        context=made.context,
        memory_count=made.memory_count,
        omitted=made.omitted,
        truncated=made.truncated,
        tokens=made.tokens,
    )


def me(principal: Principal) -> MeAnswer:
    """The caller without anything secret."""
    return MeAnswer(
        org_id=principal.org_id,
        org_name=principal.org_name,
        key_name=principal.key_name,
        permissions=sorted(principal.permissions),
        expires_at=moment(principal.expires_at),
        has_binding=principal.binding is not None,
    )


def moment(when: datetime | None) -> str:
    """RFC 3339; empty for never."""
    return rfc3339(micros_of(when)) if when is not None else ""


def _memory(memory: Memory, id: str, metadata: str) -> MemoryAnswer:
    seconds, fraction = divmod(memory.time, _MILLION)
    text = _second(seconds)
    return MemoryAnswer(
        id=id,
        time=f"{text}.{fraction:06d}Z" if fraction else f"{text}Z",
        org_id=memory.org_id,
        agent_id=memory.agent_id,
        session_id=memory.session_id,
        memory_type=memory.memory_type,
        event_type=memory.event_type,
        content=memory.content,
        metadata=msgspec.Raw(metadata) if metadata else msgspec.UNSET,
        tags=memory.tags,
        dedup_key=memory.dedup_key,
        importance=memory.importance or msgspec.UNSET,
        parent_id=memory.parent_id,
    )


@lru_cache(maxsize=4_096)
def _second(seconds: int) -> str:
    """`rfc3339` of a whole second, without the `Z`: memories come many to a second."""
    return rfc3339(seconds * _MILLION)[:-1]
