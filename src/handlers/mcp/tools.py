"""The seven tools: what each is called, takes, answers, and asks of Memtrace. Both transports serve these."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from handlers.mcp import arguments as into
from handlers.mcp import results as out
from handlers.mcp.arguments import sent
from handlers.mcp.calls import Api, Call, JsonObject, Refusal
from handlers.mcp.pages import page_of
from handlers.mcp.stories import told_session
from handlers.mcp.wording import Names

Work = Callable[[Api, Any], Awaitable[msgspec.Struct]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One tool. No tool destroys anything, and none reaches beyond Memtrace."""

    name: str
    title: str
    description: str
    takes: type[msgspec.Struct]
    answers: type[msgspec.Struct]
    work: Work
    reads_only: bool
    is_repeatable: bool
    """Whether a second equal call changes nothing."""
    renames: Names = field(default_factory=dict)

    async def run(self, api: Api, given: Mapping[str, Any]) -> msgspec.Struct:
        """The result. Raises Refusal, or InvalidRequest for arguments that are wrong."""
        return await self.work(api, into.parsed(given, self.takes))


async def _remember(api: Api, given: into.Remember) -> out.Remembered:
    names = (
        "agent_id",
        "content",
        "memory_type",
        "event_type",
        "session_id",
        "tags",
        "importance",
        "metadata",
    )
    return await _stored(api, sent(given, *names))


async def _decide(api: Api, given: into.Decide) -> out.Remembered:
    memory = {
        "agent_id": given.agent_id,
        "content": given.decision,
        "memory_type": "decision",
        "event_type": "decision",
        "metadata": {"reasoning": given.reasoning},
    }
    return await _stored(api, memory)


async def _stored(api: Api, memory: JsonObject) -> out.Remembered:
    """A duplicate is no error: what was to be remembered is."""
    try:
        made = await api.ask(Call(method="POST", route="/api/v1/memories", body=memory))
    except Refusal as e:
        if e.code != "duplicate_memory":
            raise
        return out.Remembered(status="duplicate", id=str(e.fields.get("id", "")))
    return out.Remembered(status="created", id=made["id"], time=made["time"])


async def _recall(api: Api, given: into.Recall) -> out.Recalled:
    filters = {name: str(value) for name, value in sent(given, "since", "session_id", "memory_type").items()}

    async def ask(limit: int, cursor: str) -> tuple[list[JsonObject], str]:
        query = {**filters, "limit": str(limit), "cursor": cursor}
        path = {"id": given.agent_id}
        page = await api.ask(Call(method="GET", route="/api/v1/agents/{id}/memories", path=path, query=query))
        return page["memories"], page.get("next_cursor", "")

    memories, after = await page_of(api, ask, given.limit, given.cursor or "")
    return out.Recalled(memories=memories, count=len(memories), has_more=bool(after), next_cursor=after)


async def _search(api: Api, given: into.Search) -> out.Found:
    names = ("agent_id", "content_contains", "memory_types", "tags", "since", "min_importance")
    filters = sent(given, *names)

    async def ask(limit: int, cursor: str) -> tuple[list[JsonObject], str]:
        body = {**filters, "limit": limit, "cursor": cursor}
        page = await api.ask(Call(method="POST", route="/api/v1/search", body=body))
        return page["results"], page.get("next_cursor", "")

    results, after = await page_of(api, ask, given.limit, given.cursor or "")
    return out.Found(results=results, count=len(results), has_more=bool(after), next_cursor=after)


async def _open_session(api: Api, given: into.SessionCreate) -> out.SessionOpened:
    body = sent(given, "agent_id", "metadata")
    return msgspec.convert(
        await api.ask(Call(method="POST", route="/api/v1/sessions", body=body)), out.SessionOpened
    )


async def _tell(api: Api, given: into.SessionContext) -> out.ContextTold:
    asked = sent(given, "since", "include_types", "max_tokens")
    return await told_session(api, given.session_id, asked)


async def _register(api: Api, given: into.AgentRegister) -> out.AgentRegistered:
    """Who is registered already is told so: that is no error."""
    try:
        call = Call(method="POST", route="/api/v1/agents", body=sent(given, "name", "description"))
        agent, created = await api.ask(call), True
    except Refusal as e:
        if e.code != "already_exists":
            raise
        call = Call(method="GET", route="/api/v1/agents/{id}", path={"id": given.name})
        agent, created = await api.ask(call), False
    return msgspec.convert({**agent, "created": created}, out.AgentRegistered)


TOOLS: Final[tuple[Tool, ...]] = (
    Tool(
        name="memtrace_remember",
        title="Remember",
        description="Store one memory for good: what happened, what was learned, what a user prefers."
        " Equal memories of an agent within 24 hours are stored once, whatever their session.",
        takes=into.Remember,
        answers=out.Remembered,
        work=_remember,
        reads_only=False,
        is_repeatable=True,
    ),
    Tool(
        name="memtrace_recall",
        title="Recall",
        description="List what one agent remembered lately, the newest first. Where there is more than fits,"
        " `next_cursor` leads to the next page.",
        takes=into.Recall,
        answers=out.Recalled,
        work=_recall,
        reads_only=True,
        is_repeatable=True,
    ),
    Tool(
        name="memtrace_search",
        title="Search memories",
        description="Find memories of any agent by text, type, tags, time and importance; all that is given"
        " must hold. Where there is more than fits, `next_cursor` leads to the next page.",
        takes=into.Search,
        answers=out.Found,
        work=_search,
        reads_only=True,
        is_repeatable=True,
    ),
    Tool(
        name="memtrace_decide",
        title="Record a decision",
        description="Store a decision with its reasoning, so that it can be explained later."
        " For one that belongs to a session use memtrace_remember with memory_type `decision`.",
        takes=into.Decide,
        answers=out.Remembered,
        work=_decide,
        reads_only=False,
        is_repeatable=True,
        renames={"content": "decision", "metadata": "reasoning"},
    ),
    Tool(
        name="memtrace_session_create",
        title="Open a session",
        description="Open a session: memories that carry its id as `session_id` belong together, and several"
        " agents may share it.",
        takes=into.SessionCreate,
        answers=out.SessionOpened,
        work=_open_session,
        reads_only=False,
        is_repeatable=False,
    ),
    Tool(
        name="memtrace_session_context",
        title="Load a session's context",
        description="What happened in a session so far, as markdown for a prompt: actions, decisions, errors,"
        " facts. Call it before going on with a session's work.",
        takes=into.SessionContext,
        answers=out.ContextTold,
        work=_tell,
        reads_only=True,
        is_repeatable=True,
    ),
    Tool(
        name="memtrace_agent_register",
        title="Register an agent",
        description="Register an agent by its name, with a description for people. Agents need not be"
        " registered to remember. One that is registered already stays as it is.",
        takes=into.AgentRegister,
        answers=out.AgentRegistered,
        work=_register,
        reads_only=False,
        is_repeatable=True,
    ),
)
