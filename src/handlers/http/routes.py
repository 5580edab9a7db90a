"""The one table of routes: what is served, who may ask, what goes in and what comes out.

Dispatch, permissions, the OpenAPI document and the tests that walk all routes are made from it.
"""

from typing import Any, Final

from core.model.errors import (
    AlreadyExists,
    ClockStepped,
    DuplicateMemory,
    IdempotencyConflict,
    InvalidCursor,
    InvalidRequest,
    JournalFull,
    NoArcInstance,
    NotFound,
    StoreError,
    StoreTimeout,
)
from handlers.http import agents, memories, probes, published, sessions
from handlers.http import answers as out
from handlers.http import given as into
from handlers.http.endpoint import Endpoint, Errors, Handler

API: Final = "/api/v1"
_WRITING: Final[Errors] = (NoArcInstance, JournalFull, ClockStepped, IdempotencyConflict)
_READING: Final[Errors] = (NoArcInstance, StoreError, StoreTimeout)


def _probe(path: str, handler: Handler, summary: str, *answers: type[Any], **more: Any) -> Endpoint:
    return Endpoint(
        method="GET", path=path, permission=None, handler=handler, summary=summary, answers=answers, **more
    )


ROUTES: Final[tuple[Endpoint, ...]] = (
    Endpoint(
        method="POST",
        path=f"{API}/memories",
        permission="write",
        handler=memories.create,
        summary="Store one memory, or a batch of them",
        takes=(into.MemoryInput, into.MemoryBatch),
        answers=(out.MemoryAnswer, out.BatchAnswer),
        status=201,
        errors=(*_WRITING, DuplicateMemory),
        repeatable=True,
        writes_memories=True,
    ),
    Endpoint(
        method="GET",
        path=f"{API}/memories",
        permission="read",
        handler=memories.list_all,
        summary="List memories, the newest first",
        query=into.ListQuery,
        answers=(out.MemoryListAnswer,),
        errors=(*_READING, InvalidCursor),
    ),
    Endpoint(
        method="GET",
        path=f"{API}/memories/{{id}}",
        permission="read",
        handler=memories.get,
        summary="Find a memory by its id, or by its dedup key within the dedup window",
        answers=(out.MemoryAnswer,),
        errors=(*_READING, NotFound),
    ),
    Endpoint(
        method="POST",
        path=f"{API}/search",
        permission="read",
        handler=memories.search,
        summary="Search memories by structure and substring",
        takes=(into.SearchInput,),
        answers=(out.SearchAnswer,),
        errors=(*_READING, InvalidCursor),
    ),
    Endpoint(
        method="POST",
        path=f"{API}/agents",
        permission="write",
        handler=agents.create,
        summary="Register an agent",
        takes=(into.AgentInput,),
        answers=(out.AgentAnswer,),
        status=201,
        errors=(AlreadyExists, IdempotencyConflict),
        repeatable=True,
    ),
    Endpoint(
        method="GET",
        path=f"{API}/agents",
        permission="read",
        handler=agents.list_all,
        summary="List the registered agents, the newest first",
        query=into.PageQuery,
        answers=(out.AgentListAnswer,),
        errors=(InvalidCursor,),
    ),
    Endpoint(
        method="GET",
        path=f"{API}/agents/{{id}}",
        permission="read",
        handler=agents.get,
        summary="Find a registered agent by its id or name",
        answers=(out.AgentAnswer,),
        errors=(NotFound,),
    ),
    Endpoint(
        method="DELETE",
        path=f"{API}/agents/{{id}}",
        permission="write",
        handler=agents.delete,
        summary="Forget a registered agent; its sessions and memories stay",
        status=204,
        errors=(NotFound,),
    ),
    Endpoint(
        method="GET",
        path=f"{API}/agents/{{id}}/memories",
        permission="read",
        handler=agents.memories,
        summary="List what was written under an agent's name or id; `since` defaults to 24h",
        query=into.ListQuery,
        answers=(out.MemoryListAnswer,),
        errors=(*_READING, InvalidCursor),
    ),
    Endpoint(
        method="GET",
        path=f"{API}/agents/{{id}}/stats",
        permission="read",
        handler=agents.stats,
        summary="Count what an agent did, registered or not",
        answers=(out.AgentStatsAnswer,),
        errors=(*_READING, InvalidRequest),
    ),
    Endpoint(
        method="POST",
        path=f"{API}/sessions",
        permission="write",
        handler=sessions.create,
        summary="Open a session",
        takes=(into.SessionInput,),
        answers=(out.SessionAnswer,),
        status=201,
        errors=(IdempotencyConflict,),
        repeatable=True,
    ),
    Endpoint(
        method="GET",
        path=f"{API}/sessions",
        permission="read",
        handler=sessions.list_all,
        summary="List sessions, the newest first",
        query=into.SessionQuery,
        answers=(out.SessionListAnswer,),
        errors=(InvalidCursor,),
    ),
    Endpoint(
        method="GET",
        path=f"{API}/sessions/{{id}}",
        permission="read",
        handler=sessions.get,
        summary="Find a session",
        answers=(out.SessionAnswer,),
        errors=(NotFound,),
    ),
    Endpoint(
        method="PUT",
        path=f"{API}/sessions/{{id}}",
        permission="write",
        handler=sessions.update,
        summary="Close or reopen a session, merge metadata into it",
        takes=(into.SessionUpdate,),
        answers=(out.SessionAnswer,),
        errors=(NotFound,),
    ),
    Endpoint(
        method="GET",
        path=f"{API}/sessions/{{id}}/memories",
        permission="read",
        handler=sessions.memories,
        summary="List a session's memories",
        query=into.ListQuery,
        answers=(out.MemoryListAnswer,),
        errors=(*_READING, InvalidCursor),
    ),
    Endpoint(
        method="POST",
        path=f"{API}/sessions/{{id}}/context",
        permission="read",
        handler=sessions.context,
        summary="Tell a language model what happened in a session, as markdown",
        takes=(into.ContextInput,),
        body_required=False,
        answers=(out.ContextAnswer,),
        errors=_READING,
    ),
    Endpoint(
        method="GET",
        path=f"{API}/me",
        permission="read",
        handler=probes.me,
        summary="Say whose key this is and what it may do",
        answers=(out.MeAnswer,),
    ),
    _probe("/health", probes.health, "Say how the service is", out.HealthAnswer, is_probe=True),
    _probe(
        "/ready",
        probes.ready,
        "Say whether every bound store answers",
        out.ReadyAnswer,
        also_with=503,
        is_probe=True,
    ),
    _probe("/livez", probes.live, "Say whether process and database work", out.LiveAnswer, is_probe=True),
    _probe("/metrics", probes.metrics, "Metrics in Prometheus' text form", media="text/plain", is_probe=True),
    _probe("/openapi.json", published.document, "This document"),
    _probe("/docs", published.page, "The operations as a page", media="text/html"),
)
