"""GET /memories and GET /memories/{id}: filters, pages, one memory."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.rig import Api, assert_error

URL = "/api/v1/memories"


async def contents(api: Api, **params: Any) -> list[str]:
    answer = await api.get(URL, **params)
    assert answer.status == 200, answer.content
    return [memory["content"] for memory in answer.json["memories"]]


@pytest.fixture
async def filled(api: Api) -> Api:
    await api.remember("one", session_id="s1", tags=["prod", "eu"])
    await api.remember("two", agent_id="agent_b", memory_type="decision", tags=["products"])
    await api.remember("three", event_type="error", session_id="s1", importance=0.9)
    await api.as_("other").remember("not theirs", session_id="s1")
    return api


async def test_the_newest_comes_first_and_only_the_own_orgs(filled: Api) -> None:
    answer = await filled.get(URL)
    assert [m["content"] for m in answer.json["memories"]] == ["three", "two", "one"]
    assert (answer.json["count"], answer.json["has_more"]) == (3, False)
    assert "next_cursor" not in answer.json


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"order": "asc"}, ["one", "two", "three"]),
        ({"agent_id": "agent_b"}, ["two"]),
        ({"session_id": "s1"}, ["three", "one"]),
        ({"memory_type": "decision"}, ["two"]),
        ({"event_type": "error"}, ["three"]),
        ({"tags": "prod"}, ["one"]),
        ({"tags": "prod, eu,"}, ["one"]),
        ({"tags": "prod,us"}, []),
        ({"since": "1h"}, ["three", "two", "one"]),
        ({"until": "1h"}, []),
        ({"until": "now"}, ["three", "two", "one"]),
        ({"since": "2020-01-01", "until": "2021-01-01T00:00:00Z"}, []),
        ({"limit": "2"}, ["three", "two"]),
        ({"limit": "2", "offset": "2"}, ["one"]),
        ({"agent_id": "", "since": "", "limit": "", "order": "", "cursor": ""}, ["three", "two", "one"]),
        ({"unknown": "x"}, ["three", "two", "one"]),
    ],
)
async def test_each_parameter_narrows_the_list(filled: Api, params: dict[str, str], found: list[str]) -> None:
    assert await contents(filled, **params) == found


@pytest.mark.every_door
async def test_has_more_is_exact(filled: Api) -> None:
    assert (await filled.get(URL, limit=3)).json["has_more"] is False
    assert (await filled.get(URL, limit=2)).json["has_more"] is True


@pytest.mark.every_door
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_cursors_lead_through_everything_once_while_others_write(api: Api, order: str) -> None:
    for number in range(10):
        await api.remember(str(number))
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await api.get(URL, limit=3, order=order, cursor=cursor, until="now")).json
        seen += [memory["content"] for memory in page["memories"]]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
        await api.remember(f"written meanwhile {cursor[-12:]}")
    old = [content for content in seen if content.isdigit()]
    expected = [str(number) for number in range(10)]
    assert old == (expected if order == "asc" else expected[::-1])
    assert len(seen) == len(set(seen))


async def test_a_cursor_of_the_other_order_is_refused(filled: Api) -> None:
    cursor = (await filled.get(URL, limit=1)).json["next_cursor"]
    assert_error(await filled.get(URL, order="asc", cursor=cursor), 400, "invalid_cursor", "order")


async def test_an_altered_cursor_is_refused(filled: Api) -> None:
    cursor = (await filled.get(URL, limit=1)).json["next_cursor"]
    other = "A" if cursor[0] != "A" else "B"
    for altered in (
        cursor[:-1],
        cursor[1:],
        other + cursor[1:],
        cursor + "A",
        "…",
        "x",
        "=" * 9,
        "A" * 9_000,
    ):
        body = assert_error(await filled.get(URL, cursor=altered), 400, "invalid_cursor")
        assert body["hint"] == "start again without a cursor"


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "1" * 400}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "1.5"}, "offset"),
        ({"order": "sideways"}, "order"),
        ({"memory_type": "semantic"}, "memory_type"),
        ({"event_type": "a b"}, "event_type"),
        ({"tags": "fine,not fine"}, "tags[1]"),
        ({"agent_id": "1"}, "agent_id"),
        ({"agent_id": "a\n"}, "agent_id"),
        ({"session_id": "' OR 1=1"}, "session_id"),
        ({"since": "yesterday"}, "since"),
        ({"since": "0h"}, "since"),
        ({"since": "367d"}, "since"),
        ({"until": "2026-13-01"}, "until"),
    ],
)
async def test_a_bad_parameter_is_refused_by_its_name(api: Api, params: dict[str, str], field: str) -> None:
    body = assert_error(await api.get(URL, **params), 400, "invalid_request", field)
    assert body["field"] == field


async def test_an_offset_that_is_too_large_is_told_of_the_cursor(api: Api) -> None:
    assert (await api.get(URL, offset=10_000)).status == 200
    body = assert_error(await api.get(URL, offset=10_001), 400, "invalid_request", "offset")
    assert "cursor" in body["hint"]


@pytest.mark.parametrize("query", ["agent_id=%ff", "x=1&" * 70])
async def test_a_query_string_that_cannot_be_read_is_refused(api: Api, query: str) -> None:
    assert_error(await api.send("GET", f"{URL}?{query}"), 400, "invalid_request", "query string")


@pytest.mark.every_door
async def test_a_parameter_given_twice_counts_as_given_first(filled: Api) -> None:
    answer = await filled.send("GET", f"{URL}?limit=1&limit=2")
    assert answer.json["count"] == 1


async def test_a_memory_is_found_by_its_id(filled: Api) -> None:
    memory = await filled.remember("this one", metadata={"a": 1})
    assert (await filled.get(f"{URL}/{memory['id']}")).json == memory


@pytest.mark.parametrize(
    "key", ["mine", "with/slash and space?", "ends in a slash/", "/", "//", "%", "ключ", "mem_0", "a" * 256]
)
async def test_a_memory_is_found_by_its_dedup_key(api: Api, key: str) -> None:
    memory = await api.remember("x", dedup_key=key)
    assert (await api.get(f"{URL}/{quote(key, safe='')}")).json["id"] == memory["id"]


@pytest.mark.parametrize("reference", ["mem_" + "0" * 24, "nothing", "%ff", "a" * 2_000, "mem_" + "f" * 24])
async def test_what_is_not_there_is_not_found(api: Api, reference: str) -> None:
    assert_error(await api.get(f"{URL}/{reference}"), 404, "not_found", "memory not found")


@pytest.mark.every_door
async def test_another_orgs_memory_is_not_found(api: Api) -> None:
    memory = await api.remember("mine", dedup_key="key")
    for reference in (memory["id"], "key"):
        assert_error(await api.as_("other").get(f"{URL}/{reference}"), 404, "not_found")


async def test_without_a_binding_there_is_nothing_to_read(api: Api) -> None:
    assert_error(await api.as_("unbound").get(URL), 503, "no_arc_instance", "arc instance")
    assert_error(await api.as_("unbound").get(f"{URL}/x"), 503, "no_arc_instance")


async def test_answers_to_reads_are_not_to_be_stored_by_caches(filled: Api) -> None:
    assert (await filled.get(URL)).headers["cache-control"] == "no-store"
