"""Memory as function tools of the OpenAI Agents SDK."""

import logging
from typing import Annotated, Any, Final, Literal

from agents import FunctionTool, ModelBehaviorError, RunContextWrapper, Tool, function_tool
from memtrace import AddMemoryRequest, AsyncMemtrace, ConflictError, MemtraceError, SearchQuery
from pydantic import Field

from . import answers

MemoryType = Literal["episodic", "session", "decision", "entity"]
Importance = Annotated[float, Field(ge=0, le=1)]
Limit = Annotated[int, Field(ge=1, le=200)]

_BUT_SESSIONS: Final = ["episodic", "decision", "entity"]
"""Types that are looked through when none is asked for: conversations stay out."""
_SINCE: Final = "24h"
_LIMIT: Final = 50
# Parameters have none of their own: OpenAI refuses strict schemas that hold the word `default`.

log = logging.getLogger("openai_agents_memtrace")


def create_memtrace_tools(
    client: AsyncMemtrace, agent_id: str, *, session_id: str | None = None
) -> list[Tool]:
    """`memtrace_remember`, `memtrace_recall`, `memtrace_search` and `memtrace_decide` for one agent.

    What is written is written as `agent_id`, and in the session `session_id` if one is given. `recall` reads
    the agent's own memories, `search` those of all agents of the organization. No tool raises: a failure is
    logged, and the model is told in a sentence.
    """
    return [
        _remember(client, agent_id, session_id),
        _recall(client, agent_id),
        _search(client),
        _decide(client, agent_id, session_id),
    ]


def _remember(client: AsyncMemtrace, agent_id: str, session: str | None) -> FunctionTool:
    @function_tool(failure_error_function=_failed)
    async def memtrace_remember(
        content: str,
        memory_type: MemoryType | None = None,
        event_type: str | None = None,
        session_id: str | None = None,
        tags: list[str] | None = None,
        importance: Importance | None = None,
    ) -> str:
        """Store a memory, so that you and other agents can recall it later.

        Args:
            content: What to remember, in words that make sense without this conversation.
            memory_type: episodic (the default) for what happened, entity for a fact about a person or thing,
                decision for a choice (better stored with memtrace_decide), session for a note about this
                session.
            event_type: What kind of event it is, one word of letters, digits and _; general by default, error
                for a failure.
            session_id: The session it belongs to; mostly not given.
            tags: Labels to find it by; letters, digits, _, . and -.
            importance: From 0 to 1.
        """
        return await _stored(
            client,
            AddMemoryRequest(
                agent_id=agent_id,
                session_id=session_id or session,
                memory_type=memory_type or "episodic",
                event_type=event_type or "general",
                content=content,
                tags=tags,
                importance=importance,
            ),
        )

    return memtrace_remember


def _recall(client: AsyncMemtrace, agent_id: str) -> FunctionTool:
    @function_tool(failure_error_function=_failed)
    async def memtrace_recall(
        since: str | None = None,
        session_id: str | None = None,
        memory_type: MemoryType | None = None,
        limit: Limit | None = None,
    ) -> str:
        """Read back your own recent memories, the newest first.

        Args:
            since: How far back: 30m, 2h, 7d, or an ISO 8601 time; 24h by default.
            session_id: Only memories of this session.
            memory_type: Only memories of this type.
            limit: At most so many memories; 50 by default.
        """
        return await _found(
            client,
            SearchQuery(
                agent_id=agent_id,
                session_id=session_id,
                memory_types=[memory_type] if memory_type else _BUT_SESSIONS,
                since=since or _SINCE,
                limit=limit or _LIMIT,
            ),
        )

    return memtrace_recall


def _search(client: AsyncMemtrace) -> FunctionTool:
    @function_tool(failure_error_function=_failed)
    async def memtrace_search(
        content_contains: str | None = None,
        memory_types: list[MemoryType] | None = None,
        tags: list[str] | None = None,
        since: str | None = None,
        min_importance: Importance | None = None,
        agent_id: str | None = None,
        limit: Limit | None = None,
    ) -> str:
        """Search the memories of all agents, the newest first. All conditions given must hold.

        Args:
            content_contains: A text that the content has literally, in this case of letters.
            memory_types: Any of these types.
            tags: All of these tags.
            since: How far back: 30m, 2h, 7d, or an ISO 8601 time; all time if not given.
            min_importance: From 0 to 1.
            agent_id: Only memories of this agent.
            limit: At most so many memories; 50 by default.
        """
        return await _found(
            client,
            SearchQuery(
                agent_id=agent_id,
                content_contains=content_contains,
                memory_types=list(memory_types) if memory_types else _BUT_SESSIONS,
                tags=tags,
                since=since,
                min_importance=min_importance,
                limit=limit or _LIMIT,
            ),
        )

    return memtrace_search


def _decide(client: AsyncMemtrace, agent_id: str, session_id: str | None) -> FunctionTool:
    @function_tool(failure_error_function=_failed)
    async def memtrace_decide(decision: str, reasoning: str) -> str:
        """Record a decision and why it was made, so that it is not made again or against.

        Args:
            decision: What was decided, in one sentence.
            reasoning: Why.
        """
        return await _stored(
            client,
            AddMemoryRequest(
                agent_id=agent_id,
                session_id=session_id,
                memory_type="decision",
                event_type="decision",
                content=decision,
                metadata={"reasoning": reasoning},
            ),
        )

    return memtrace_decide


async def _stored(client: AsyncMemtrace, request: AddMemoryRequest) -> str:
    try:
        return answers.stored(await client.add_memory(request))
    except ConflictError:
        return answers.stored_before()


async def _found(client: AsyncMemtrace, query: SearchQuery) -> str:
    found = await client.search_memories(query)
    return answers.memories(found.results, has_more=bool(found.has_more))


def _failed(context: RunContextWrapper[Any], error: Exception) -> str:
    """What the model reads. Arguments of the model and contents of memories stay out of the log."""
    tool = getattr(context, "tool_name", "a memtrace tool")
    if isinstance(error, ModelBehaviorError):
        log.warning("%s was called with arguments that do not fit its schema", tool)
        return "These arguments do not fit the tool's schema. Correct them and try again."
    if isinstance(error, MemtraceError) and error.status_code == 400:
        log.warning("%s was refused: %s", tool, error)
        return f"Memtrace refused this: {error.message}. Correct it and try again."
    log.error("%s failed: %s: %s", tool, type(error).__name__, error)
    return "Memory is not available now. Go on without it, and say so where it matters."
