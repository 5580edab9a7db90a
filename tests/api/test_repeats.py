"""Idempotency-Key on everything that creates."""

import asyncio
from typing import Any

import pytest

from handlers.http.repeats import Repeats
from tests.api.rig import Api, assert_error

CREATING: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/memories", {"agent_id": "a", "content": "x"}),
    ("/api/v1/memories", {"memories": [{"agent_id": "a", "content": c} for c in "xyx"]}),
    ("/api/v1/agents", {"name": "crawler"}),
    ("/api/v1/sessions", {"agent_id": "a"}),
]
IDS = ["memory", "batch", "agent", "session"]


@pytest.mark.parametrize(("url", "body"), CREATING, ids=IDS)
async def test_the_same_request_again_gets_the_same_answer(api: Api, url: str, body: Any) -> None:
    first, again = [await api.post(url, body, Idempotency_Key="once") for _ in range(2)]
    assert (again.status, again.content) == (first.status, first.content)
    assert first.status == 201


@pytest.mark.parametrize(("url", "body"), CREATING, ids=IDS)
async def test_the_same_key_with_another_body_is_a_conflict(api: Api, url: str, body: Any) -> None:
    await api.post(url, body, Idempotency_Key="once")
    answer = await api.post(url, {**body, "extra": 1}, Idempotency_Key="once")
    assert_error(answer, 409, "idempotency_conflict")


@pytest.mark.every_door
@pytest.mark.parametrize(("url", "body"), CREATING, ids=IDS)
async def test_at_once_they_are_one(api: Api, url: str, body: Any) -> None:
    answers = await asyncio.gather(*(api.post(url, body, Idempotency_Key="once") for _ in range(10)))
    assert len({(a.status, a.content) for a in answers}) == 1
    assert answers[0].status == 201


@pytest.mark.parametrize(("url", "body"), CREATING, ids=IDS)
async def test_keys_of_two_orgs_never_meet(api: Api, url: str, body: Any) -> None:
    ours = await api.post(url, body, Idempotency_Key="once")
    theirs = await api.as_("other").post(url, body, Idempotency_Key="once")
    assert theirs.status == 201
    assert theirs.content != ours.content


@pytest.mark.parametrize("key", ["", "k" * 256, "tab\tbed", "ключ".encode().decode("latin-1")])
@pytest.mark.parametrize(("url", "body"), CREATING, ids=IDS)
async def test_a_malformed_key_is_refused(api: Api, url: str, body: Any, key: str) -> None:
    headers = [(b"x-api-key", b"full"), (b"idempotency-key", key.encode("latin-1"))]
    response = await api.client.post(url, json=body, headers=headers)
    assert response.status_code == 400
    assert response.json()["field"] == "Idempotency-Key"


@pytest.mark.parametrize("key", ["k", " ~!'\"", "k" * 255])
async def test_any_printable_key_is_taken(api: Api, key: str) -> None:
    answer = await api.post("/api/v1/agents", {"name": "crawler"}, Idempotency_Key=f"x{key}"[:255])
    assert answer.status == 201


async def test_one_key_for_two_routes_is_a_conflict(api: Api) -> None:
    body = {"agent_id": "a", "name": "crawler"}
    await api.post("/api/v1/agents", body, Idempotency_Key="once")
    answer = await api.post("/api/v1/sessions", body, Idempotency_Key="once")
    assert_error(answer, 409, "idempotency_conflict")


@pytest.mark.every_door
async def test_what_was_refused_is_not_kept(api: Api) -> None:
    await api.post("/api/v1/agents", {"name": "crawler"})
    taken = await api.post("/api/v1/agents", {"name": "crawler"}, Idempotency_Key="once")
    assert_error(taken, 409, "already_exists")
    await api.delete("/api/v1/agents/crawler")
    free = await api.post("/api/v1/agents", {"name": "crawler"}, Idempotency_Key="once")
    assert free.status == 201


async def test_after_the_window_the_key_is_new(api: Api) -> None:
    forgetful = Repeats(replies=api.services.replies, clock=api.doors.clock, window=-1)
    api = api.with_doors(repeats=forgetful)
    first, again = [
        await api.post("/api/v1/sessions", {"agent_id": "a"}, Idempotency_Key="once") for _ in range(2)
    ]
    assert first.json["id"] != again.json["id"]


async def test_nothing_is_held_for_a_request_that_is_over(api: Api) -> None:
    for _ in range(3):
        await api.post("/api/v1/sessions", {"agent_id": "a"}, Idempotency_Key="once")
    assert api.doors.repeats.waiting == 0
