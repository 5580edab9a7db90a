"""The examples of the OpenAPI document, told to the service as one story: each request, and its answer."""

import json
import re
from dataclasses import replace
from urllib.parse import quote

import msgspec
import pytest

from core.ports import StoreHealth
from handlers.http.routes import ROUTES
from scripts.openapi.example import Example, in_query
from scripts.openapi.examples import STORY
from tests.api.described import OPERATIONS, faults, resolved
from tests.api.rig import Answer, Api, KnownKeys

ENDPOINTS = {endpoint.name: endpoint for endpoint in ROUTES}
_NAMES = (
    r"\b(?:mem|sess|agent|del)_[0-9a-f]{24}\b|\borg_(?:default|[0-9a-f]{24})\b"
    r'|(?<="next_cursor": ")[\w-]+(?=")'
)
_CHANGING = (
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\breq_[0-9a-f]{24}\b"
    r'|(?<="query_time_ms": )\d+|(?<="tokens": )\d+|(?<="bytes": )\d+|(?<=_seconds": )\d+\.\d'
    r'|(?<="uptime": ")\w+|(?<=": )\d+\.\d(?=\s*})'
)


class Cast:
    """Who is who: what an id or a cursor of the examples is in this run."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}

    def real(self, text: str) -> str:
        """A text of an example with the names of this run."""
        for told, real in self._real.items():
            text = text.replace(told, real)
        return text

    def assert_alike(self, told: object, real: object) -> None:
        """That both say the same, but for times and the like; and that one name there is one name here."""
        texts = [json.dumps(one, sort_keys=True, indent=1) for one in (told, real)]
        ours, theirs = (re.sub(f"{_NAMES}|{_CHANGING}", "*", text) for text in texts)
        assert ours == theirs
        for one, other in zip(*(re.findall(_NAMES, text) for text in texts), strict=True):
            assert self._real.setdefault(one, other) == other
        assert len(set(self._real.values())) == len(self._real)


async def tell(api: Api, cast: Cast, example: Example) -> Answer:
    """The example's request, with the names of this run."""
    endpoint = ENDPOINTS[example.operation]
    path = endpoint.path.format(**{n: quote(cast.real(v), safe="") for n, v in example.path.items()})
    body = None if example.body is None else cast.real(json.dumps(example.body)).encode()
    return await api.as_(example.key).send(
        endpoint.method,
        path,
        content=body,
        headers=example.headers,
        params={name: cast.real(in_query(value)) for name, value in example.query.items()},
    )


@pytest.fixture
async def stage(api: Api) -> Api:
    """One organization with a store that answers, and keys as in the story."""
    await api.services.tenants.unbind(api.other.id)
    await api.services.board.post_health([StoreHealth(api.org.id, True, api.services.clock.micros())])
    gate = api.doors.gate
    callers = {name: gate.peek(name) for name in ("full", "reader", "unbound")}
    known = {
        name: replace(caller, org_name="Default", key_name="crawler")
        for name, caller in callers.items()
        if caller is not None
    }
    return api.with_doors(gate=KnownKeys(known))


async def test_every_request_gets_the_answer_that_its_example_tells_of(stage: Api) -> None:
    cast = Cast()
    for example in STORY:
        answer = await tell(stage, cast, example)
        assert answer.status == example.status, (example.name, answer.content)
        if example.answer is not None:
            cast.assert_alike(example.answer, answer.json)


def test_every_operation_has_an_example_that_succeeds() -> None:
    succeeding = {e.operation for e in STORY if e.status == ENDPOINTS[e.operation].status}
    assert succeeding == set(ENDPOINTS) - {"console_file"}, "its files are found through the page"


def test_names_of_examples_are_unique_within_their_operation() -> None:
    assert len({(e.operation, e.name) for e in STORY}) == len(STORY)


def test_every_example_is_in_the_document_and_as_its_schema_says() -> None:
    for example in STORY:
        endpoint = ENDPOINTS[example.operation]
        operation = OPERATIONS[endpoint.method, endpoint.path]
        if example.answer is not None:
            media = operation["responses"][str(example.status)]["content"]["application/json"]
            assert media["examples"][example.name]["value"] == msgspec.to_builtins(example.answer)
            assert faults(example.answer, media["schema"]) == []
        if example.body is not None and example.status < 400:
            media = operation["requestBody"]["content"]["application/json"]
            assert media["examples"][example.name]["value"] == example.body
            assert faults(example.body, media["schema"]) == []


def test_every_example_of_a_parameter_is_as_its_schema_says() -> None:
    for operation in OPERATIONS.values():
        for parameter in map(resolved, operation["parameters"]):
            values = [one["value"] for one in parameter.get("examples", {}).values()]
            for value in [*values, *([parameter["example"]] if "example" in parameter else [])]:
                assert faults(value, parameter["schema"]) == [], parameter["name"]


def test_a_story_that_is_not_true_is_noticed() -> None:
    cast = Cast()
    cast.assert_alike({"id": "mem_" + "0" * 24, "n": 1}, {"id": "mem_" + "a" * 24, "n": 1})
    for real in ({"id": "mem_" + "b" * 24, "n": 1}, {"id": "mem_" + "a" * 24, "n": 2}):
        with pytest.raises(AssertionError):
            cast.assert_alike({"id": "mem_" + "0" * 24, "n": 1}, real)
