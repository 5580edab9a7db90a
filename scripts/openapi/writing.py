"""Examples that write: an agent, a session, memories."""

from collections.abc import Mapping
from typing import Any, Final

from scripts.openapi.example import AGENT, FIRST, ORG, SECOND, SESSION, Example, error

REGISTERED: Final = {
    "id": AGENT,
    "org_id": ORG,
    "name": "crawler",
    "description": "compares prices",
    "config": {"pages": 2},
    "created_at": "2026-11-21T03:28:30.110123Z",
}
OPENED: Final = {
    "id": SESSION,
    "org_id": ORG,
    "agent_id": "crawler",
    "status": "active",
    "metadata": {"goal": "prices"},
    "created_at": "2026-11-21T03:28:31.146305Z",
    "updated_at": "2026-11-21T03:28:31.146305Z",
}
DECISION: Final = {
    "agent_id": "crawler",
    "session_id": SESSION,
    "memory_type": "decision",
    "event_type": "decision",
    "content": "Skip pagination: only 2 pages deep",
    "metadata": {"pages": 2},
    "tags": ["shop"],
    "importance": 0.8,
}
_LIMITED: Final = {
    "agent_id": "crawler",
    "session_id": SESSION,
    "event_type": "error",
    "content": "Rate limited by the API, backing off",
    "dedup_key": "crawl-7-limited",
}


def _stored(id: str, sent: Mapping[str, Any], time: str, dedup_key: str) -> dict[str, Any]:
    """A memory as it is answered."""
    kind = sent.get("memory_type", "episodic")
    return {"id": id, "time": time, "org_id": ORG, **sent, "memory_type": kind, "dedup_key": dedup_key}


DECIDED: Final = _stored(FIRST, DECISION, "2026-11-21T03:28:31.948506Z", "f54d22b73eabc2692494d806654df780")
WAS_LIMITED: Final = _stored(SECOND, _LIMITED, "2026-11-21T03:28:32.021977Z", "crawl-7-limited")
_ADD_ARC: Final = "ask an admin to run `memtrace org add-arc org_5d41402abc4b2a76b9719d91`"
_OPENING: Final = {"Idempotency-Key": "crawl-7"}

WRITING: Final = (
    Example(
        operation="agents_create",
        name="agent",
        summary="An agent with a configuration",
        body={"name": "crawler", "description": "compares prices", "config": {"pages": 2}},
        status=201,
        answer=REGISTERED,
    ),
    Example(
        operation="agents_create",
        name="name_taken",
        summary="A name that is taken",
        body={"name": "crawler"},
        status=409,
        answer=error("agent 'crawler' already exists in this organization", "already_exists"),
    ),
    Example(
        operation="sessions_create",
        name="session",
        summary="A session with a goal, safe to repeat",
        headers=_OPENING,
        body={"agent_id": "crawler", "metadata": {"goal": "prices"}},
        status=201,
        answer=OPENED,
    ),
    Example(
        operation="sessions_create",
        name="repeated",
        summary="The same request again: the same answer, and no second session",
        headers=_OPENING,
        body={"agent_id": "crawler", "metadata": {"goal": "prices"}},
        status=201,
        answer=OPENED,
    ),
    Example(
        operation="sessions_create",
        name="another_body",
        summary="The same Idempotency-Key for something else",
        headers=_OPENING,
        body={"agent_id": "crawler"},
        status=409,
        answer=error(
            "This Idempotency-Key was used with a different body.",
            "idempotency_conflict",
            hint="use a new Idempotency-Key for a new request",
        ),
    ),
    Example(
        operation="memories_create",
        name="memory",
        summary="One memory",
        body=DECISION,
        status=201,
        answer=DECIDED,
    ),
    Example(
        operation="memories_create",
        name="duplicate",
        summary="The same memory again",
        body={
            "agent_id": "crawler",
            "event_type": "decision",
            "content": "Skip pagination: only 2 pages deep",
        },
        status=409,
        answer=error("duplicate memory", "duplicate_memory", id=FIRST),
    ),
    Example(
        operation="memories_create",
        name="batch",
        summary="A batch, one of which is there already",
        body={"memories": [_LIMITED, DECISION]},
        status=201,
        answer={
            "memories": [WAS_LIMITED],
            "count": 1,
            "duplicates": 1,
            "results": [{"status": "created", "id": SECOND}, {"status": "duplicate", "id": FIRST}],
        },
    ),
    Example(
        operation="memories_create",
        name="wrong_field",
        summary="A batch whose second memory is wrong: none is stored",
        body={"memories": [{"agent_id": "crawler", "content": "a"}, {"agent_id": "7", "content": "b"}]},
        status=400,
        answer=error(
            "memories[1].agent_id must be a letter and up to 127 more letters, digits, `_` or `-`",
            "invalid_request",
            field="memories[1].agent_id",
            index=1,
        ),
    ),
    Example(
        operation="memories_create",
        name="no_permission",
        summary="With a key that may only read",
        key="reader",
        body={"agent_id": "crawler", "content": "Found 3 products"},
        status=403,
        answer=error(
            "this API key lacks the permission `write`",
            "forbidden",
            hint="ask an admin for a key made with `--permissions`",
        ),
    ),
    Example(
        operation="memories_create",
        name="no_store",
        summary="In an organization without a store",
        key="unbound",
        body={"agent_id": "crawler", "content": "Found 3 products"},
        status=503,
        answer=error("no arc instance configured for this org", "no_arc_instance", hint=_ADD_ARC),
    ),
    Example(
        operation="sessions_update",
        name="closed",
        summary="Close it, and note what came of it",
        path={"id": SESSION},
        body={"status": "closed", "metadata": {"found": 3}},
        status=200,
        answer={
            **OPENED,
            "status": "closed",
            "metadata": {"goal": "prices", "found": 3},
            "updated_at": "2026-11-21T03:30:07.482915Z",
            "closed_at": "2026-11-21T03:30:07.482915Z",
        },
    ),
)
