"""Examples that read what the ones before have written."""

from typing import Any, Final

from scripts.openapi.example import CURSOR, ORG, SESSION, Example, error
from scripts.openapi.writing import DECIDED, OPENED, REGISTERED, WAS_LIMITED

_CLOSED: Final = {
    **OPENED,
    "status": "closed",
    "metadata": {"goal": "prices", "found": 3},
    "updated_at": "2026-11-21T03:30:07.482915Z",
    "closed_at": "2026-11-21T03:30:07.482915Z",
}
_CONTEXT: Final = f"""\
## Session Context ({SESSION})

### Decisions Made (1)
- [2026-11-21T03:28:31Z] decision: Skip pagination: only 2 pages deep

### Errors (1)
- [2026-11-21T03:28:32Z] error: Rate limited by the API, backing off
"""


def _page(*memories: Any) -> dict[str, Any]:
    return {"memories": [*memories], "count": len(memories), "has_more": False}


READING: Final = (
    Example(
        operation="memories_list_all",
        name="first_page",
        summary="The newest memory of an agent",
        query={"agent_id": "crawler", "limit": 1},
        status=200,
        answer={"memories": [WAS_LIMITED], "count": 1, "has_more": True, "next_cursor": CURSOR},
    ),
    Example(
        operation="memories_list_all",
        name="next_page",
        summary="The page after it",
        query={"agent_id": "crawler", "limit": 1, "cursor": CURSOR},
        status=200,
        answer=_page(DECIDED),
    ),
    Example(
        operation="memories_list_all",
        name="broken_cursor",
        summary="A cursor that was cut",
        query={"cursor": "ry_l7JOk"},
        status=400,
        answer=error(
            "The cursor is not one that this service made for this order.",
            "invalid_cursor",
            hint="start again without a cursor",
        ),
    ),
    Example(
        operation="memories_list_all",
        name="wrong_time",
        summary="A time that is none",
        query={"since": "yesterday"},
        status=400,
        answer=error(
            "since is not a time",
            "invalid_request",
            field="since",
            hint="use a relative time such as 30m, 2h or 7d, or ISO 8601 such as 2026-02-07T20:15:00Z",
        ),
    ),
    Example(
        operation="memories_get",
        name="by_id",
        summary="By its id",
        path={"id": DECIDED["id"]},
        status=200,
        answer=DECIDED,
    ),
    Example(
        operation="memories_get",
        name="by_dedup_key",
        summary="By its dedup key",
        path={"id": "crawl-7-limited"},
        status=200,
        answer=WAS_LIMITED,
    ),
    Example(
        operation="memories_get",
        name="unknown",
        summary="One that is not there",
        path={"id": "crawl-8-limited"},
        status=404,
        answer=error("memory not found", "not_found"),
    ),
    Example(
        operation="memories_search",
        name="decisions_of_a_day",
        summary="The important decisions of the last day that mention something",
        body={
            "memory_types": ["decision"],
            "content_contains": "pagination",
            "min_importance": 0.5,
            "since": "24h",
        },
        status=200,
        answer={"results": [DECIDED], "count": 1, "query_time_ms": 3, "has_more": False},
    ),
    Example(
        operation="agents_list_all",
        name="agents",
        summary="The newest agents",
        query={"limit": 10},
        status=200,
        answer={"agents": [REGISTERED], "count": 1, "has_more": False},
    ),
    Example(
        operation="agents_get",
        name="by_name",
        summary="By its name",
        path={"id": "crawler"},
        status=200,
        answer=REGISTERED,
    ),
    Example(
        operation="agents_get",
        name="unknown",
        summary="One that nobody registered",
        path={"id": "stranger"},
        status=404,
        answer=error("agent not found", "not_found"),
    ),
    Example(
        operation="agents_memories",
        name="errors",
        summary="What went wrong in the last hour",
        path={"id": "crawler"},
        query={"event_type": "error", "since": "1h"},
        status=200,
        answer=_page(WAS_LIMITED),
    ),
    Example(
        operation="agents_stats",
        name="stats",
        summary="By its name",
        path={"id": "crawler"},
        status=200,
        answer={
            "agent_id": REGISTERED["id"],
            "memory_count": 2,
            "memories_24h": 2,
            "errors_24h": 1,
            "session_count": 1,
            "active_sessions": 0,
            "last_active_at": "2026-11-21T03:28:32.021977Z",
            "memory_types": {"decision": 1, "episodic": 1},
        },
    ),
    Example(
        operation="sessions_list_all",
        name="closed",
        summary="The sessions of an agent that are closed",
        query={"agent_id": "crawler", "status": "closed"},
        status=200,
        answer={"sessions": [_CLOSED], "count": 1, "has_more": False},
    ),
    Example(
        operation="sessions_get",
        name="session",
        summary="By its id",
        path={"id": SESSION},
        status=200,
        answer=_CLOSED,
    ),
    Example(
        operation="sessions_memories",
        name="tagged",
        summary="Those with a tag, the oldest first",
        path={"id": SESSION},
        query={"tags": "shop", "order": "asc"},
        status=200,
        answer=_page(DECIDED),
    ),
    Example(
        operation="sessions_context",
        name="context",
        summary="Within 500 tokens",
        path={"id": SESSION},
        body={"since": "2h", "max_tokens": 500},
        status=200,
        answer={
            "session_id": SESSION,
            "context": _CONTEXT,
            "memory_count": 2,
            "omitted": 0,
            "truncated": False,
            "tokens": 139,
        },
    ),
    Example(
        operation="journal_get",
        name="owing",
        summary="Two memories wait for the store",
        status=200,
        answer={
            "org_id": ORG,
            "owed": 2,
            "delivered": 0,
            "dead": 0,
            "bytes": 617,
            "claims": 2,
            "oldest_owed": "2026-11-21T03:28:31.948506Z",
            "oldest_owed_seconds": 4.2,
            "store": {"answers": True, "age_seconds": 6.5},
        },
    ),
    Example(
        operation="journal_dead_letters",
        name="none",
        summary="Nothing died",
        query={"limit": 10},
        status=200,
        answer={"dead_letters": [], "count": 0, "has_more": False},
    ),
    Example(
        operation="probes_me",
        name="key",
        summary="A key that may read and write",
        status=200,
        answer={
            "org_id": ORG,
            "org_name": "Default",
            "key_name": "crawler",
            "permissions": ["read", "write"],
            "has_binding": True,
        },
    ),
    Example(
        operation="probes_me",
        name="no_key",
        summary="Without a key",
        key="",
        status=401,
        answer=error(
            "missing API key",
            "unauthenticated",
            hint="send the key as `x-api-key: mtk_…` or `Authorization: Bearer mtk_…`",
        ),
    ),
    Example(
        operation="probes_health",
        name="healthy",
        summary="One organization, whose store answered six seconds ago",
        key="",
        status=200,
        answer={
            "status": "ok",
            "service": "memtrace",
            "uptime": "2h30m15s",
            "arc": {ORG: True},
            "arc_age_seconds": {ORG: 6.5},
        },
    ),
    Example(
        operation="probes_ready",
        name="ready",
        summary="Every store answers",
        key="",
        status=200,
        answer={"status": "ready", "arc": {ORG: True}, "arc_age_seconds": {ORG: 6.5}},
    ),
    Example(
        operation="probes_live",
        name="alive",
        summary="They work",
        key="",
        status=200,
        answer={"status": "alive"},
    ),
    Example(operation="probes_metrics", name="metrics", summary="The metrics", key="", status=200),
    Example(operation="published_document", name="document", summary="This document", key="", status=200),
    Example(operation="published_page", name="page", summary="The page", key="", status=200),
    Example(operation="console_page", name="page", summary="The page", key="", status=200),
    Example(operation="console_way_home", name="slash", summary="With a slash", key="", status=308),
    Example(
        operation="console_file",
        name="old_file",
        summary="A file of a version that is gone",
        path={"version": "0123456789abcdef", "name": "main.js"},
        key="",
        status=404,
        answer=error(
            "no such file of the console",
            "not_found",
            hint="reload the page: it may be of another version",
        ),
    ),
)
