"""The OpenAPI document says what the service does: no more, no less."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

import pytest

from handlers.http.openapi import document_of
from handlers.http.routes import ROUTES
from tests.api.rig import Answer, Api
from tests.api.schema import Schemas

DOCUMENT = document_of(ROUTES)
OPERATIONS = {
    (method.upper(), path): operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}


def assert_documented(answer: Answer, method: str, path: str) -> None:
    """That the answer's status, type, headers and body are those of the document."""
    described = OPERATIONS[method, path]["responses"][str(answer.status)]
    if not described.get("content"):
        assert answer.content == b""
        return
    ((media, content),) = described["content"].items()
    assert answer.headers["content-type"].startswith(media)
    if media == "application/json":
        assert Schemas(DOCUMENT).faults(answer.json, content["schema"]) == []
    if "retry-after" in answer.headers:
        assert "Retry-After" in described["headers"]


async def test_the_document_is_served_as_it_is_made(api: Api) -> None:
    assert (await api.as_("").get("/openapi.json")).json == DOCUMENT


def test_every_route_is_documented_and_nothing_else() -> None:
    assert set(OPERATIONS) == {(e.method, e.path) for e in ROUTES}


def test_the_permission_of_every_route_is_documented() -> None:
    for endpoint in ROUTES:
        operation = OPERATIONS[endpoint.method, endpoint.path]
        assert operation.get("x-permission") == endpoint.permission
        assert bool(operation["security"]) == (endpoint.permission is not None)


def test_the_parameters_of_every_path_are_documented() -> None:
    for (_, path), operation in OPERATIONS.items():
        named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))


def test_idempotency_keys_are_documented_where_they_are_known() -> None:
    knowing = {
        p for (_, p), o in OPERATIONS.items() for x in o["parameters"] if x["name"] == "Idempotency-Key"
    }
    assert knowing == {"/api/v1/memories", "/api/v1/agents", "/api/v1/sessions"}


def test_every_answer_names_the_request_id() -> None:
    for operation in OPERATIONS.values():
        assert all("X-Request-ID" in r["headers"] for r in operation["responses"].values())


def test_every_error_answer_has_the_one_shape() -> None:
    for operation in OPERATIONS.values():
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert {"$ref": "#/components/schemas/ErrorAnswer"} in schema.get("oneOf", [schema])


def test_every_reference_leads_somewhere() -> None:
    references = set(re.findall(r"#/components/schemas/(\w+)", str(DOCUMENT)))
    assert references == set(DOCUMENT["components"]["schemas"])


def test_operation_ids_are_unique() -> None:
    assert len({o["operationId"] for o in OPERATIONS.values()}) == len(OPERATIONS)


MEMORY = {
    "agent_id": "a", "session_id": "s", "content": "x", "metadata": {"k": [1]},
    "tags": ["t"], "importance": 0.5, "parent_id": "p",
}  # fmt: skip
CALLS: Sequence[tuple[str, str, Any, str]] = [
    ("POST", "/api/v1/memories", {**MEMORY, "content": "z"}, ""),
    ("POST", "/api/v1/memories", {"memories": [MEMORY, {"agent_id": "a", "content": "y"}]}, ""),
    ("POST", "/api/v1/memories", MEMORY, ""),
    ("POST", "/api/v1/memories", {"memories": [{"agent_id": "a", "content": ""}]}, ""),
    ("GET", "/api/v1/memories", None, "?limit=1"),
    ("GET", "/api/v1/memories", None, "?limit=0"),
    ("GET", "/api/v1/memories/{id}", None, "key"),
    ("GET", "/api/v1/memories/{id}", None, "none"),
    ("POST", "/api/v1/search", {"limit": 1}, ""),
    ("POST", "/api/v1/search", {"limit": 0}, ""),
    ("POST", "/api/v1/agents", {"name": "b", "description": "d", "config": {"x": 1}}, ""),
    ("POST", "/api/v1/agents", {"name": "a"}, ""),
    ("POST", "/api/v1/agents", {"name": "a"}, ""),
    ("GET", "/api/v1/agents", None, "?limit=1"),
    ("GET", "/api/v1/agents/{id}", None, "a"),
    ("GET", "/api/v1/agents/{id}", None, "none"),
    ("GET", "/api/v1/agents/{id}/memories", None, "a"),
    ("GET", "/api/v1/agents/{id}/stats", None, "a"),
    ("GET", "/api/v1/agents/{id}/stats", None, "no%20id"),
    ("DELETE", "/api/v1/agents/{id}", None, "a"),
    ("POST", "/api/v1/sessions", {"agent_id": "a", "metadata": {"x": 1}}, ""),
    ("GET", "/api/v1/sessions", None, "?limit=1"),
    ("GET", "/api/v1/sessions/{id}", None, "none"),
    ("PUT", "/api/v1/sessions/{id}", {"status": "closed"}, "none"),
    ("GET", "/api/v1/sessions/{id}/memories", None, "s"),
    ("GET", "/api/v1/sessions/{id}/memories", None, "no%20id"),
    ("POST", "/api/v1/sessions/{id}/context", {}, "s"),
    ("DELETE", "/api/v1/memories/{id}", None, "key"),
    ("DELETE", "/api/v1/memories/{id}", None, "key"),
    ("DELETE", "/api/v1/sessions/{id}", None, "s?memories=true"),
    ("DELETE", "/api/v1/sessions/{id}", None, "s"),
    ("GET", "/api/v1/deletions", None, "?limit=1"),
    ("GET", "/api/v1/deletions/{id}", None, "none"),
    ("GET", "/api/v1/me", None, ""),
    ("GET", "/health", None, ""),
    ("GET", "/ready", None, ""),
    ("GET", "/livez", None, ""),
    ("GET", "/metrics", None, ""),
    ("GET", "/openapi.json", None, ""),
    ("GET", "/docs", None, ""),
    ("GET", "/api/v1/journal", None, ""),
    ("GET", "/api/v1/dead-letters", None, "?limit=1"),
    ("GET", "/api/v1/dead-letters", None, "?limit=0"),
    ("GET", "/console", None, ""),
    ("GET", "/console/", None, ""),
    ("GET", "/console/{version}/{name}", None, "none"),
]


async def test_real_answers_are_as_documented(api: Api) -> None:
    await api.remember("found by its key", dedup_key="key")
    for method, path, body, rest in CALLS:
        url = re.sub(r"{\w+}", rest, path) if "{" in path else path + rest
        assert_documented(await api.send(method, url, body), method, path)
    session = (await api.post("/api/v1/sessions", {"agent_id": "a"})).json["id"]
    for method, change in (("GET", None), ("PUT", {"status": "closed"})):
        answer = await api.send(method, f"/api/v1/sessions/{session}", change)
        assert_documented(answer, method, "/api/v1/sessions/{id}")


def test_every_operation_is_called_by_the_test_above() -> None:
    assert {(method, path) for method, path, *_ in CALLS} == set(OPERATIONS)


@pytest.mark.parametrize(("key", "status"), [("", 401), ("nobody", 401), ("unbound", 503)])
async def test_refusals_are_as_documented(api: Api, key: str, status: int) -> None:
    for method, path in (("GET", "/api/v1/memories"), ("GET", "/api/v1/memories/{id}")):
        answer = await api.as_(key).send(method, path.replace("{id}", "x"))
        assert answer.status == status
        assert_documented(answer, method, path)


def test_the_schema_allows_what_the_decoder_takes() -> None:
    schemas = Schemas(DOCUMENT)
    optional = ("session_id", "memory_type", "event_type", "metadata", "tags", "importance", "parent_id")
    reference = {"$ref": "#/components/schemas/MemoryInput"}
    for nothing in (None, ""):
        memory = {"agent_id": "a", "content": "x", **dict.fromkeys(optional, nothing)}
        assert schemas.faults(memory, reference) == []
    for field, value in (("agent_id", "1"), ("content", ""), ("importance", 2), ("tags", ["a b"])):
        assert schemas.faults({"agent_id": "a", "content": "x", field: value}, reference) != []


class _Page(HTMLParser):
    """Collects what the page refers to and what it says."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        assert tag != "script"

    def handle_data(self, data: str) -> None:
        self.text += data


async def test_the_page_lists_every_operation_and_loads_nothing(api: Api) -> None:
    answer = await api.as_("").get("/docs")
    page = _Page(answer.content.decode())
    assert page.references == ["openapi.json"]
    for endpoint in ROUTES:
        assert f"{endpoint.method}{endpoint.path}" in page.text
        assert endpoint.summary in page.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
