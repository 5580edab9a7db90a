"""Large results: everything comes, nothing twice, and no page is beyond 25,000 tokens."""

import json
from typing import Any, Final

import pytest
from mcp import Client
from mcp_types import CallToolResult
from msgspec import UNSET

from core.model.tokens import estimate
from handlers.mcp.calls import Call, JsonObject, Refusal
from handlers.mcp.pages import MOST_ASKED, PAGE_TOKENS, Page, page_of
from tests.api.rig import Api
from tests.mcp.rig import connected, refusal, text_of, told

CAP: Final = 25_000
PROSE: Final = "The crawler found three product links, and skipped what it had seen before. "
FAMILY: Final = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


def memory(number: int, content: str, **more: Any) -> JsonObject:
    times = {"id": f"mem_{number:024x}", "time": f"2026-11-21T00:00:00.{number:06d}Z"}
    return {
        **times,
        "agent_id": "a",
        "memory_type": "episodic",
        "event_type": "e",
        "content": content,
        **more,
    }


class Shelf:
    """Memories behind the API, as far as pages ask for them; cursors are numbers."""

    def __init__(self, *contents: str, **more: Any) -> None:
        self.memories = [memory(number, content, **more) for number, content in enumerate(contents)]
        self.asked: list[int] = []

    async def ask(self, call: Call) -> JsonObject:
        assert call.route == "/api/v1/memories/{id}"
        for one in self.memories:
            if one["id"] == call.path["id"]:
                return one
        raise Refusal("not_found", "memory not found")

    async def page(self, limit: int, cursor: str) -> tuple[list[JsonObject], str]:
        self.asked.append(limit)
        start = int(cursor or 0)
        end = min(start + limit, len(self.memories))
        return self.memories[start:end], str(end) if end < len(self.memories) else ""

    async def pages(self, limit: int = 50) -> list[Page]:
        found = [await page_of(self, self.page, limit, "")]
        while found[-1].next_cursor:
            found.append(await page_of(self, self.page, limit, found[-1].next_cursor))
        return found


def contents(pages: list[Page]) -> list[str]:
    """Of all memories, their parts put together."""
    whole: dict[str, str] = {}
    for page in pages:
        for one in page.memories:
            start = one.content_from or 0
            assert len(whole.setdefault(one.id, "")) == start
            whole[one.id] += one.content
    return list(whole.values())


async def test_what_fits_comes_at_once() -> None:
    shelf = Shelf(*(f"{PROSE}{number}" for number in range(5)))
    (page,) = await shelf.pages()
    assert [one.content for one in page.memories] == [one["content"] for one in shelf.memories]
    assert page.memories[0].content_length is UNSET
    assert shelf.asked == [50]


async def test_long_memories_come_on_several_pages_and_each_once() -> None:
    shelf = Shelf(*(PROSE * (20 + number * 7 % 90) for number in range(60)))
    pages = await shelf.pages()
    assert len(pages) > 3
    assert contents(pages) == [one["content"] for one in shelf.memories]
    assert all(one.content_length is UNSET for page in pages for one in page.memories)


@pytest.mark.parametrize(
    "content",
    [
        PROSE * 3_000,
        "記憶は時間の行である。" * 5_000,
        '{"k": "\\"quoted\\"\n"}' * 6_000,
        "x" * 200_000,
        "\n" * 50_000,
    ],
    ids=["prose", "Japanese", "quotes", "one word", "lines"],
)  # fmt: skip
async def test_a_memory_longer_than_a_page_comes_in_parts(content: str) -> None:
    shelf = Shelf("before", content, "after")
    pages = await shelf.pages()
    assert len(pages) > 3
    assert contents(pages) == ["before", content, "after"]
    lengths = {one.content_length for page in pages for one in page.memories if one.content_length}
    assert len(content) in lengths


async def test_a_part_splits_no_character() -> None:
    parts = [one.content for page in await Shelf(FAMILY * 5_000).pages() for one in page.memories]
    assert len(parts) > 2
    assert all(len(part) % len(FAMILY) == 0 for part in parts)


async def test_a_part_ends_even_where_no_cut_is_good() -> None:
    content = "a" + "\u0301" * 60_000
    assert contents(await Shelf(content).pages()) == [content]


async def test_metadata_that_fills_a_page_is_left_out_and_that_is_told() -> None:
    large = {f"key {number}": PROSE for number in range(600)}
    (page,) = await Shelf("short", metadata=large).pages()
    assert page.memories[0].content == "short"
    assert page.memories[0].metadata_left_out is True
    assert not page.memories[0].metadata


async def test_no_more_is_asked_for_than_could_fit() -> None:
    shelf = Shelf(*map(str, range(400)))
    pages = await shelf.pages(limit=1_000)
    assert max(shelf.asked) == MOST_ASKED
    assert contents(pages) == [one["content"] for one in shelf.memories]


async def test_a_page_that_is_more_than_an_answer_may_be_is_asked_for_in_quarters() -> None:
    shelf = Shelf(*map(str, range(60)))
    asked = shelf.page

    async def few(limit: int, cursor: str) -> tuple[list[JsonObject], str]:
        if limit > 12:
            raise Refusal("invalid_request", "the answer would be larger", fields={"field": "limit"})
        return await asked(limit, cursor)

    page = await page_of(shelf, few, 50, "")
    assert (len(page.memories), page.next_cursor) == (12, "12")


async def test_another_refusal_of_a_page_is_told() -> None:
    async def never(limit: int, cursor: str) -> tuple[list[JsonObject], str]:
        raise Refusal("invalid_request", "since is not a time", fields={"field": "since"})

    with pytest.raises(Refusal, match="since is not a time"):
        await page_of(Shelf(), never, 50, "")


@pytest.mark.parametrize("cursor", ["part.", "part.!!", "part.W10", "part.WyJpZCIsMCwiIl0", "part.é"])
async def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    shelf = Shelf("x")
    with pytest.raises(Refusal) as raised:
        await page_of(shelf, shelf.page, 50, cursor)
    assert raised.value.code == "invalid_cursor"


async def test_a_memory_that_was_deleted_between_its_parts_is_told() -> None:
    shelf = Shelf(PROSE * 3_000)
    first = await page_of(shelf, shelf.page, 50, "")
    shelf.memories.clear()
    with pytest.raises(Refusal, match="memory not found"):
        await page_of(shelf, shelf.page, 50, first.next_cursor)


async def test_a_memory_that_is_shorter_than_the_cursor_says_is_refused() -> None:
    shelf = Shelf(PROSE * 3_000)
    first = await page_of(shelf, shelf.page, 50, "")
    shelf.memories[0]["content"] = "short"
    with pytest.raises(Refusal) as raised:
        await page_of(shelf, shelf.page, 50, first.next_cursor)
    assert raised.value.code == "invalid_cursor"


# --- on the wire


def size(result: CallToolResult) -> int:
    """Tokens of all that a client gets."""
    return estimate(text_of(result)) + estimate(json.dumps(result.structured_content, ensure_ascii=False))


async def all_of(client: Client, tool: str, member: str, **arguments: Any) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        result = await client.call_tool(tool, {**arguments, **more})
        assert size(result) < CAP
        answer = result.structured_content
        assert answer["count"] == len(answer[member])
        assert answer["has_more"] is ("next_cursor" in answer)
        for one in answer[member]:
            if one.get("content_from"):
                found[-1] += one["content"]
            else:
                found.append(one["content"])
        cursor = answer.get("next_cursor", "")
        if not cursor:
            return found


async def test_every_page_is_below_the_cap_and_all_pages_are_all(api: Api) -> None:
    stored = [f"{number} {PROSE * (5 + number * 11 % 40)}" for number in range(40)] + ["long " + PROSE * 900]
    batch = [{"agent_id": "a", "content": content} for content in stored]
    assert (await api.post("/api/v1/memories", {"memories": batch})).status == 201
    async with connected(api) as client:
        recalled = await all_of(client, "memtrace_recall", "memories", agent_id="a", limit=1_000)
        found = await all_of(client, "memtrace_search", "results", content_contains="crawler", limit=7)
    assert recalled == found == stored[::-1]


async def test_what_is_written_meanwhile_moves_no_page(api: Api) -> None:
    for number in range(12):
        await api.remember(f"{number} {PROSE * 60}")
    async with connected(api) as client:
        first = await told(client, "memtrace_recall", agent_id="agent_a")
        await api.remember("new")
        more = {"agent_id": "agent_a", "cursor": first["next_cursor"]}
        second = await told(client, "memtrace_recall", **more)
    numbers = [int(one["content"].split()[0]) for one in first["memories"] + second["memories"]]
    assert numbers == list(range(11, 11 - len(numbers), -1))


async def test_a_cursor_of_the_rest_api_is_one_of_the_tools_too(api: Api) -> None:
    for number in range(3):
        await api.remember(f"{number}")
    cursor = (await api.get("/api/v1/memories", limit=1)).json["next_cursor"]
    async with connected(api) as client:
        answer = await told(client, "memtrace_search", cursor=cursor)
        assert [one["content"] for one in answer["results"]] == ["1", "0"]
        assert "invalid_cursor" in await refusal(client, "memtrace_search", cursor=cursor[:-2])


async def test_what_a_model_sent_is_not_sent_back_to_it(api: Api) -> None:
    large = {f"key {number}": PROSE for number in range(600)}
    async with connected(api) as client:
        opened = await client.call_tool("memtrace_session_create", {"agent_id": "a", "metadata": large})
        refused = await client.call_tool("memtrace_search", {"x" * 100_000: 1})
    assert not opened.is_error
    assert size(opened) < 200
    assert estimate(text_of(refused)) < 300


async def test_a_context_is_never_beyond_the_cap(api: Api) -> None:
    rare = "\u1c5a"
    batch = [
        {"agent_id": "a", "session_id": "s1", "content": f"{number} {rare * 78}"} for number in range(100)
    ]
    assert (await api.post("/api/v1/memories", {"memories": batch})).status == 201
    async with connected(api) as client:
        for given in ({}, {"max_tokens": 100_000}):
            result = await client.call_tool("memtrace_session_context", {"session_id": "s1", **given})
            assert size(result) < CAP
            assert result.structured_content["tokens"] <= PAGE_TOKENS
            assert result.structured_content["truncated"] is True
