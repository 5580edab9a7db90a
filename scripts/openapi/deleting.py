"""Examples that delete what the ones before have written and read."""

from typing import Any, Final

from scripts.openapi.example import DELETED, EMPTIED, FIRST, ORG, SESSION, Example, error

_ASKED: Final = "2026-11-21T03:40:32.146305Z"
_RECEIPT: Final[dict[str, Any]] = {
    "deletion_id": DELETED,
    "org_id": ORG,
    "requested_at": _ASKED,
    "state": "pending",
    "memory_id": FIRST,
    "removed": {"journal": 1, "store": 0},
    "remains": [
        {
            "where": "event store",
            "until": None,
            "why": "it is removed as soon as the flusher comes to it; no read shows it meanwhile",
        },
        {
            "where": "journal's log",
            "until": None,
            "why": "the log is emptied within seconds, once no read under way needs it",
        },
        {
            "where": "dedup claims",
            "until": "2026-11-22T03:40:32.146305Z",
            "why": "16 bytes of a digest of each dedup key of the window, so that a late retry stores nothing"
            " again",
        },
        {
            "where": "backups and exports",
            "until": None,
            "why": f"those made before {_ASKED} are not ours to reach",
        },
    ],
}
_OF_SESSION: Final = {
    **{name: part for name, part in _RECEIPT.items() if name != "memory_id"},
    "deletion_id": EMPTIED,
    "session_id": SESSION,
    "before": _ASKED,
}

DELETING: Final = (
    Example(
        operation="deletions_memory",
        name="memory",
        summary="By its id",
        path={"id": FIRST},
        status=200,
        answer=_RECEIPT,
    ),
    Example(
        operation="deletions_memory",
        name="again",
        summary="Sent again",
        path={"id": FIRST},
        status=404,
        answer=error("memory not found", "not_found"),
    ),
    Example(
        operation="deletions_get",
        name="receipt",
        summary="By the id of its receipt",
        path={"id": DELETED},
        status=200,
        answer=_RECEIPT,
    ),
    Example(
        operation="deletions_session",
        name="with_memories",
        summary="With all that was written in it",
        path={"id": SESSION},
        query={"memories": True},
        status=200,
        answer={"session_id": SESSION, "had_record": True, "memories": _OF_SESSION},
    ),
    Example(
        operation="deletions_list_all",
        name="deletions",
        summary="The newest",
        query={"limit": 1},
        status=200,
        answer={"deletions": [_OF_SESSION], "count": 1, "has_more": True},
    ),
    Example(
        operation="agents_delete",
        name="agent",
        summary="By its name",
        path={"id": "crawler"},
        status=204,
    ),
)
