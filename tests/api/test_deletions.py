"""Deleting memories and sessions: gone at once for every reader, with a receipt that says what remains."""

from typing import Any

import pytest

from tests.api.rig import Answer, Api, assert_error

MEMORIES = "/api/v1/memories"
SESSIONS = "/api/v1/sessions"
DELETIONS = "/api/v1/deletions"


async def deleted(api: Api, path: str) -> Any:
    answer = await api.delete(path)
    assert answer.status == 200, answer.content
    return answer.json


async def contents(api: Api, **asked: Any) -> list[str]:
    return [memory["content"] for memory in (await api.get(MEMORIES, **asked)).json["memories"]]


@pytest.mark.every_door
async def test_a_deleted_memory_is_gone_from_every_read(api: Api) -> None:
    kept = await api.remember("kept", session_id="s")
    gone = await api.remember("gone", session_id="s", dedup_key="key", event_type="error")
    receipt = await deleted(api, f"{MEMORIES}/{gone['id']}")
    assert (receipt["state"], receipt["memory_id"]) == ("pending", gone["id"])
    assert receipt["removed"] == {"journal": 1, "store": 0}
    assert await contents(api) == ["kept"]
    for reference in (gone["id"], "key"):
        assert_error(await api.get(f"{MEMORIES}/{reference}"), 404, "not_found", "memory not found")
    assert (await api.post("/api/v1/search", {"content_contains": "gone"})).json["results"] == []
    assert (await api.get("/api/v1/agents/agent_a/stats")).json["memory_count"] == 1
    context = (await api.post(f"{SESSIONS}/s/context", {})).json
    assert context["memory_count"] == 1
    assert "gone" not in context["context"]
    assert (await api.get(f"{SESSIONS}/s/memories")).json["memories"] == [kept]


async def test_a_memory_is_deleted_by_its_dedup_key_too(api: Api) -> None:
    memory = await api.remember("gone", dedup_key="a/b")
    receipt = await deleted(api, f"{MEMORIES}/a%2Fb")
    assert receipt["memory_id"] == memory["id"]
    assert await contents(api) == []


async def test_deleting_what_is_not_there_is_not_found(api: Api) -> None:
    memory = await api.remember("once")
    await deleted(api, f"{MEMORIES}/{memory['id']}")
    for reference in (memory["id"], "mem_0000000000000000000000ff", "no such key", "x" * 2_000):
        assert_error(await api.delete(f"{MEMORIES}/{reference}"), 404, "not_found", "memory not found")


async def test_nobody_deletes_what_is_anothers(api: Api) -> None:
    memory = await api.remember("mine", session_id="s")
    assert_error(await api.as_("other").delete(f"{MEMORIES}/{memory['id']}"), 404, "not_found")
    assert_error(await api.as_("other").delete(f"{SESSIONS}/s?memories=true"), 404, "not_found")
    assert await contents(api) == ["mine"]
    receipt = await deleted(api, f"{MEMORIES}/{memory['id']}")
    assert_error(await api.as_("other").get(f"{DELETIONS}/{receipt['deletion_id']}"), 404, "not_found")
    assert (await api.as_("other").get(DELETIONS)).json["count"] == 0


@pytest.mark.parametrize("path", [f"{MEMORIES}/x", f"{SESSIONS}/s", f"{SESSIONS}/s?memories=true"])
async def test_deleting_needs_the_permission_to_write(api: Api, path: str) -> None:
    assert_error(await api.as_("reader").delete(path), 403, "forbidden", "write")


@pytest.mark.every_door
async def test_an_equal_memory_may_be_written_again(api: Api) -> None:
    first = await api.remember("same")
    await deleted(api, f"{MEMORIES}/{first['id']}")
    assert (await api.remember("same"))["id"] != first["id"]
    assert await contents(api) == ["same"]


@pytest.mark.every_door
async def test_a_late_retry_is_answered_as_then_and_stores_nothing(api: Api) -> None:
    body = {"agent_id": "a", "content": "once"}
    first = await api.post(MEMORIES, body, Idempotency_Key="k")
    await deleted(api, f"{MEMORIES}/{first.json['id']}")
    retried = await api.post(MEMORIES, body, Idempotency_Key="k")
    assert (retried.status, retried.json) == (201, first.json)
    assert await contents(api) == []


async def test_pages_stay_exact_around_deleted_memories(api: Api) -> None:
    memories = [await api.remember(str(n)) for n in range(12)]
    for memory in memories[2:9:2]:
        await deleted(api, f"{MEMORIES}/{memory['id']}")
    left = ["11", "10", "9", "7", "5", "3", "1", "0"]
    page = (await api.get(MEMORIES, limit=8)).json
    assert ([m["content"] for m in page["memories"]], page["has_more"]) == (left, False)
    assert await contents(api, limit=3, offset=3) == left[3:6]
    seen: list[str] = []
    asked: dict[str, Any] = {"limit": 3}
    while True:
        page = (await api.get(MEMORIES, **asked)).json
        seen += [m["content"] for m in page["memories"]]
        if not page["has_more"]:
            break
        asked["cursor"] = page["next_cursor"]
    assert seen == left


async def test_a_cursor_on_a_memory_that_is_deleted_goes_on_behind_it(api: Api) -> None:
    memories = [await api.remember(str(n)) for n in range(5)]
    page = (await api.get(MEMORIES, limit=2)).json
    await deleted(api, f"{MEMORIES}/{memories[3]['id']}")
    assert await contents(api, cursor=page["next_cursor"]) == ["2", "1", "0"]


async def opened(api: Api) -> str:
    answer = await api.post(SESSIONS, {"agent_id": "a", "metadata": {"who": "private"}})
    return str(answer.json["id"])


async def test_a_session_is_deleted_without_its_memories(api: Api) -> None:
    session = await opened(api)
    await api.remember("stays", session_id=session)
    answer = await deleted(api, f"{SESSIONS}/{session}")
    assert answer == {"session_id": session, "had_record": True, "memories": None}
    assert_error(await api.get(f"{SESSIONS}/{session}"), 404, "not_found", "session not found")
    assert await contents(api) == ["stays"]
    assert_error(await api.delete(f"{SESSIONS}/{session}"), 404, "not_found", "session not found")


async def test_a_session_is_deleted_with_its_memories(api: Api) -> None:
    session = await opened(api)
    await api.remember("gone", session_id=session)
    await api.remember("elsewhere", session_id="other")
    answer = await deleted(api, f"{SESSIONS}/{session}?memories=true")
    assert answer["had_record"] is True
    receipt = answer["memories"]
    assert (receipt["session_id"], receipt["removed"]["journal"]) == (session, 1)
    assert await contents(api) == ["elsewhere"]
    await api.remember("new", session_id=session)
    assert await contents(api, session_id=session) == ["new"]


async def test_the_memories_of_a_session_that_was_never_registered_are_deleted(api: Api) -> None:
    await api.remember("gone", session_id="loose")
    assert_error(await api.delete(f"{SESSIONS}/loose"), 404, "not_found")
    assert (await deleted(api, f"{SESSIONS}/loose?memories=1"))["had_record"] is False
    assert await contents(api) == []
    assert_error(await api.delete(f"{SESSIONS}/loose?memories=true"), 404, "not_found")


@pytest.mark.parametrize("path", ["no%20id", "s?memories=perhaps"])
async def test_a_malformed_session_deletion_deletes_nothing(api: Api, path: str) -> None:
    await api.remember("stays", session_id="s")
    assert (await api.delete(f"{SESSIONS}/{path}")).status in (400, 404)
    assert await contents(api) == ["stays"]


async def test_what_is_neither_true_nor_false_is_named(api: Api) -> None:
    answer = await api.delete(f"{SESSIONS}/s?memories=perhaps")
    assert answer.json["error"] == "memories must be true or false"


async def test_a_repeated_opening_of_a_deleted_session_tells_no_metadata_and_opens_nothing(api: Api) -> None:
    body = {"agent_id": "a", "metadata": {"who": "private"}}
    first = await api.post(SESSIONS, body, Idempotency_Key="k")
    await deleted(api, f"{SESSIONS}/{first.json['id']}")
    again = await api.post(SESSIONS, body, Idempotency_Key="k")
    assert again.status == 201
    assert again.json == {name: v for name, v in first.json.items() if name != "metadata"}
    assert (await api.get(SESSIONS)).json["count"] == 0


async def test_a_receipt_says_what_remains_where_and_until_when(api: Api) -> None:
    memory = await api.remember("gone")
    receipt = await deleted(api, f"{MEMORIES}/{memory['id']}")
    places = {remainder["where"]: remainder for remainder in receipt["remains"]}
    assert set(places) == {"event store", "journal's log", "dedup claims", "backups and exports"}
    assert places["event store"]["until"] is None
    assert places["dedup claims"]["until"] > receipt["requested_at"]
    assert receipt["requested_at"] in places["backups and exports"]["why"]
    now = await api.get(f"{DELETIONS}/{receipt['deletion_id']}")
    assert now.json == receipt


async def test_receipts_are_listed_newest_first_and_paged_by_a_limit(api: Api) -> None:
    ids = []
    for n in range(3):
        memory = await api.remember(str(n))
        ids.append((await deleted(api, f"{MEMORIES}/{memory['id']}"))["deletion_id"])
    page = (await api.get(DELETIONS)).json
    assert ([d["deletion_id"] for d in page["deletions"]], page["has_more"]) == (ids[::-1], False)
    page = (await api.as_("reader").get(DELETIONS, limit=2)).json
    assert (page["count"], page["has_more"]) == (2, True)


async def test_an_unknown_deletion_is_not_found(api: Api) -> None:
    answer: Answer = await api.get(f"{DELETIONS}/del_none")
    assert_error(answer, 404, "not_found", "deletion not found")


async def test_an_org_without_a_store_has_nothing_to_delete(api: Api) -> None:
    assert_error(await api.as_("unbound").delete(f"{MEMORIES}/x"), 503, "no_arc_instance")
    assert_error(await api.as_("unbound").delete(f"{SESSIONS}/s?memories=true"), 503, "no_arc_instance")
