"""POST /memories: one memory or many."""

import asyncio
from typing import Any

import pytest

from tests.api.rig import Api, assert_error

URL = "/api/v1/memories"


@pytest.mark.every_door
async def test_a_memory_comes_back_with_what_was_given_and_an_id(api: Api) -> None:
    given = {
        "agent_id": "agent_a",
        "session_id": "sess_1",
        "memory_type": "decision",
        "event_type": "chosen",
        "content": "Skip it — 2 pages “only”",
        "metadata": {"why": {"deep": [1, 2.5, None, True]}},
        "tags": ["a.b", "c-d"],
        "dedup_key": "mine",
        "importance": 0.25,
        "parent_id": "mem_1",
    }
    answer = await api.post(URL, given)
    assert answer.status == 201
    assert answer.json.items() >= given.items()
    assert answer.json["org_id"] == api.org.id
    assert answer.json["id"].startswith("mem_")
    assert answer.json["time"].endswith("Z")


async def test_only_agent_and_content_are_needed_and_empty_fields_are_left_out(api: Api) -> None:
    answer = await api.post(URL, {"agent_id": "a", "content": "x"})
    assert set(answer.json) == {
        "id", "time", "org_id", "agent_id", "memory_type", "event_type", "content", "dedup_key",
    }  # fmt: skip
    assert (answer.json["memory_type"], answer.json["event_type"]) == ("episodic", "general")


@pytest.mark.parametrize("nothing", [None, ""])
async def test_null_and_empty_mean_absent(api: Api, nothing: Any) -> None:
    optional = (
        "session_id", "memory_type", "event_type", "metadata", "tags",
        "dedup_key", "importance", "parent_id", "memories",
    )  # fmt: skip
    answer = await api.post(URL, {"agent_id": "a", "content": "x", **dict.fromkeys(optional, nothing)})
    assert answer.status == 201, answer.content
    assert not {"session_id", "metadata", "tags", "importance", "parent_id"} & set(answer.json)


async def test_unknown_fields_are_ignored(api: Api) -> None:
    body = {"agent_id": "a", "content": "x", "org_id": api.other.id, "colour": {"x": [1]}}
    assert (await api.post(URL, body)).json["org_id"] == api.org.id


@pytest.mark.every_door
async def test_a_duplicate_is_told_the_id_that_won(api: Api) -> None:
    first = await api.remember("same")
    again = await api.post(URL, {"agent_id": "agent_a", "content": "same"})
    body = assert_error(again, 409, "duplicate_memory", "duplicate memory")
    assert body["id"] == first["id"]


async def test_equal_memories_of_two_orgs_are_no_duplicates(api: Api) -> None:
    await api.remember("same")
    await api.as_("other").remember("same")


@pytest.mark.every_door
async def test_of_many_equal_writes_one_wins(api: Api) -> None:
    body = {"agent_id": "a", "content": "same"}
    answers = await asyncio.gather(*(api.post(URL, body) for _ in range(50)))
    assert sorted(a.status for a in answers) == [201] + [409] * 49
    assert len({a.json["id"] for a in answers}) == 1


@pytest.mark.every_door
async def test_a_batch_says_of_each_what_became_of_it(api: Api) -> None:
    old = await api.remember("old")
    contents = ["new", "old", "new", "newer"]
    answer = await api.post(URL, {"memories": [{"agent_id": "agent_a", "content": c} for c in contents]})
    assert answer.status == 201
    body = answer.json
    assert [m["content"] for m in body["memories"]] == ["new", "newer"]
    assert (body["count"], body["duplicates"]) == (2, 2)
    assert [r["status"] for r in body["results"]] == ["created", "duplicate", "duplicate", "created"]
    new, newer = (m["id"] for m in body["memories"])
    assert [r["id"] for r in body["results"]] == [new, old["id"], new, newer]


@pytest.mark.every_door
async def test_a_batch_is_refused_whole_and_the_error_names_the_index(api: Api) -> None:
    good = {"agent_id": "a", "content": "good"}
    answer = await api.post(URL, {"memories": [good, good | {"content": "x", "session_id": "no spaces"}]})
    body = assert_error(answer, 400, "invalid_request", "memories[1].session_id")
    assert (body["field"], body["index"]) == ("memories[1].session_id", 1)
    assert (await api.get(URL)).json["count"] == 0


@pytest.mark.parametrize(
    "bad", [None, {"agent_id": "a"}, {"content": 1}, {"importance": 2}, {"tags": [1]}, {}]
)
async def test_whatever_is_wrong_in_a_batch_its_index_is_named(api: Api, bad: Any) -> None:
    good = {"agent_id": "a", "content": "good"}
    answer = await api.post(URL, {"memories": [good, good, bad]})
    assert assert_error(answer, 400, "invalid_request", "memories[2]")["index"] == 2


async def test_what_is_wrong_in_a_single_memory_has_no_index(api: Api) -> None:
    answer = await api.post(URL, {"agent_id": "a", "content": "x", "tags": [1]})
    assert "index" not in assert_error(answer, 400, "invalid_request", "tags[0]")


@pytest.mark.parametrize(
    ("memories", "field"),
    [
        ([], "memories"),
        ([{"agent_id": "a", "content": "x"}] * 1_001, "memories"),
        ([{"agent_id": "a"}], "memories[0].content"),
        ([{"agent_id": "a", "content": 1}], "memories[0].content"),
        ([{"agent_id": "a", "content": "x"}, None], "memories[1]"),
        ({"agent_id": "a"}, "memories"),
    ],
)
async def test_a_batch_that_is_none_is_refused(api: Api, memories: Any, field: str) -> None:
    answer = await api.post(URL, {"memories": memories})
    assert assert_error(answer, 400, "invalid_request")["field"] == field


async def test_a_thousand_memories_are_a_batch(api: Api) -> None:
    memories = [{"agent_id": "a", "content": f"{n}"} for n in range(1_000)]
    assert (await api.post(URL, {"memories": memories})).json["count"] == 1_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("agent_id", None),
        ("agent_id", ""),
        ("agent_id", 7),
        ("agent_id", "1a"),
        ("agent_id", "a\n"),
        ("agent_id", "a" * 129),
        ("agent_id", "ä"),
        ("content", None),
        ("content", ""),
        ("content", ["x"]),
        ("content", "x" * (256 * 1024 + 1)),
        ("content", "€" * (256 * 1024 // 3 + 1)),
        ("session_id", "a b"),
        ("session_id", "a\n"),
        ("parent_id", "'; DROP TABLE memories; --"),
        ("memory_type", "semantic"),
        ("memory_type", 1),
        ("event_type", "page-crawled"),
        ("event_type", "e" * 65),
        ("event_type", "error\n"),
        ("tags", "a,b"),
        ("tags", [f"t{n}" for n in range(65)]),
        ("metadata", []),
        ("metadata", "x"),
        ("metadata", {"x": "y" * 65_536}),
        ("importance", 1.01),
        ("importance", -0.01),
        ("importance", True),
        ("importance", "0.5"),
        ("dedup_key", "k" * 257),
        ("dedup_key", "é" * 129),
        ("dedup_key", 5),
    ],
)
async def test_a_bad_value_is_refused_by_the_name_of_its_field(api: Api, field: str, value: Any) -> None:
    answer = await api.post(URL, {"agent_id": "a", "content": "x", field: value})
    body = assert_error(answer, 400, "invalid_request", field)
    assert body["field"] == field
    assert len(body["error"]) < 200, "the value itself is not repeated"


@pytest.mark.parametrize("tag", ["", "a b", "a,b", "a\n", "ä", "t" * 65, 'a"'])
async def test_a_bad_tag_is_refused_by_its_index(api: Api, tag: str) -> None:
    answer = await api.post(URL, {"agent_id": "a", "content": "x", "tags": ["fine", tag]})
    assert assert_error(answer, 400, "invalid_request")["field"] == "tags[1]"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("content", "x" * 256 * 1024),
        ("content", "\x00\t\u2028'\"\\%_\U0001f600"),
        ("dedup_key", "é" * 128),
        ("metadata", {"x": "y" * 65_000}),
        ("metadata", {"big": 10**30, "tiny": 5e-324, "": {}}),
        ("tags", [f"t{n}" for n in range(64)]),
        ("importance", 1),
        ("agent_id", "a" * 128),
    ],
)
async def test_the_largest_and_strangest_allowed_values_come_back_unchanged(
    api: Api, field: str, value: Any
) -> None:
    answer = await api.post(URL, {"agent_id": "a", "content": "x", field: value})
    assert answer.status == 201, answer.content
    assert answer.json[field] == value
    assert (await api.get(f"{URL}/{answer.json['id']}")).json == answer.json


async def test_metadata_that_is_nested_too_deeply_is_refused(api: Api) -> None:
    nested: Any = 1
    for _ in range(70):
        nested = [nested]
    answer = await api.post(URL, {"agent_id": "a", "content": "x", "metadata": {"x": nested}})
    assert_error(answer, 400, "invalid_request", "metadata must not be nested deeper")


async def test_metadata_that_is_wide_but_flat_is_kept(api: Api) -> None:
    wide = {"x": [[n] for n in range(100)]}
    assert (await api.remember("x", metadata=wide))["metadata"] == wide


async def test_a_number_beyond_floating_point_is_refused(api: Api) -> None:
    body = b'{"agent_id":"a","content":"x","metadata":{"n":1e999}}'
    answer = await api.send("POST", URL, content=body)
    assert_error(answer, 400, "invalid_request", "out of range")


@pytest.mark.every_door
async def test_without_a_binding_nothing_is_written_and_the_error_says_what_to_do(api: Api) -> None:
    answer = await api.as_("unbound").post(URL, {"agent_id": "a", "content": "x"})
    body = assert_error(answer, 503, "no_arc_instance", "no arc instance configured for this org")
    assert "memtrace org add-arc org_" in body["hint"]
    assert "retry-after" not in answer.headers
