"""Runs in the SDK's own Python: calls every method of the released client and checks its answers.

Usage: sdk_script.py sync|async [SUFFIX]. The suffix makes the agents others.
Prints the methods called, and all that there are.
"""

import asyncio
import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any

import memtrace  # type: ignore[import-not-found]
from memtrace import (
    AddMemoryRequest,
    AsyncMemtrace,
    AuthenticationError,
    ConflictError,
    ContextOptions,
    CreateSessionRequest,
    ListOptions,
    Memtrace,
    NotFoundError,
    RegisterAgentRequest,
    SearchQuery,
)


class Recorder:
    """The client, every call awaited where it must be, and its name kept."""

    def __init__(self, client: Any, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner
        self.called: set[str] = set()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        def call(*arguments: Any) -> Any:
            self.called.add(name)
            result = method(*arguments)
            return self._runner.run(_awaited(result)) if inspect.isawaitable(result) else result

        return call


async def _awaited(result: Any) -> Any:
    return await result


def refused(kind: type[Exception], call: Callable[..., Any], *arguments: Any) -> None:
    try:
        call(*arguments)
    except kind:
        return
    raise AssertionError(f"{kind.__name__} was expected")


def memories(client: Any, agent: str, session: str) -> None:
    first = client.remember(agent, "The user prefers dark mode")
    assert (first.agent_id, first.memory_type, first.event_type) == (agent, "episodic", "general")
    assert first.org_id == "org_default"
    assert first.dedup_key
    refused(ConflictError, client.remember, agent, "The user prefers dark mode")
    decision = client.decide(agent, "Use tables", "The user asked for them")
    assert decision.metadata == {"reasoning": "The user asked for them"}
    one = AddMemoryRequest(
        agent_id=agent,
        session_id=session,
        memory_type="entity",
        event_type="preference",
        content="Quotes ' and \" and % stay as they are – auch Umlaute: äöü",
        metadata={"deep": {"list": [1, 2.5, None]}},
        tags=["a.b", "c-d"],
        importance=0.75,
    )
    stored = client.add_memory(one)
    assert (stored.content, stored.metadata, stored.tags) == (one.content, one.metadata, one.tags)
    assert stored.importance == 0.75
    assert stored.time.tzinfo is not None
    batch = [one.model_copy(update={"content": f"step {i}", "memory_type": "episodic"}) for i in range(3)]
    assert [m.content for m in client.add_memories(batch)] == ["step 0", "step 1", "step 2"]
    newest = client.recall(agent)
    assert newest.count == 6
    assert newest.memories[0].content == "step 2"
    assert not newest.has_more
    page = client.list_memories(ListOptions(agent_id=agent, tags="a.b,c-d", limit=2, offset=1, order="asc"))
    assert [m.content for m in page.memories] == ["step 0", "step 1"]
    assert page.has_more
    query = SearchQuery(agent_id=agent, memory_types=["entity"], content_contains="and %", min_importance=0.5)
    assert [m.content for m in client.search_memories(query).results] == [one.content]


def agents(client: Any, agent: str) -> None:
    registered = client.register_agent(RegisterAgentRequest(name=agent, description="d", config={"k": 1}))
    refused(ConflictError, client.register_agent, RegisterAgentRequest(name=agent))
    assert client.get_agent(registered.id).config == {"k": 1}
    assert registered.id in [a.id for a in client.list_agents().agents]
    stats = client.get_agent_stats(registered.id)
    assert (stats.memory_count, stats.memory_types["episodic"]) == (6, 4)
    assert client.get_agent_memories(agent, ListOptions(limit=2)).count == 2
    assert client.get_agent_memories(registered.id).count == 6
    client.delete_agent(registered.id)
    refused(NotFoundError, client.get_agent, registered.id)


def sessions(client: Any, agent: str, session: str) -> None:
    assert client.get_session(session).status == "active"
    assert session in [s.id for s in client.list_sessions(agent).sessions]
    assert session in [s.id for s in client.list_sessions().sessions]
    assert client.get_session_memories(session, ListOptions(order="asc", limit=1)).memories[0].event_type == (
        "preference"
    )
    assert client.get_session_memories(session).count == 4
    context = client.get_session_context(session)
    assert context.context.startswith(f"## Session Context ({session})")
    assert context.memory_count == 4
    bounded = client.get_session_context(session, ContextOptions(max_tokens=80, include_types=["episodic"]))
    assert 0 < bounded.memory_count <= 3
    closed = client.close_session(session)
    assert closed.status == "closed"
    assert closed.closed_at is not None
    refused(NotFoundError, client.get_session, "sess_unknown")


def main() -> None:
    kind = sys.argv[1]
    url, key = os.environ["MEMTRACE_URL"], os.environ["MEMTRACE_API_KEY"]
    make = AsyncMemtrace if kind == "async" else Memtrace
    agent = "-".join(["sdk", *sys.argv[1:]])
    with asyncio.Runner() as runner:
        client = Recorder(make(url, key), runner)
        session = client.create_session(CreateSessionRequest(agent_id=agent, metadata={"n": 1})).id
        memories(client, agent, session)
        agents(client, agent)
        sessions(client, agent, session)
        stranger = Recorder(make(url, "mtk_unknown"), runner)
        refused(AuthenticationError, stranger.list_agents)
        stranger.close()
        client.close()
    public = {name for name, _ in inspect.getmembers(make, inspect.isfunction) if not name.startswith("_")}
    told = {"called": sorted(client.called), "public": sorted(public), "version": memtrace.__version__}
    json.dump(told, sys.stdout)


main()
