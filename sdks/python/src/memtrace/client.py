"""The client for threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import httpx  # noqa: F401 - code for 0.2.0 finds it here
from typing_extensions import Unpack

from . import _calls as calls
from ._base import DEFAULT_TIMEOUT, build_headers, handle_error  # noqa: F401 - as before
from ._connection import Connection
from ._shortcuts import DecisionFields, MemoryFields, RecallFields, decided, recalled, remembered
from .buffered import BufferedWriter, WriteResult
from .models import (
    AddedMemories,
    AddMemoryRequest,
    Agent,
    AgentList,
    AgentStats,
    ContextOptions,
    CreateSessionRequest,
    Deletion,
    DeletionList,
    ListOptions,
    Me,
    Memory,
    MemoryList,
    RegisterAgentRequest,
    SearchQuery,
    SearchResult,
    Session,
    SessionContext,
    SessionDeletion,
    SessionList,
)


class Memtrace(Connection):
    """A client of Memtrace.

    Usage::

        from memtrace import Memtrace

        with Memtrace("http://localhost:9100", "mtk_...") as client:
            client.remember("agent_1", "User prefers dark mode")

    What fails in passing is tried again, without doing anything twice. Errors of the server are
    MemtraceErrors; a server that cannot be reached is an `httpx.TransportError`.
    """

    def remember(
        self,
        agent_id: str,
        content: str,
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[MemoryFields],
    ) -> Memory:
        """Stores a memory, episodic if nothing else is said. Raises ConflictError for a duplicate."""
        return self._add(remembered(agent_id, content, **fields), idempotency_key)

    def recall(self, agent_id: str, since: str = "24h", **fields: Unpack[RecallFields]) -> MemoryList:
        """An agent's memories since then, the newest first, at most 100 if nothing else is said."""
        return self.list_memories(recalled(agent_id, since, **fields))

    def decide(
        self,
        agent_id: str,
        decision: str,
        reasoning: str,
        *,
        idempotency_key: str | None = None,
        **fields: Unpack[DecisionFields],
    ) -> Memory:
        """Stores a decision with its reasoning. Raises ConflictError for a duplicate."""
        return self._add(decided(agent_id, decision, reasoning, **fields), idempotency_key)

    def add_memory(self, req: AddMemoryRequest, *, idempotency_key: str | None = None) -> Memory:
        """Stores a memory. Raises ConflictError for a duplicate."""
        return self._run(calls.add_memory(req, idempotency_key))

    def add_memories(
        self, memories: Sequence[AddMemoryRequest], *, idempotency_key: str | None = None
    ) -> AddedMemories:
        """Stores up to 1,000 memories and returns those that are new. If one is invalid, none is stored."""
        return self._run(calls.add_memories(memories, idempotency_key))

    def get_memory(self, memory_id: str) -> Memory:
        """The memory of this id or dedup key. Raises NotFoundError."""
        return self._run(calls.get_memory(memory_id))

    def delete_memory(self, memory_id: str) -> Deletion:
        """Deletes the memory of this id or dedup key for good: no read shows it from now on."""
        return self._run(calls.delete_memory(memory_id))

    def list_memories(self, opts: ListOptions | None = None) -> MemoryList:
        """A page of memories."""
        return self._run(calls.list_memories(opts))

    def iter_memories(self, opts: ListOptions | None = None) -> Iterator[Memory]:
        """All memories of a list, page by page; `limit` is the size of a page."""
        return self._iterate(calls.list_memories(opts), _memories)

    def search_memories(self, query: SearchQuery | None = None) -> SearchResult:
        """A page of what matches."""
        return self._run(calls.search_memories(query))

    def iter_search(self, query: SearchQuery | None = None) -> Iterator[Memory]:
        """All that matches, page by page; `limit` is the size of a page."""
        return self._iterate(calls.search_memories(query), attrgetter("results"))

    def buffered(
        self,
        *,
        max_batch: int = 200,
        max_delay: float = 0.5,
        max_pending: int = 10_000,
        max_pending_bytes: int = 64 * 1024 * 1024,
        on_result: Callable[[WriteResult], object] | None = None,
        on_retry: Callable[[Exception], object] | None = None,
    ) -> BufferedWriter:
        """A writer that takes memories at once and stores them in batches in the background. Close it."""
        writer = BufferedWriter(
            self._run,
            max_batch=max_batch,
            max_delay=max_delay,
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
            on_result=on_result,
            on_retry=on_retry,
        )
        self._writers.add(writer)
        return writer

    def register_agent(self, req: RegisterAgentRequest, *, idempotency_key: str | None = None) -> Agent:
        """Registers an agent. Raises ConflictError where the name is taken."""
        return self._run(calls.register_agent(req, idempotency_key))

    def list_agents(self, *, limit: int | None = None, cursor: str | None = None) -> AgentList:
        """A page of the registered agents, the newest first."""
        return self._run(calls.list_agents(limit, cursor))

    def iter_agents(self, *, limit: int | None = None) -> Iterator[Agent]:
        """All registered agents, the newest first."""
        return self._iterate(calls.list_agents(limit, None), attrgetter("agents"))

    def get_agent(self, agent_id: str) -> Agent:
        """The registered agent of this id or name. Raises NotFoundError."""
        return self._run(calls.get_agent(agent_id))

    def get_agent_stats(self, agent_id: str) -> AgentStats:
        """What an agent did, registered or not."""
        return self._run(calls.get_agent_stats(agent_id))

    def get_agent_memories(self, agent_id: str, opts: ListOptions | None = None) -> MemoryList:
        """A page of what was written under an agent's name or id, within 24 hours if no `since` is given."""
        return self._run(calls.get_agent_memories(agent_id, opts))

    def iter_agent_memories(self, agent_id: str, opts: ListOptions | None = None) -> Iterator[Memory]:
        """All of it, page by page."""
        return self._iterate(calls.get_agent_memories(agent_id, opts), _memories)

    def delete_agent(self, agent_id: str) -> None:
        """Forgets an agent; its sessions and memories stay. Raises NotFoundError."""
        self._run(calls.delete_agent(agent_id))

    def create_session(self, req: CreateSessionRequest, *, idempotency_key: str | None = None) -> Session:
        """Opens a session."""
        return self._run(calls.create_session(req, idempotency_key))

    def get_session(self, session_id: str) -> Session:
        """A registered session. Raises NotFoundError."""
        return self._run(calls.get_session(session_id))

    def get_session_context(self, session_id: str, opts: ContextOptions | None = None) -> SessionContext:
        """A session as markdown for a prompt; it need not be registered."""
        return self._run(calls.get_session_context(session_id, opts))

    def get_session_memories(self, session_id: str, opts: ListOptions | None = None) -> MemoryList:
        """A page of a session's memories; it need not be registered."""
        return self._run(calls.get_session_memories(session_id, opts))

    def iter_session_memories(self, session_id: str, opts: ListOptions | None = None) -> Iterator[Memory]:
        """All of a session's memories, page by page."""
        return self._iterate(calls.get_session_memories(session_id, opts), _memories)

    def list_sessions(
        self,
        agent_id: str | None = None,
        *,
        status: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> SessionList:
        """A page of sessions, the newest first."""
        return self._run(calls.list_sessions(agent_id, status, limit, cursor))

    def iter_sessions(
        self, agent_id: str | None = None, *, status: str | None = None, limit: int | None = None
    ) -> Iterator[Session]:
        """All sessions, page by page, the newest first."""
        return self._iterate(calls.list_sessions(agent_id, status, limit, None), attrgetter("sessions"))

    def update_session(
        self, session_id: str, *, status: str | None = None, metadata: dict[str, Any] | None = None
    ) -> Session:
        """Closes or reopens a session and merges metadata; a member that is `None` is taken out."""
        return self._run(calls.update_session(session_id, status, metadata))

    def close_session(self, session_id: str) -> Session:
        """Closes a session. Raises NotFoundError."""
        return self.update_session(session_id, status="closed")

    def delete_session(self, session_id: str, *, memories: bool = False) -> SessionDeletion:
        """Deletes a session's record, and if asked its memories, for good. Raises NotFoundError."""
        return self._run(calls.delete_session(session_id, memories))

    def get_deletion(self, deletion_id: str) -> Deletion:
        """How far a deletion is. Raises NotFoundError."""
        return self._run(calls.get_deletion(deletion_id))

    def list_deletions(self, *, limit: int | None = None) -> DeletionList:
        """Deletions, the newest first."""
        return self._run(calls.list_deletions(limit))

    def me(self) -> Me:
        """Whose key this is."""
        return self._run(calls.me())

    def _add(self, req: AddMemoryRequest, key: str | None) -> Memory:
        # Subclasses may know `add_memory` as it was in 0.2.0.
        return self.add_memory(req) if key is None else self.add_memory(req, idempotency_key=key)


def _memories(page: MemoryList) -> list[Memory]:
    return page.memories
