"""Sessions: their life, their memories, their context."""

from typing import Any

import pytest

from tests.api.rig import Api, assert_error

URL = "/api/v1/sessions"


async def opened(api: Api, agent_id: str = "agent_a", **more: Any) -> Any:
    answer = await api.post(URL, {"agent_id": agent_id, **more})
    assert answer.status == 201, answer.content
    return answer.json


async def test_a_session_of_an_unregistered_agent_is_opened_and_found(api: Api) -> None:
    session = await opened(api, metadata={"goal": "x"})
    assert session["id"].startswith("sess_")
    assert (session["status"], session["metadata"]) == ("active", {"goal": "x"})
    assert session["created_at"] == session["updated_at"]
    assert "closed_at" not in session
    assert (await api.get(f"{URL}/{session['id']}")).json == session


async def test_empty_metadata_is_left_out(api: Api) -> None:
    nothings: tuple[Any, ...] = ({}, None, "")
    for nothing in nothings:
        assert "metadata" not in await opened(api, metadata=nothing)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "agent_id"),
        ({"agent_id": ""}, "agent_id"),
        ({"agent_id": "a b"}, "agent_id"),
        ({"agent_id": "a", "metadata": []}, "metadata"),
        ({"agent_id": "a", "metadata": {"x": "y" * 65_536}}, "metadata"),
    ],
)
async def test_a_bad_value_is_refused_by_the_name_of_its_field(
    api: Api, body: dict[str, Any], field: str
) -> None:
    assert assert_error(await api.post(URL, body), 400, "invalid_request", field)["field"] == field


@pytest.mark.every_door
async def test_sessions_are_listed_newest_first_by_agent_and_status(api: Api) -> None:
    first, second, third = [await opened(api, agent) for agent in ("a", "b", "a")]
    await api.put(f"{URL}/{first['id']}", {"status": "closed"})

    async def ids(**params: Any) -> list[str]:
        return [s["id"] for s in (await api.get(URL, **params)).json["sessions"]]

    assert await ids() == [third["id"], second["id"], first["id"]]
    assert await ids(agent_id="a") == [third["id"], first["id"]]
    assert await ids(agent_id="a", status="active") == [third["id"]]
    assert await ids(status="closed") == [first["id"]]
    page = (await api.get(URL, limit=2)).json
    assert page["has_more"] is True
    assert await ids(limit=2, cursor=page["next_cursor"]) == [first["id"]]
    assert (await api.as_("other").get(URL)).json["count"] == 0


@pytest.mark.parametrize(
    ("params", "field"),
    [({"status": "paused"}, "status"), ({"agent_id": "a b"}, "agent_id"), ({"limit": "-1"}, "limit")],
)
async def test_a_bad_parameter_is_refused_by_its_name(api: Api, params: dict[str, str], field: str) -> None:
    assert assert_error(await api.get(URL, **params), 400, "invalid_request", field)["field"] == field


async def test_closing_says_when_and_reopening_takes_it_back(api: Api) -> None:
    session = await opened(api)
    closed = await api.put(f"{URL}/{session['id']}", {"status": "closed"})
    assert closed.status == 200
    assert closed.json["status"] == "closed"
    assert closed.json["closed_at"] >= session["created_at"]
    assert "closed_at" not in (await api.put(f"{URL}/{session['id']}", {"status": "active"})).json


@pytest.mark.every_door
async def test_metadata_is_merged_and_null_takes_a_key_away(api: Api) -> None:
    session = await opened(api, metadata={"a": 1, "b": {"x": 1}})
    updated = await api.put(f"{URL}/{session['id']}", {"metadata": {"a": None, "b": 2, "c": 3}})
    assert updated.json["metadata"] == {"b": 2, "c": 3}
    assert updated.json["status"] == "active"


async def test_an_update_of_nothing_changes_nothing(api: Api) -> None:
    session = await opened(api, metadata={"a": 1})
    for body in ({}, {"status": None, "metadata": ""}):
        assert (await api.put(f"{URL}/{session['id']}", body)).json["metadata"] == {"a": 1}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": "paused"}, "status"),
        ({"status": 1}, "status"),
        ({"metadata": "x"}, "metadata"),
        ({"metadata": {"x": "y" * 65_536}}, "metadata"),
    ],
)
async def test_a_bad_update_is_refused_by_the_name_of_its_field(
    api: Api, body: dict[str, Any], field: str
) -> None:
    session = await opened(api)
    answer = await api.put(f"{URL}/{session['id']}", body)
    assert assert_error(answer, 400, "invalid_request", field)["field"] == field


@pytest.mark.parametrize("session_id", ["sess_" + "0" * 24, "no%20id", "%27--"])
async def test_an_unknown_session_is_not_found(api: Api, session_id: str) -> None:
    assert_error(await api.get(f"{URL}/{session_id}"), 404, "not_found", "session not found")
    assert_error(await api.put(f"{URL}/{session_id}", {}), 404, "not_found", "session not found")


async def test_another_orgs_session_is_not_found(api: Api) -> None:
    session = await opened(api)
    await api.remember("secret", session_id=session["id"])
    theirs = api.as_("other")
    assert_error(await theirs.get(f"{URL}/{session['id']}"), 404, "not_found")
    assert_error(await theirs.put(f"{URL}/{session['id']}", {"status": "closed"}), 404, "not_found")
    assert (await theirs.get(f"{URL}/{session['id']}/memories")).json["count"] == 0
    assert "secret" not in (await theirs.post(f"{URL}/{session['id']}/context")).json["context"]


async def test_a_sessions_memories_are_listed(api: Api) -> None:
    for number in range(3):
        await api.remember(str(number), session_id="sess_1", agent_id=f"a{number}")
    await api.remember("elsewhere", session_id="sess_2")
    url = f"{URL}/sess_1/memories"
    assert [m["content"] for m in (await api.get(url)).json["memories"]] == ["2", "1", "0"]
    assert [m["content"] for m in (await api.get(url, agent_id="a1")).json["memories"]] == ["1"]
    assert (await api.get(url, session_id="sess_2")).json["count"] == 3, "the path counts"
    assert_error(await api.get(f"{URL}/no%20id/memories"), 400, "invalid_request", "session_id")


@pytest.mark.every_door
async def test_the_context_tells_what_happened(api: Api) -> None:
    await api.remember("Crawled it", session_id="sess_1", event_type="page_crawled")
    await api.remember("Stop here", session_id="sess_1", memory_type="decision", event_type="decision")
    answer = await api.post(f"{URL}/sess_1/context", {"since": "1h"})
    assert answer.status == 200
    body = answer.json
    assert body["context"].startswith("## Session Context (sess_1)\n")
    assert "page_crawled: Crawled it" in body["context"]
    assert (body["session_id"], body["memory_count"]) == ("sess_1", 2)
    assert (body["omitted"], body["truncated"]) == (0, False)
    assert body["tokens"] > 0


@pytest.mark.parametrize("body", [b"", b"  ", b"{}", b'{"since":null,"include_types":"","max_tokens":0}'])
async def test_the_context_needs_no_body(api: Api, body: bytes) -> None:
    await api.remember("x", session_id="sess_1")
    answer = await api.send("POST", f"{URL}/sess_1/context", content=body)
    assert answer.json["memory_count"] == 1


async def test_the_context_shows_only_the_types_asked_for_within_the_budget(api: Api) -> None:
    await api.remember("word " * 500, session_id="sess_1", memory_type="decision")
    await api.remember("something else", session_id="sess_1")
    only = await api.post(f"{URL}/sess_1/context", {"include_types": ["decision"], "max_tokens": 60})
    assert "something else" not in only.json["context"]
    assert only.json["tokens"] <= 60
    assert only.json["truncated"] is True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"since": "soon"}, "since"),
        ({"include_types": ["x"]}, "include_types[0]"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
    ],
)
async def test_a_bad_wish_for_the_context_is_refused(api: Api, body: dict[str, Any], field: str) -> None:
    answer = await api.post(f"{URL}/sess_1/context", body)
    assert assert_error(answer, 400, "invalid_request", field)["field"] == field


async def test_the_context_of_what_is_no_id_is_refused(api: Api) -> None:
    assert_error(await api.post(f"{URL}/1/context"), 400, "invalid_request", "session_id")
