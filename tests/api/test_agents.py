"""Agents: registered and not."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.rig import Api, assert_error

URL = "/api/v1/agents"


async def register(api: Api, name: str, **more: Any) -> Any:
    answer = await api.post(URL, {"name": name, **more})
    assert answer.status == 201, answer.content
    return answer.json


@pytest.mark.every_door
async def test_an_agent_is_registered_and_found_by_id_and_name(api: Api) -> None:
    agent = await register(api, "crawler", description="Crawls.", config={"depth": 2})
    assert agent["id"].startswith("agent_")
    assert agent["config"] == {"depth": 2}
    assert "last_active_at" not in agent
    for reference in (agent["id"], "crawler"):
        assert (await api.get(f"{URL}/{reference}")).json == agent


@pytest.mark.every_door
@pytest.mark.parametrize("name", ["team/böt #1?", "team/", "/", "%2F"])
async def test_a_name_may_hold_what_a_path_cannot(api: Api, name: str) -> None:
    agent = await register(api, name)
    assert (await api.get(f"{URL}/{quote(name, safe='')}")).json["id"] == agent["id"]
    assert (await api.get(f"{URL}/{quote(name, safe='')}/stats")).status == 200
    assert (await api.send("DELETE", f"{URL}/{quote(name, safe='')}")).status == 204


async def test_a_taken_name_is_a_conflict_in_its_org_alone(api: Api) -> None:
    await register(api, "crawler")
    answer = await api.post(URL, {"name": "crawler"})
    assert_error(answer, 409, "already_exists", "agent 'crawler' already exists in this organization")
    await register(api.as_("other"), "crawler")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": None}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "n" * 257}, "name"),
        ({"name": "n", "description": 1}, "description"),
        ({"name": "n", "description": "d" * 4_097}, "description"),
        ({"name": "n", "config": []}, "config"),
        ({"name": "n", "config": {"x": "y" * 65_536}}, "config"),
    ],
)
async def test_a_bad_value_is_refused_by_the_name_of_its_field(
    api: Api, body: dict[str, Any], field: str
) -> None:
    assert assert_error(await api.post(URL, body), 400, "invalid_request", field)["field"] == field


@pytest.mark.every_door
async def test_agents_are_listed_newest_first_page_by_page(api: Api) -> None:
    for number in range(5):
        await register(api, f"agent-{number}")
    await register(api.as_("other"), "theirs")
    first = (await api.get(URL, limit=3)).json
    assert [a["name"] for a in first["agents"]] == ["agent-4", "agent-3", "agent-2"]
    assert (first["count"], first["has_more"]) == (3, True)
    rest = (await api.get(URL, limit=3, cursor=first["next_cursor"])).json
    assert [a["name"] for a in rest["agents"]] == ["agent-1", "agent-0"]
    assert rest["has_more"] is False


async def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    for _ in range(2):
        await api.post("/api/v1/sessions", {"agent_id": "a"})
    cursor = (await api.get("/api/v1/sessions", limit=1)).json["next_cursor"]
    assert_error(await api.get(URL, cursor=cursor), 400, "invalid_cursor")
    assert_error(await api.get(URL, cursor="nonsense"), 400, "invalid_cursor")


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
async def test_a_bad_limit_is_refused(api: Api, limit: str) -> None:
    assert assert_error(await api.get(URL, limit=limit), 400, "invalid_request")["field"] == "limit"


async def test_an_agent_with_sessions_can_be_forgotten(api: Api) -> None:
    agent = await register(api, "crawler")
    await api.post("/api/v1/sessions", {"agent_id": agent["id"]})
    answer = await api.delete(f"{URL}/crawler")
    assert (answer.status, answer.content) == (204, b"")
    assert "content-type" not in answer.headers
    assert_error(await api.delete(f"{URL}/crawler"), 404, "not_found", "agent not found")
    assert_error(await api.get(f"{URL}/{agent['id']}"), 404, "not_found", "agent not found")


async def test_another_orgs_agent_is_not_found(api: Api) -> None:
    agent = await register(api, "crawler")
    theirs = api.as_("other")
    assert_error(await theirs.get(f"{URL}/{agent['id']}"), 404, "not_found")
    assert_error(await theirs.delete(f"{URL}/{agent['id']}"), 404, "not_found")
    assert (await theirs.get(f"{URL}/{agent['id']}/memories")).json["count"] == 0


async def test_memories_under_name_and_id_are_one_list(api: Api) -> None:
    agent = await register(api, "crawler")
    await api.remember("by name", agent_id="crawler")
    await api.remember("by id", agent_id=agent["id"])
    await api.remember("by another", agent_id="walker")
    for reference in (agent["id"], "crawler"):
        found = (await api.get(f"{URL}/{reference}/memories")).json
        assert [m["content"] for m in found["memories"]] == ["by id", "by name"]
    literal = (await api.get("/api/v1/memories", agent_id="crawler")).json
    assert [m["content"] for m in literal["memories"]] == ["by name"]


async def test_an_unregistered_agent_has_memories(api: Api) -> None:
    await api.remember("x", agent_id="walker", memory_type="decision")
    assert (await api.get(f"{URL}/walker/memories", memory_type="decision")).json["count"] == 1
    assert (await api.get(f"{URL}/walker/memories", memory_type="entity")).json["count"] == 0


async def test_what_is_neither_registered_nor_an_id_is_refused(api: Api) -> None:
    for what in ("memories", "stats"):
        answer = await api.get(f"{URL}/{quote('no id', safe='')}/{what}")
        assert assert_error(answer, 400, "invalid_request", "agent_id")["field"] == "agent_id"


@pytest.mark.every_door
async def test_stats_count_name_and_id_together(api: Api) -> None:
    agent = await register(api, "crawler")
    await api.remember("1", agent_id="crawler", event_type="error")
    await api.remember("2", agent_id=agent["id"], memory_type="decision")
    for agent_id in ("crawler", agent["id"], "walker"):
        await api.post("/api/v1/sessions", {"agent_id": agent_id})
    stats = (await api.get(f"{URL}/crawler/stats")).json
    assert stats.pop("last_active_at").endswith("Z")
    assert stats == {
        "agent_id": agent["id"],
        "memory_count": 2,
        "memories_24h": 2,
        "errors_24h": 1,
        "session_count": 2,
        "active_sessions": 2,
        "memory_types": {"episodic": 1, "decision": 1},
    }


async def test_an_agent_nobody_knows_has_done_nothing(api: Api) -> None:
    stats = (await api.get(f"{URL}/ghost/stats")).json
    assert stats["memory_count"] == 0
    assert stats["memory_types"] == {}
    assert "last_active_at" not in stats
