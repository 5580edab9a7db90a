"""POST /search."""

from typing import Any

import pytest

from tests.api.rig import Api, assert_error

URL = "/api/v1/search"


@pytest.fixture
async def filled(api: Api) -> Api:
    await api.remember("100% of it_all \\ 'quoted'", tags=["a", "b"], importance=0.2)
    await api.remember("100 of it all", agent_id="agent_b", session_id="s1", importance=0.8)
    await api.remember("Über alles", event_type="noticed", memory_type="entity")
    return api


async def found(api: Api, **query: Any) -> list[str]:
    answer = await api.post(URL, query)
    assert answer.status == 200, answer.content
    return [memory["content"][:4] for memory in answer.json["results"]]


@pytest.mark.parametrize(
    ("query", "contents"),
    [
        ({}, ["Über", "100 ", "100%"]),
        ({"content_contains": "100%"}, ["100%"]),
        ({"content_contains": "it_all \\ 'q"}, ["100%"]),
        ({"content_contains": "über"}, []),
        ({"agent_id": "agent_b"}, ["100 "]),
        ({"session_id": "s1"}, ["100 "]),
        ({"memory_types": ["entity", "decision"]}, ["Über"]),
        ({"event_types": ["noticed"]}, ["Über"]),
        ({"tags": ["b", "a"]}, ["100%"]),
        ({"min_importance": 0.5}, ["100 "]),
        ({"min_importance": 0}, ["Über", "100 ", "100%"]),
        ({"order": "asc", "limit": 1}, ["100%"]),
        ({"since": "5m"}, ["Über", "100 ", "100%"]),
        ({"until": "2020-01-01"}, []),
        (dict.fromkeys(("agent_id", "memory_types", "tags", "min_importance", "limit", "order")),
         ["Über", "100 ", "100%"]),
        (dict.fromkeys(("since", "event_types", "tags", "min_importance", "limit", "order"), ""),
         ["Über", "100 ", "100%"]),
    ],
)  # fmt: skip
async def test_every_part_given_must_hold(filled: Api, query: dict[str, Any], contents: list[str]) -> None:
    assert await found(filled, **query) == contents


@pytest.mark.every_door
async def test_the_answer_counts_times_and_leads_on(filled: Api) -> None:
    first = (await filled.post(URL, {"limit": 2})).json
    assert (first["count"], first["has_more"]) == (2, True)
    assert first["query_time_ms"] >= 0
    rest = (await filled.post(URL, {"limit": 2, "cursor": first["next_cursor"]})).json
    assert [m["content"][:4] for m in rest["results"]] == ["100%"]
    assert rest["has_more"] is False
    assert "next_cursor" not in rest


async def test_fifty_are_shown_where_no_limit_is_given(api: Api) -> None:
    memories = [{"agent_id": "a", "content": str(n)} for n in range(60)]
    await api.post("/api/v1/memories", {"memories": memories})
    assert (await api.post(URL, {})).json["count"] == 50


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"agent_id": "a b"}, "agent_id"),
        ({"session_id": 1}, "session_id"),
        ({"memory_types": ["semantic"]}, "memory_types[0]"),
        ({"memory_types": "entity"}, "memory_types"),
        ({"event_types": ["fine", "a b"]}, "event_types[1]"),
        ({"event_types": [""]}, "event_types[0]"),
        ({"event_types": ["e"] * 65}, "event_types"),
        ({"tags": ["a b"]}, "tags[0]"),
        ({"tags": "a"}, "tags"),
        ({"content_contains": "x" * 8_193}, "content_contains"),
        ({"content_contains": 1}, "content_contains"),
        ({"min_importance": 2}, "min_importance"),
        ({"min_importance": "0.5"}, "min_importance"),
        ({"limit": 0}, "limit"),
        ({"limit": 1_001}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"limit": 10**40}, "limit"),
        ({"order": "newest"}, "order"),
        ({"since": "tomorrow"}, "since"),
        ({"until": 5}, "until"),
    ],
)
async def test_a_bad_value_is_refused_by_the_name_of_its_field(
    api: Api, query: dict[str, Any], field: str
) -> None:
    body = assert_error(await api.post(URL, query), 400, "invalid_request", field)
    assert body["field"] == field


async def test_a_cursor_that_is_none_is_refused(api: Api) -> None:
    assert_error(await api.post(URL, {"cursor": "no"}), 400, "invalid_cursor")


async def test_the_types_allowed_are_listed(api: Api) -> None:
    body = assert_error(await api.post(URL, {"memory_types": ["x"]}), 400, "invalid_request")
    assert body["error"] == "memory_types[0] must be one of episodic, session, decision, entity"
