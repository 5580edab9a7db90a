"""The seven tools, called by the official client over HTTP."""

import json
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS

from core.model.errors import InvalidRequest, StoreUnreachable
from handlers.mcp.arguments import Remember, parsed
from handlers.mcp.tools import TOOLS
from tests.api.rig import Api
from tests.mcp.rig import MODES, connected, refusal, text_of, told

CONTRACT = {
    "memtrace_remember": "agent_id content memory_type? event_type? session_id? tags? importance? metadata?",
    "memtrace_recall": "agent_id since? session_id? memory_type? limit? cursor?",
    "memtrace_search": "agent_id? content_contains? memory_types? tags? since? min_importance?"
    " limit? cursor?",
    "memtrace_decide": "agent_id decision reasoning",
    "memtrace_session_create": "agent_id metadata?",
    "memtrace_session_context": "session_id since? include_types? max_tokens?",
    "memtrace_agent_register": "name description?",
}
LONG = "r" * 70_000
WRONG: list[tuple[str, dict[str, Any], list[str]]] = [
    ("memtrace_remember", {"agent_id": "a"}, ["invalid_request", "content is required", "content"]),
    ("memtrace_remember", {"agent_id": "a b", "content": "x"}, ["agent_id must be a letter"]),
    ("memtrace_remember", {"agent_id": "a", "content": "x", "tags": "t"}, ["tags must be a list"]),
    ("memtrace_remember", {"agent_id": "a", "content": "x", "importance": 2}, ["must be at most 1"]),
    ("memtrace_decide", {"agent_id": "a", "reasoning": "r"}, ["decision is required"]),
    ("memtrace_decide", {"agent_id": "a", "decision": "", "reasoning": "r"}, ["Argument: decision"]),
    ("memtrace_decide", {"agent_id": "a", "decision": "d", "reasoning": LONG}, ["reasoning must be"]),
    ("memtrace_recall", {"agent_id": "a", "since": "yesterday"}, ["Argument: since"]),
    ("memtrace_recall", {"agent_id": "a", "memory_type": "fact"}, ["one of episodic, session, decision"]),
    ("memtrace_recall", {"agent_id": "a", "cursor": "nonsense"}, ["invalid_cursor", "without `cursor`"]),
    ("memtrace_recall", {"agent_id": "a", "cursor": "part.x"}, ["for this order.\nHint: start again"]),
    ("memtrace_search", {"limit": 2.5}, ["limit must be a whole number"]),
    ("memtrace_search", {"limit": 1e300}, ["Argument: limit"]),
    ("memtrace_search", {"limit": 5_000}, ["limit must be at most 1000"]),
    ("memtrace_search", {"content": "x"}, ["content is not known", "did you mean `content_contains`?"]),
    ("memtrace_search", {"zzz": 1}, ["zzz is not known", "the tool takes agent_id,"]),
    ("memtrace_session_context", {"session_id": "../me"}, ["session_id must be a letter"]),
    ("memtrace_agent_register", {"name": ""}, ["name is required"]),
]  # fmt: skip
READERS = {"memtrace_recall", "memtrace_search", "memtrace_session_context"}


async def test_there_are_seven_tools_with_these_parameters(api: Api) -> None:
    async with connected(api) as client:
        tools = (await client.list_tools()).tools
    found = {}
    for tool in tools:
        required = tool.input_schema.get("required", [])
        names = tool.input_schema["properties"]
        found[tool.name] = " ".join(name if name in required else f"{name}?" for name in names)
    assert found == CONTRACT


async def test_defaults_are_told(api: Api) -> None:
    async with connected(api) as client:
        tools = {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}
    assert tools["memtrace_recall"]["since"]["default"] == "24h"
    assert [tools[name]["limit"]["default"] for name in ("memtrace_recall", "memtrace_search")] == [50, 50]


async def test_annotations_say_what_a_client_may_ask(api: Api) -> None:
    async with connected(api) as client:
        hints = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
    for name, hint in hints.items():
        assert hint is not None
        assert hint.read_only_hint is (name in READERS)
        assert hint.idempotent_hint is (name != "memtrace_session_create")
        assert hint.destructive_hint is False
        assert hint.open_world_hint is False


async def test_schemas_hold_nothing_that_some_clients_cannot_read(api: Api) -> None:
    async with connected(api) as client:
        tools = (await client.list_tools()).tools
    for tool in tools:
        assert tool.output_schema is not None
        for schema in (tool.input_schema, tool.output_schema):
            assert schema["type"] == "object"
            assert "$ref" not in json.dumps(schema)
            assert '"null"' not in json.dumps(schema)
        assert tool.input_schema["additionalProperties"] is False
        assert tool.description
        assert tool.title


@pytest.mark.every_door
async def test_every_tool_answers_by_its_schema(api: Api) -> None:
    async with connected(api) as client:
        session = await told(client, "memtrace_session_create", agent_id="crawler", metadata={"goal": "x"})
        memory = {"agent_id": "crawler", "content": "found 3 links", "session_id": session["id"]}
        made = await told(
            client, "memtrace_remember", **memory, tags=["shop"], importance=0.5, metadata={"n": 3}
        )
        assert (session["agent_id"], session["status"], made["status"]) == ("crawler", "active", "created")
        await told(client, "memtrace_decide", agent_id="crawler", decision="stop", reasoning="enough")
        recalled = await told(client, "memtrace_recall", agent_id="crawler")
        assert [one["content"] for one in recalled["memories"]] == ["stop", "found 3 links"]
        found = await told(client, "memtrace_search", content_contains="3 links", tags=["shop"])
        assert [one["id"] for one in found["results"]] == [made["id"]]
        context = await told(client, "memtrace_session_context", session_id=session["id"])
        assert "found 3 links" in context["context"]
        agent = await told(client, "memtrace_agent_register", name="crawler", description="crawls")
        assert (agent["name"], agent["created"]) == ("crawler", True)


@pytest.mark.parametrize("mode", MODES)
async def test_both_generations_of_the_protocol_are_spoken(api: Api, mode: str) -> None:
    async with connected(api, mode) as client:
        assert len((await client.list_tools()).tools) == len(TOOLS)
        assert (await told(client, "memtrace_recall", agent_id="a"))["count"] == 0


async def test_text_and_structured_content_say_the_same(api: Api) -> None:
    await api.remember("naïve – 記憶")
    async with connected(api) as client:
        result = await client.call_tool("memtrace_recall", {"agent_id": "agent_a"})
    assert json.loads(text_of(result)) == result.structured_content
    assert "記憶" in text_of(result)


async def test_a_memory_comes_with_what_a_model_needs(api: Api) -> None:
    more = {"tags": ["t"], "importance": 0.5, "metadata": {"k": [1]}, "parent_id": "p", "session_id": "s1"}
    stored = await api.remember("x", memory_type="entity", event_type="note", **more)
    async with connected(api) as client:
        (memory,) = (await told(client, "memtrace_search"))["results"]
    assert memory == {name: stored[name] for name in stored if name not in ("org_id", "dedup_key")}


async def test_an_equal_memory_is_told_and_is_no_error(api: Api) -> None:
    stored = await api.remember("same")
    async with connected(api) as client:
        made = await told(client, "memtrace_remember", agent_id="agent_a", content="same")
    assert made == {"status": "duplicate", "id": stored["id"]}


async def test_a_decision_keeps_its_reasoning(api: Api) -> None:
    async with connected(api) as client:
        made = await told(client, "memtrace_decide", agent_id="a", decision="wait", reasoning="rate limit")
    memory = (await api.get(f"/api/v1/memories/{made['id']}")).json
    assert (memory["memory_type"], memory["event_type"], memory["content"]) == (
        "decision",
        "decision",
        "wait",
    )
    assert memory["metadata"] == {"reasoning": "rate limit"}


async def test_recall_is_of_the_last_day_unless_asked_otherwise(api: Api) -> None:
    await api.remember("now", session_id="s1", memory_type="entity")
    await api.remember("too", session_id="s2")
    async with connected(api) as client:
        filters: list[tuple[dict[str, Any], int]] = [
            ({}, 2),
            ({"session_id": "s1"}, 1),
            ({"memory_type": "entity"}, 1),
            ({"since": "now"}, 0),
            ({"limit": 1}, 1),
        ]
        for given, count in filters:
            assert (await told(client, "memtrace_recall", agent_id="agent_a", **given))["count"] == count, (
                given
            )


async def test_recall_finds_what_was_written_under_an_agents_id(api: Api) -> None:
    async with connected(api) as client:
        agent = await told(client, "memtrace_agent_register", name="crawler")
        await told(client, "memtrace_remember", agent_id=agent["id"], content="by id")
        assert (await told(client, "memtrace_recall", agent_id="crawler"))["count"] == 1


async def test_the_context_is_the_markdown_itself(api: Api) -> None:
    await api.remember("did it", session_id="s1")
    async with connected(api) as client:
        result = await client.call_tool("memtrace_session_context", {"session_id": "s1"})
    assert text_of(result).startswith("## Session Context (s1)\n\n### Recent Actions (1)\n")
    assert result.structured_content["context"] == text_of(result)


async def test_a_context_keeps_the_budget_and_the_types(api: Api) -> None:
    await api.remember("x" * 400, session_id="s1")
    await api.remember("a fact", session_id="s1", memory_type="entity")
    async with connected(api) as client:
        short = await told(client, "memtrace_session_context", session_id="s1", max_tokens=60)
        facts = await told(client, "memtrace_session_context", session_id="s1", include_types=["entity"])
    assert short["tokens"] <= 60
    assert short["truncated"] is True
    assert facts["memory_count"] == 1


async def test_a_budget_that_holds_nothing_still_leaves_words(api: Api) -> None:
    await api.remember("did it", session_id="s1")
    async with connected(api) as client:
        result = await client.call_tool("memtrace_session_context", {"session_id": "s1", "max_tokens": 1})
    assert '"omitted":1' in text_of(result)


async def test_an_agent_that_is_registered_already_is_told(api: Api) -> None:
    async with connected(api) as client:
        first = await told(client, "memtrace_agent_register", name="Ops Bot", description="one")
        again = await told(client, "memtrace_agent_register", name="Ops Bot", description="two")
    assert again == {**first, "created": False}


async def test_organizations_do_not_see_each_other(api: Api) -> None:
    await api.remember("ours")
    async with connected(api.as_("other")) as client:
        assert (await told(client, "memtrace_search"))["count"] == 0


async def test_arguments_that_are_null_or_empty_count_as_absent(api: Api) -> None:
    await api.remember("x")
    nothing = {"session_id": "", "memory_type": None, "since": None, "limit": None, "cursor": ""}
    async with connected(api) as client:
        assert (await told(client, "memtrace_recall", agent_id="agent_a", **nothing))["count"] == 1


async def test_a_whole_number_may_be_written_with_a_point(api: Api) -> None:
    for number in range(3):
        await api.remember(f"m{number}")
    async with connected(api) as client:
        given = {"agent_id": "agent_a", "limit": 2.0, "since": "1h"}
        assert (await told(client, "memtrace_recall", **given))["count"] == 2


# --- what goes wrong


async def test_an_error_names_the_argument_and_the_way_out(api: Api) -> None:
    async with connected(api) as client:
        for tool, arguments, says in WRONG:
            words = await refusal(client, tool, **arguments)
            assert [part for part in says if part not in words] == [], words
            assert "call again" in words.lower() or "call the tool again" in words


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no JSON"):
        parsed({"agent_id": "a", "content": "\ud800"}, Remember)


async def test_an_unknown_tool_is_an_error_of_the_protocol(api: Api) -> None:
    async with connected(api) as client:
        with pytest.raises(MCPError, match="Unknown tool: memtrace_forget") as raised:
            await client.call_tool("memtrace_forget", {})
    assert raised.value.code == INVALID_PARAMS


async def test_a_key_that_may_only_read_is_told_so_by_the_tools_that_write(api: Api) -> None:
    async with connected(api.as_("reader")) as client:
        assert (await told(client, "memtrace_search"))["count"] == 0
        for tool, arguments in (
            ("memtrace_remember", {"agent_id": "a", "content": "x"}),
            ("memtrace_session_create", {"agent_id": "a"}),
        ):
            words = await refusal(client, tool, **arguments)
            assert "lacks the permission `write`" in words
            assert "will not help" in words


async def test_a_key_that_may_only_write_can_still_remember(api: Api) -> None:
    async with connected(api.as_("writer")) as client:
        assert (await told(client, "memtrace_remember", agent_id="a", content="x"))["status"] == "created"
        assert "lacks the permission `read`" in await refusal(client, "memtrace_recall", agent_id="a")


async def test_an_organization_without_a_store_is_told_who_can_help(api: Api) -> None:
    async with connected(api.as_("unbound")) as client:
        words = await refusal(client, "memtrace_search")
    assert "no arc instance" in words
    assert "will not help" in words


class Broken:
    """A service that fails as it is told to."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def search(self, *_: object) -> None:
        raise self._error


async def test_a_failing_store_is_told_without_its_own_words(api: Api) -> None:
    broken = api.with_doors(recall=Broken(StoreUnreachable("cannot open /srv/secret", retry_after=7)))
    async with connected(broken) as client:
        words = await refusal(client, "memtrace_search")
    assert "store_unreachable" in words
    assert "Wait 7 s and call again" in words
    assert "/srv/secret" not in words


async def test_a_fault_of_ours_shows_neither_trace_nor_values(api: Api) -> None:
    broken = api.with_doors(recall=Broken(RuntimeError("mtk_secret in line 7")))
    async with connected(broken) as client:
        words = await refusal(client, "memtrace_search")
    assert "internal_error" in words
    assert "mtk_secret" not in words
    assert "RuntimeError" not in words
