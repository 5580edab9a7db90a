"""Four tools that a model can use, and whose failures a model and an operator can understand."""

import json
import logging
from typing import Any

import pytest
from agents import Agent, FunctionTool, Runner, Tool
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.tool_context import ToolContext
from memtrace import AsyncMemtrace

from openai_agents_memtrace import MemtraceSession, create_memtrace_tools

PARAMETERS = {
    "memtrace_remember": {"content", "memory_type", "event_type", "session_id", "tags", "importance"},
    "memtrace_recall": {"since", "session_id", "memory_type", "limit"},
    "memtrace_search": {
        "agent_id",
        "content_contains",
        "memory_types",
        "tags",
        "since",
        "min_importance",
        "limit",
    },
    "memtrace_decide": {"decision", "reasoning"},
}


@pytest.fixture
def tools(client: AsyncMemtrace, agent_id: str) -> dict[str, FunctionTool]:
    return named(create_memtrace_tools(client, agent_id=agent_id))


def named(tools: list[Tool]) -> dict[str, FunctionTool]:
    return {tool.name: tool for tool in tools if isinstance(tool, FunctionTool)}


async def call(tools: dict[str, FunctionTool], name: str, **given: Any) -> str:
    """What the model reads."""
    arguments = json.dumps(given)
    context = ToolContext(None, tool_name=name, tool_call_id="call_1", tool_arguments=arguments)
    answer = await tools[name].on_invoke_tool(context, arguments)
    assert isinstance(answer, str)
    return answer


async def found(tools: dict[str, FunctionTool], name: str, **given: Any) -> list[str]:
    return [memory["content"] for memory in json.loads(await call(tools, name, **given))["memories"]]


def logged(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    ours = [record for record in caplog.records if record.name == "openai_agents_memtrace"]
    return [(record.levelno, record.getMessage()) for record in ours]


async def test_there_are_four_tools_with_the_parameters_of_the_mcp_server(
    tools: dict[str, FunctionTool],
) -> None:
    assert {name: set(tool.params_json_schema["properties"]) for name, tool in tools.items()} == PARAMETERS


async def test_every_tool_and_parameter_is_explained_under_a_strict_schema(
    tools: dict[str, FunctionTool],
) -> None:
    for tool in tools.values():
        assert tool.description
        assert tool.strict_json_schema
        for name, schema in tool.params_json_schema["properties"].items():
            assert schema.get("description"), f"{tool.name}.{name}"
            assert "default" not in schema, "OpenAI refuses a strict schema with a default"


async def test_null_is_the_default_of_what_a_strict_schema_makes_a_model_give(
    tools: dict[str, FunctionTool], agent_id: str
) -> None:
    nothing = dict.fromkeys(["memory_type", "event_type", "session_id", "tags", "importance"])
    await call(tools, "memtrace_remember", content="said in full", **nothing)
    everything = dict.fromkeys(["since", "session_id", "memory_type", "limit"])
    (memory,) = json.loads(await call(tools, "memtrace_recall", **everything))["memories"]
    assert (memory["memory_type"], memory["event_type"]) == ("episodic", "general")


async def test_what_is_remembered_is_recalled_and_searched(tools: dict[str, FunctionTool]) -> None:
    memory = {"content": "Ada likes tea", "memory_type": "entity", "tags": ["ada"], "importance": 0.9}
    stored = json.loads(await call(tools, "memtrace_remember", **memory))
    assert stored["status"] == "stored"
    answer = json.loads(await call(tools, "memtrace_recall"))
    (recalled,) = answer["memories"]
    assert recalled["id"] == stored["id"]
    assert memory.items() <= recalled.items()
    assert (answer["count"], answer["has_more"]) == (1, False)
    searched = await found(tools, "memtrace_search", tags=["ada"], content_contains="tea", min_importance=0.8)
    assert "Ada likes tea" in searched
    assert await found(tools, "memtrace_recall", memory_type="decision") == []


async def test_an_equal_memory_is_no_failure(tools: dict[str, FunctionTool]) -> None:
    await call(tools, "memtrace_remember", content="twice")
    assert json.loads(await call(tools, "memtrace_remember", content="twice"))["status"] == "duplicate"
    assert await found(tools, "memtrace_recall") == ["twice"]


async def test_a_decision_has_its_reasoning(tools: dict[str, FunctionTool]) -> None:
    await call(tools, "memtrace_decide", decision="Use tea", reasoning="Ada likes it")
    answer = json.loads(await call(tools, "memtrace_recall", memory_type="decision"))
    (decision,) = answer["memories"]
    assert (decision["content"], decision["event_type"]) == ("Use tea", "decision")
    assert decision["metadata"] == {"reasoning": "Ada likes it"}


async def test_agents_find_what_others_remember_and_recall_their_own(
    client: AsyncMemtrace, agent_id: str
) -> None:
    one = named(create_memtrace_tools(client, f"{agent_id}_1"))
    other = named(create_memtrace_tools(client, f"{agent_id}_2"))
    await call(one, "memtrace_remember", content=f"known to all of {agent_id}")
    assert await found(other, "memtrace_recall") == []
    assert await found(other, "memtrace_search", content_contains=f"all of {agent_id}") != []
    assert await found(other, "memtrace_search", agent_id=f"{agent_id}_2") == []


async def test_what_is_written_joins_the_session_given(
    client: AsyncMemtrace, agent_id: str, session_id: str
) -> None:
    tools = named(create_memtrace_tools(client, agent_id, session_id=session_id))
    await call(tools, "memtrace_remember", content="a")
    await call(tools, "memtrace_remember", content="b", session_id=f"{session_id}_other")
    await call(tools, "memtrace_decide", decision="c", reasoning="d")
    in_session = (await client.get_session_memories(session_id)).memories
    assert [memory.content for memory in in_session] == ["c", "a"]
    assert await found(tools, "memtrace_recall", session_id=session_id) == ["c", "a"]


async def test_conversations_stay_out_of_what_tools_find(
    client: AsyncMemtrace, agent_id: str, session_id: str, tools: dict[str, FunctionTool]
) -> None:
    session = MemtraceSession(client, agent_id, session_id)
    await session.add_items([{"role": "user", "content": f"about {agent_id}"}])
    await call(tools, "memtrace_remember", content=f"note on {agent_id}", memory_type="session")
    assert await found(tools, "memtrace_recall") == []
    assert await found(tools, "memtrace_search", content_contains=agent_id) == []
    assert await found(tools, "memtrace_recall", memory_type="session") == [f"note on {agent_id}"]


async def test_an_answer_is_short_enough_to_read(
    tools: dict[str, FunctionTool], client: AsyncMemtrace, agent_id: str
) -> None:
    for number in range(20):
        await client.remember(agent_id, f"{number} " + "x" * 5_000)
    text = await call(tools, "memtrace_recall")
    answer = json.loads(text)
    assert len(text) < 61_000
    assert answer["has_more"] is True
    assert answer["count"] == len(answer["memories"]) == 14
    assert all(memory["cut"] and len(memory["content"]) == 4_000 for memory in answer["memories"])


async def test_metadata_that_is_too_large_is_left_out(
    tools: dict[str, FunctionTool], client: AsyncMemtrace, agent_id: str
) -> None:
    await client.remember(agent_id, "small", metadata={"page": "x" * 3_000})
    await client.remember(agent_id, "large", metadata={"page": "x" * 5_000})
    large, small = json.loads(await call(tools, "memtrace_recall"))["memories"]
    assert (large["cut"], large.get("metadata")) == (True, None)
    assert (small.get("cut"), small["metadata"]["page"][:1]) == (None, "x")


async def test_a_limit_says_that_there_is_more(tools: dict[str, FunctionTool]) -> None:
    for content in ("a", "b", "c"):
        await call(tools, "memtrace_remember", content=content)
    answer = json.loads(await call(tools, "memtrace_recall", limit=2))
    assert (answer["count"], answer["has_more"]) == (2, True)


@pytest.mark.parametrize(
    "given", [{}, {"content": "x", "importance": 2}, {"content": "x", "memory_type": "dream"}]
)
async def test_arguments_that_do_not_fit_are_explained(
    tools: dict[str, FunctionTool], given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    answer = await call(tools, "memtrace_remember", **given)
    assert answer == "These arguments do not fit the tool's schema. Correct them and try again."
    said = "memtrace_remember was called with arguments that do not fit its schema"
    assert logged(caplog) == [(logging.WARNING, said)]


async def test_a_refusal_says_what_to_correct(
    tools: dict[str, FunctionTool], caplog: pytest.LogCaptureFixture
) -> None:
    answer = await call(tools, "memtrace_remember", content="x", event_type="two words")
    assert answer.startswith("Memtrace refused this: event_type must be")
    ((level, message),) = logged(caplog)
    assert level == logging.WARNING
    assert message.startswith("memtrace_remember was refused: event_type must be")


async def test_a_failure_reaches_the_log_and_the_model_goes_on(
    client: AsyncMemtrace, agent_id: str, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    wire.loses = lambda request: True
    model = ScriptedModel(
        [
            [function_call("memtrace_remember", {"content": "a secret"}, call_id="call_1")],
            [assistant_message("My memory is not available.")],
        ]
    )
    agent = Agent(name="assistant", model=model, tools=create_memtrace_tools(client, agent_id))
    result = await Runner.run(agent, "Remember this.")
    assert result.final_output == "My memory is not available."
    assert model.last_call is not None
    assert "Memory is not available now." in str(model.last_call.input[-1])
    assert logged(caplog) == [(logging.ERROR, "memtrace_remember failed: ReadError: lost")]
