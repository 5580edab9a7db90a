"""The OpenAPI document says what the service does: no more, no less."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import msgspec
import openapi_spec_validator
import pytest
import yaml

from core.model.errors import MemtraceError
from handlers.http import published
from handlers.http.endpoint import Endpoint
from handlers.http.errors import status_of
from handlers.http.published import ASSETS
from handlers.http.routes import ROUTES
from scripts.openapi.prose import OPERATIONS as PROSE
from scripts.openapi.prose import WHEN
from scripts.openapi.written import ROOT, YAML, files
from tests.api.described import DOCUMENT, OPERATIONS, faults, resolved
from tests.api.rig import Api

NOT_ON_A_ROUTE = {"conflict"}
"""Codes of errors that only commands give."""

DECIDED_BY_PATH = {
    "/api/v1/agents/{id}/memories": {"agent_id"},
    "/api/v1/sessions/{id}/memories": {"session_id"},
}


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def described(endpoint: Endpoint) -> Any:
    return OPERATIONS[endpoint.method, endpoint.path]


def codes(endpoint: Endpoint) -> dict[int, set[str]]:
    """The codes that an operation is described to give, by status."""
    found: dict[int, set[str]] = {}
    for status, response in described(endpoint)["responses"].items():
        if int(status) >= 400:
            schema = resolved(response)["content"]["application/json"]["schema"]
            told = re.findall(r"'enum': \[([^\]]*)\]", str(schema))
            found[int(status)] = set(re.findall(r"\w+", told[-1]))
    return found


# --- the files


@pytest.mark.parametrize(("path", "content"), files().items(), ids=lambda x: getattr(x, "name", ""))
def test_the_files_are_what_the_code_makes(path: Any, content: str) -> None:
    assert path.read_text() == content, "run: python scripts/openapi_docs.py"


def test_the_document_is_valid_openapi() -> None:
    openapi_spec_validator.validate(DOCUMENT)
    assert DOCUMENT["openapi"].startswith("3.1.")


def test_the_yaml_holds_the_same_document() -> None:
    assert yaml.safe_load(YAML.read_text()) == DOCUMENT
    assert YAML == ROOT / "docs" / "openapi.yaml"


@pytest.mark.every_door
async def test_the_files_are_served_as_they_are(api: Api) -> None:
    for path, name in (("/openapi.json", "openapi.json"), ("/docs", "docs.html")):
        assert (await api.as_("").get(path)).content == (ASSETS / name).read_bytes()


# --- routes and errors


def test_every_route_is_described_and_nothing_else() -> None:
    assert set(OPERATIONS) == {(e.method, e.path) for e in ROUTES}
    assert [e.name for e in ROUTES if e.name not in PROSE] == []
    assert set(PROSE) == {e.name for e in ROUTES}


def test_operation_ids_are_unique() -> None:
    assert len({o["operationId"] for o in OPERATIONS.values()}) == len(OPERATIONS)


def test_the_permission_of_every_route_is_described() -> None:
    for endpoint in ROUTES:
        operation = described(endpoint)
        assert operation.get("x-permission") == endpoint.permission
        assert operation["security"] == ([{"ApiKey": []}, {"Bearer": []}] if endpoint.permission else [])
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}


def test_every_error_of_every_route_is_described_with_its_status() -> None:
    for endpoint in ROUTES:
        told = codes(endpoint)
        for error in endpoint.errors:
            assert error.code in told[status_of(error)], (named(endpoint), error.code)
        if endpoint.permission:
            for status, code in ((401, "unauthenticated"), (403, "forbidden"), (429, "rate_limited")):
                assert told[status] == {code}, named(endpoint)
        assert ("request_too_large" in told.get(413, ())) == bool(endpoint.takes)
        assert "internal_error" in told[500]


def every_error(root: type[MemtraceError]) -> set[type[MemtraceError]]:
    children = set(root.__subclasses__())
    return children.union(*(every_error(child) for child in children))


def test_every_code_is_given_by_some_route_and_has_its_status() -> None:
    given: dict[str, set[int]] = {}
    for endpoint in ROUTES:
        for status, words in codes(endpoint).items():
            for code in words:
                given.setdefault(code, set()).add(status)
    tree = {error.code: status_of(error) for error in every_error(MemtraceError)}
    assert {code: {status} for code, status in tree.items() if code not in NOT_ON_A_ROUTE} == given


def test_every_error_is_told_of_as_in_the_page_about_the_api() -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| [\d, ]+ \| (.*?) \| .*? \|$", page, re.MULTILINE))
    assert {code: rows[code] for code in WHEN} == dict(WHEN)


# --- parameters and headers


def parameters(operation: Any) -> list[Any]:
    return [resolved(parameter) for parameter in operation["parameters"]]


def test_the_parameters_of_every_path_and_query_are_described() -> None:
    for endpoint in ROUTES:
        told = parameters(described(endpoint))
        names = {(p["in"], p["name"]) for p in told if p["in"] != "header"}
        path = {("path", name) for name in re.findall(r"{(\w+)}", endpoint.path)}
        fields = {f.encode_name for f in msgspec.structs.fields(endpoint.query)} if endpoint.query else set()
        fields -= DECIDED_BY_PATH.get(endpoint.path, set())
        assert names == path | {("query", field) for field in fields}, named(endpoint)
        assert [p["name"] for p in told if not p["description"]] == [], named(endpoint)


def test_every_header_that_is_read_is_described_where_it_is_known() -> None:
    for endpoint in ROUTES:
        told = {p["name"] for p in parameters(described(endpoint)) if p["in"] == "header"}
        known = {"X-Request-ID"}
        known |= set() if endpoint.is_probe else {"X-Request-Timeout"}
        known |= {"Idempotency-Key"} if endpoint.repeatable else set()
        assert told == known, named(endpoint)


def test_every_answer_names_the_request_id_and_when_to_try_again() -> None:
    for endpoint in ROUTES:
        for status, response in described(endpoint)["responses"].items():
            headers = resolved(response)["headers"]
            assert "X-Request-ID" in headers
            assert ("Retry-After" in headers) == (int(status) in (429, 502, 503, 504)), status
            is_counted = endpoint.permission is not None and status not in ("401", "403")
            assert ("RateLimit" in headers) == is_counted, (named(endpoint), status)


def test_every_error_answer_has_the_one_shape() -> None:
    error = {"error": "x", "code": "x", "request_id": "x"}
    assert faults(error, {"$ref": "#/components/schemas/Error"}) == []
    for endpoint in ROUTES:
        for status, response in described(endpoint)["responses"].items():
            if int(status) >= 400:
                schema = resolved(response)["content"]["application/json"]["schema"]
                assert faults(error, schema), "a code that it does not give"
                assert not faults({**error, "code": min(codes(endpoint)[int(status)])}, schema)


# --- schemas


def test_every_reference_leads_somewhere_and_nothing_is_left_over() -> None:
    references = set(re.findall(r"'\$ref': '#/components/(\w+/\w+)'", str(DOCUMENT)))
    parts = {f"{kind}/{name}" for kind, named in DOCUMENT["components"].items() for name in named}
    assert references <= parts
    rest = {part for part in parts - references if not part.startswith(("securitySchemes/", "examples/"))}
    assert rest == set()


def test_every_body_and_its_fields_are_described() -> None:
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema["description"], name
        if name.endswith(("Request", "Query", "Options")):
            assert [field for field, part in schema["properties"].items() if "description" not in part] == []


def patterns(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (part for name, part in value.items() if name == "pattern" and isinstance(part, str))
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from patterns(part)


def test_patterns_are_such_as_every_engine_knows() -> None:
    found = set(patterns(DOCUMENT))
    assert len(found) > 5
    assert [one for one in found if "(?" in one or "\\u" in one] == [], "Go knows neither"


def test_the_schema_allows_what_the_decoder_takes() -> None:
    reference = {"$ref": "#/components/schemas/AddMemoryRequest"}
    least = {"agent_id": "a", "content": "x"}
    optional = set(DOCUMENT["components"]["schemas"]["AddMemoryRequest"]["properties"]) - set(least)
    for nothing in (None, ""):
        assert faults({**least, **dict.fromkeys(optional, nothing)}, reference) == []
    for field, value in (("agent_id", "1"), ("content", ""), ("importance", 2), ("tags", ["a b"])):
        assert faults({**least, field: value}, reference) != []
    assert faults({**least, "tags": ["t"] * 65}, reference) != []
    assert faults({**least, "from_a_newer_client": 1}, reference, strict=False) == []


async def test_nothing_of_it_is_read_before_somebody_asks(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "ASSETS", ROOT / "nowhere")
    published._asset.cache_clear()
    started = api.with_settings()
    assert (await started.get("/livez")).status == 200
    with pytest.raises(FileNotFoundError):
        published._asset("openapi.json")


def test_it_names_the_server_it_came_from_below_any_path() -> None:
    """Behind API Gateway that is a stage: what begins with a slash would leave it."""
    here = urljoin("https://api.example/live/openapi.json", DOCUMENT["servers"][0]["url"])
    assert here == "https://api.example/live/"
