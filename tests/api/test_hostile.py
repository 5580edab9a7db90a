"""Hostile text wherever text may go: an answer or a refusal, never a fault, never another's memories."""

import re
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from handlers.http.routes import ROUTES
from tests.api.rig import Api

TEXTS = [
    "' OR '1'='1", "'; DROP TABLE memories; --", "\\", "%", "_", "\x00", "\n", "\r\nX: y", "🙂", "\u2028",
    "a" * 5_000, "../../etc/passwd", "{{7*7}}", "<script>", "$ne", "null", "-1", "1e999", "0x10", "٣",
    "\ufeff", "mem_00000000000000000000000g", "NaN", "&", "=", "?", "#", "/",
]  # fmt: skip
PARAMETERS = (
    "agent_id", "session_id", "memory_type", "event_type", "tags", "since", "until",
    "limit", "offset", "order", "cursor", "status",
)  # fmt: skip
FIELDS = (
    "agent_id", "session_id", "memory_type", "event_type", "content", "tags", "metadata", "importance",
    "dedup_key", "parent_id", "memories", "name", "description", "config", "status", "since", "until",
    "include_types", "max_tokens", "memory_types", "event_types", "content_contains", "min_importance",
    "limit", "order", "cursor",
)  # fmt: skip
KINDS: list[Any] = [True, 0, -1, 10**40, 1.5, [], {}, [None], [[]], {"": None}, "", None, "x"]
GIVEN = {"agent_id": "a", "name": "n", "content": "x"}


@pytest.fixture
async def watched(api: Api) -> Api:
    """An API in which another org has a memory that nobody else may see."""
    await api.as_("other").remember("their secret", session_id="s", dedup_key="theirs")
    return api


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
async def test_in_paths_and_parameters(watched: Api, text: str) -> None:
    encoded = quote(text, safe="")
    for endpoint in ROUTES:
        path = re.sub(r"{\w+}", encoded, endpoint.path)
        for query in ("", *(f"?{name}={encoded}" for name in PARAMETERS if endpoint.query)):
            answer = await watched.send(endpoint.method, path + query)
            assert answer.status < 500 or endpoint.is_probe, (path, query, answer.content)
            assert b"their secret" not in answer.content


@pytest.mark.parametrize("endpoint", [e for e in ROUTES if e.takes], ids=lambda e: f"{e.method} {e.path}")
async def test_in_bodies(watched: Api, endpoint: Any) -> None:
    path = re.sub(r"{\w+}", "s", endpoint.path)
    for field in FIELDS:
        for value in (*TEXTS, *KINDS):
            body = msgspec.json.encode({**GIVEN, field: value})
            answer = await watched.send(endpoint.method, path, content=body)
            assert answer.status < 500, (body, answer.content)
            assert b"their secret" not in answer.content
