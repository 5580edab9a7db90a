"""Walks the table of routes: keys, permissions, broken bodies, and the shape of what goes wrong."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from handlers.http.app import create_app
from handlers.http.endpoint import Endpoint
from handlers.http.routes import ROUTES
from tests.api.raw import exchanged
from tests.api.rig import Api, assert_error

GUARDED = [e for e in ROUTES if e.permission]
OPEN = [e for e in ROUTES if not e.permission]
WITH_BODY = [e for e in ROUTES if e.takes]
BROKEN = {
    "truncated": b'{"agent_id":"a","content":"x',
    "not JSON": b"agent_id=a&content=x",
    "a list": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "a number": b"1e999",
    "not UTF-8": b'{"agent_id":"a","content":"\xff","name":"\xc3\x28"}',
    "not UTF-8 in a field that nobody reads": b'{"agent_id":"a","name":"n","content":"x","z":"\xff"}',
    "UTF-16": '{"agent_id":"a"}'.encode("utf-16"),
    "a lone surrogate": b'{"agent_id":"a","name":"n","content":"\\ud800"}',
    "an encoded surrogate": b'{"agent_id":"a","content":"\xed\xa0\x80"}',
    "nested too deeply": b'{"z":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "never closed": b"[" * 100_000,
    "two values": b'{"agent_id":"a","name":"n","content":"x"} {}',
    "a comment": b'{"agent_id":"a" /* me */}',
    "NaN": b'{"agent_id":"a","name":"n","content":"x","z":NaN}',
    "a control character": b'{"agent_id":"a","name":"n\x01","content":"x\n"}',
    "a byte order mark": b'\xef\xbb\xbf{"agent_id":"a","name":"n","content":"x"}',
}


def named(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


def path_of(endpoint: Endpoint) -> str:
    return re.sub(r"{\w+}", "something", endpoint.path)


def test_names_and_places_are_unique() -> None:
    assert len({e.name for e in ROUTES}) == len(ROUTES)
    assert len({(e.method, e.path) for e in ROUTES}) == len(ROUTES)


def test_what_needs_no_key_is_known_by_heart() -> None:
    assert {e.path for e in OPEN} == {
        "/health", "/ready", "/livez", "/metrics", "/openapi.json", "/docs",
        "/console", "/console/", "/console/{version}/{name}",
    }  # fmt: skip


def test_reads_need_read_and_everything_else_write() -> None:
    posts_that_read = {"/api/v1/search", "/api/v1/sessions/{id}/context"}
    for endpoint in GUARDED:
        reads = endpoint.method == "GET" or endpoint.path in posts_that_read
        assert endpoint.permission == ("read" if reads else "write"), named(endpoint)


@pytest.mark.every_door
async def test_without_a_key_nothing_is_answered(api: Api) -> None:
    for endpoint in GUARDED:
        answer = await api.as_("").send(endpoint.method, path_of(endpoint))
        body = assert_error(answer, 401, "unauthenticated", "missing API key")
        assert "x-api-key" in body["hint"]


async def test_with_an_unknown_key_nothing_is_answered(api: Api) -> None:
    for endpoint in GUARDED:
        answer = await api.as_("nobody").send(endpoint.method, path_of(endpoint))
        assert_error(answer, 401, "unauthenticated", "invalid API key")


async def test_a_key_without_the_permission_is_refused(api: Api) -> None:
    for endpoint in GUARDED:
        lacking = "writer" if endpoint.permission == "read" else "reader"
        answer = await api.as_(lacking).send(endpoint.method, path_of(endpoint))
        assert_error(answer, 403, "forbidden", f"`{endpoint.permission}`")


async def test_a_key_with_the_permission_or_admin_is_let_in(api: Api) -> None:
    for endpoint in GUARDED:
        having = "reader" if endpoint.permission == "read" else "writer"
        for key in (having, "admin"):
            answer = await api.as_(key).send(endpoint.method, path_of(endpoint))
            assert answer.status not in (401, 403, 500), (named(endpoint), answer.content)


@pytest.mark.every_door
async def test_probes_and_documents_need_no_key(api: Api) -> None:
    for endpoint in OPEN:
        answer = await api.as_("").send(endpoint.method, endpoint.path)
        assert answer.status in (endpoint.status, 404 if "{" in endpoint.path else 503), named(endpoint)
        if answer.status != 404:
            assert answer.headers["content-type"].startswith(endpoint.media)


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_broken_body_is_refused_on_every_route(api: Api, kind: str) -> None:
    for endpoint in WITH_BODY:
        answer = await api.send(endpoint.method, path_of(endpoint), content=BROKEN[kind])
        assert_error(answer, 400, "invalid_request")


async def test_a_missing_body_is_refused_where_one_is_needed(api: Api) -> None:
    for endpoint in WITH_BODY:
        answer = await api.send(endpoint.method, path_of(endpoint), content=b"")
        if endpoint.body_required:
            assert_error(answer, 400, "invalid_request")
        else:
            assert answer.status == 200, named(endpoint)


async def test_the_key_may_come_as_a_bearer_token(api: Api) -> None:
    stranger = api.as_("")
    for value in ("Bearer full", "bearer  full ", "BEARER full"):
        assert (await stranger.send("GET", "/api/v1/me", headers={"Authorization": value})).status == 200
    for value in ("Basic full", "full", "Bearer", "Bearer "):
        answer = await stranger.send("GET", "/api/v1/me", headers={"Authorization": value})
        assert_error(answer, 401, "unauthenticated", "missing API key")


@pytest.mark.parametrize("value", [" full", "full ", " full\t"])
async def test_spaces_around_a_key_are_no_part_of_it(api: Api, value: str) -> None:
    wire = await exchanged(api.app, "GET", "/api/v1/me", headers={"x-api-key": value})
    assert wire.answer.status == 200


async def test_a_blank_key_counts_as_none(api: Api) -> None:
    headers = {"x-api-key": "  ", "authorization": "Bearer full"}
    assert (await exchanged(api.app, "GET", "/api/v1/me", headers=headers)).answer.status == 200


async def test_the_header_of_its_own_wins_over_the_bearer_token(api: Api) -> None:
    answer = await api.as_("").send(
        "GET", "/api/v1/me", headers={"Authorization": "Bearer full", "x-api-key": "nobody"}
    )
    assert_error(answer, 401, "unauthenticated", "invalid API key")


async def test_me_says_whose_key_it_is(api: Api) -> None:
    assert (await api.as_("reader").get("/api/v1/me")).json == {
        "org_id": api.org.id,
        "org_name": "A",
        "key_name": "test",
        "permissions": ["read"],
        "has_binding": True,
    }
    assert (await api.as_("unbound").get("/api/v1/me")).json["has_binding"] is False


async def test_real_keys_open_the_same_doors(api: Api) -> None:
    made = await api.services.tenants.create_key(
        api.org.id,
        name="real",
        permissions=frozenset({"read"}),
        expires_at=datetime.now(UTC) + timedelta(hours=2),
    )
    real = replace(api, app=create_app(api.services), key=made.plain)
    me = (await real.get("/api/v1/me")).json
    assert (me["org_id"], me["key_name"]) == (api.org.id, "real")
    assert me["expires_at"].endswith("Z")
    assert_error(await real.post("/api/v1/memories", {"agent_id": "a", "content": "x"}), 403, "forbidden")
    assert_error(await real.as_(made.plain[:-1] + "x").get("/api/v1/me"), 401, "unauthenticated")
