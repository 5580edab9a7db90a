"""A session keeps what the runner gives it, in any process that knows its id."""

import asyncio
import logging
import os
import subprocess
import sys
from typing import Any, cast

import httpx
import pytest
from agents import Agent, Runner, TResponseInputItem
from agents.memory import Session, SessionSettings
from agents.testing import ScriptedModel, assistant_message, function_call
from memtrace import AsyncMemtrace, ListOptions, MemtraceError

from openai_agents_memtrace import MemtraceSession, create_memtrace_tools


@pytest.fixture
def session(client: AsyncMemtrace, agent_id: str, session_id: str) -> MemtraceSession:
    return MemtraceSession(client, agent_id, session_id)


def said(*texts: str) -> list[TResponseInputItem]:
    return [cast(TResponseInputItem, {"role": "user", "content": text}) for text in texts]


def contents(items: list[TResponseInputItem]) -> list[Any]:
    return [cast(dict[str, Any], item)["content"] for item in items]


async def test_it_is_a_session_to_the_framework(session: MemtraceSession) -> None:
    assert isinstance(session, Session)


async def test_a_new_session_is_registered_and_empty(client: AsyncMemtrace, agent_id: str) -> None:
    session = await MemtraceSession.create(client, agent_id, metadata={"goal": "test"})
    registered = await client.get_session(session.session_id)
    assert (registered.agent_id, registered.metadata) == (agent_id, {"goal": "test"})
    assert await session.get_items() == []
    assert await session.pop_item() is None
    await session.clear_session()


async def test_items_come_back_in_their_order(session: MemtraceSession) -> None:
    await session.add_items(said("one", "two"))
    await session.add_items(said("three"))
    assert await session.get_items() == said("one", "two", "three")


async def test_nothing_is_added_for_no_items(session: MemtraceSession) -> None:
    await session.add_items([])
    assert await session.get_items() == []


async def test_equal_items_are_all_kept(session: MemtraceSession) -> None:
    await session.add_items(said("yes", "yes"))
    await session.add_items(said("yes"))
    assert contents(await session.get_items()) == ["yes"] * 3


async def test_a_limit_gives_the_newest_items_the_oldest_first(session: MemtraceSession) -> None:
    await session.add_items(said("one", "two", "three"))
    assert contents(await session.get_items(2)) == ["two", "three"]
    assert await session.get_items(0) == []
    assert contents(await session.get_items(9)) == ["one", "two", "three"]


@pytest.mark.parametrize("settings", [SessionSettings(limit=1), {"limit": 1}], ids=["typed", "mapping"])
async def test_settings_limit_what_nobody_limits(
    client: AsyncMemtrace, agent_id: str, session_id: str, settings: Any
) -> None:
    session = MemtraceSession(client, agent_id, session_id, session_settings=settings)
    await session.add_items(said("one", "two"))
    assert contents(await session.get_items()) == ["two"]
    assert contents(await session.get_items(5)) == ["one", "two"]


async def test_more_items_than_a_page_come_back_in_order(session: MemtraceSession) -> None:
    texts = [str(number) for number in range(1_203)]
    await session.add_items(said(*texts))
    assert contents(await session.get_items()) == texts
    assert contents(await session.get_items(1_100)) == texts[-1_100:]


async def test_any_text_survives(session: MemtraceSession) -> None:
    items = said('quotes " and \\', "日本語 👩‍🚀", "half of a pair: \ud83d", "\x00\u2028")
    await session.add_items(items)
    assert await session.get_items() == items


async def test_an_item_larger_than_a_memory_is_one_item(session: MemtraceSession) -> None:
    large = "é👩" * 150_000
    await session.add_items(said("before", large, "after"))
    assert contents(await session.get_items()) == ["before", large, "after"]
    assert contents(await session.get_items(2)) == [large, "after"]
    assert await session.pop_item() == said("after")[0]
    assert await session.pop_item() == said(large)[0]
    assert await session.get_items() == said("before")


async def test_items_may_be_larger_together_than_a_request(session: MemtraceSession) -> None:
    items = said(*[f"{number}" + '"👩' * 40_000 for number in range(20)])
    await session.add_items(items)
    assert await session.get_items() == items


async def test_an_item_that_is_too_large_is_refused_before_anything_is_written(
    session: MemtraceSession,
) -> None:
    with pytest.raises(
        ValueError, match=r"an item \(user\) has 9000028 bytes as JSON; a session takes up to"
    ):
        await session.add_items(said("small", "x" * 9_000_000))
    assert await session.get_items() == []


async def test_popping_takes_the_newest_item(session: MemtraceSession) -> None:
    await session.add_items(said("one", "two"))
    assert await session.pop_item() == said("two")[0]
    assert await session.get_items() == said("one")
    assert await session.pop_item() == said("one")[0]
    assert await session.pop_item() is None


async def test_a_deletion_whose_answer_is_lost_takes_one_item_only(
    session: MemtraceSession, wire: Any
) -> None:
    await session.add_items(said("one", "two"))
    wire.once("DELETE")
    assert await session.pop_item() == said("two")[0]
    assert [line.split()[0] for line in wire.seen].count("DELETE") == 2
    assert await session.get_items() == said("one")


async def test_a_write_whose_answer_is_lost_adds_its_items_once(session: MemtraceSession, wire: Any) -> None:
    wire.once("POST")
    await session.add_items(said("one", "two"))
    assert len(wire.seen) == 2
    assert await session.get_items() == said("one", "two")


async def test_clearing_takes_the_items_and_nothing_else(
    session: MemtraceSession, client: AsyncMemtrace, session_id: str
) -> None:
    await session.add_items(said(*map(str, range(20))))
    await client.remember("another", f"a fact {session_id}", session_id=session_id)
    await client.remember("another", f"a note {session_id}", session_id=session_id, memory_type="session")
    await session.clear_session()
    assert await session.get_items() == []
    left = await client.get_session_memories(session_id)
    assert [memory.content[:6] for memory in left.memories] == ["a note", "a fact"]
    await session.add_items(said("again"))
    assert await session.get_items() == said("again")


async def test_clearing_twice_at_once_does_no_harm(session: MemtraceSession) -> None:
    await session.add_items(said(*map(str, range(10))))
    await asyncio.gather(session.clear_session(), session.clear_session())
    assert await session.get_items() == []


async def test_sessions_do_not_see_each_other(client: AsyncMemtrace, agent_id: str, session_id: str) -> None:
    one, other = (MemtraceSession(client, agent_id, f"{session_id}_{n}") for n in (1, 2))
    await one.add_items(said("one"))
    await other.add_items(said("other"))
    await other.clear_session()
    assert await one.get_items() == said("one")


async def test_what_is_no_item_is_left_out_with_a_warning(
    session: MemtraceSession, client: AsyncMemtrace, agent_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    await session.add_items(said("one"))
    about: dict[str, Any] = {"memory_type": "session", "event_type": "conversation_item"}
    for content in ("no JSON", "[]"):
        await client.remember(agent_id, content, session_id=session.session_id, **about)
    assert await session.get_items() == said("one")
    warnings = [record.message for record in caplog.records if "left out" in record.message]
    assert len(warnings) == 2
    assert all(one.startswith("session item left out, it is no JSON object: memory mem_") for one in warnings)


async def test_a_large_item_that_was_not_written_whole_is_left_out(
    session: MemtraceSession, client: AsyncMemtrace, caplog: pytest.LogCaptureFixture
) -> None:
    await session.add_items(said("one", "x" * 600_000, "two"))
    listed = await client.list_memories(ListOptions(session_id=session.session_id, order="asc"))
    middle = [memory for memory in listed.memories if (memory.metadata or {}).get("part") == 1]
    await client.delete_memory(str(middle[0].id))
    assert contents(await session.get_items()) == ["one", "two"]
    assert "2 of 3 parts are there" in caplog.text


async def test_a_failure_is_logged_and_raised(
    session: MemtraceSession, wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    wire.loses = lambda request: True
    for call in (session.get_items, session.pop_item, session.clear_session):
        with pytest.raises(httpx.ReadError):
            await call()
        assert f"{call.__name__} of session {session.session_id} failed: ReadError" in caplog.text
    with pytest.raises(httpx.ReadError):
        await session.add_items(said("a secret"))
    assert "add_items of session" in caplog.text
    assert "a secret" not in caplog.text


async def test_a_clearing_that_fails_can_be_called_again(session: MemtraceSession, wire: Any) -> None:
    await session.add_items(said(*map(str, range(30))))
    wire.loses = lambda request: request.method == "DELETE"
    with pytest.raises(httpx.ReadError):
        await session.clear_session()
    wire.loses = lambda request: False
    await session.clear_session()
    assert await session.get_items() == []


async def test_an_error_of_the_server_is_logged_and_raised_as_it_is(
    client: AsyncMemtrace, caplog: pytest.LogCaptureFixture
) -> None:
    session = MemtraceSession(client, "agent", "no id!")
    with pytest.raises(MemtraceError, match="session_id"):
        await session.add_items(said("one"))
    (record,) = [record for record in caplog.records if record.name == "openai_agents_memtrace"]
    assert record.levelno == logging.ERROR
    assert "failed: MemtraceError: " in record.message


async def test_the_runner_goes_on_where_it_stopped(
    client: AsyncMemtrace, agent_id: str, session_id: str
) -> None:
    model = ScriptedModel(
        [
            [function_call("memtrace_remember", {"content": "Ada likes tea"}, call_id="call_1")],
            [assistant_message("I will remember that.")],
            [assistant_message("You like tea.")],
        ]
    )
    agent = Agent(name="assistant", model=model, tools=create_memtrace_tools(client, agent_id))
    await Runner.run(agent, "I am Ada and like tea.", session=MemtraceSession(client, agent_id, session_id))
    again = MemtraceSession(client, agent_id, session_id)
    result = await Runner.run(agent, "What do I like?", session=again)
    assert result.final_output == "You like tea."
    assert model.last_call is not None
    assert [item.get("type", item.get("role")) for item in model.last_call.input] == [
        "user",
        "function_call",
        "function_call_output",
        "message",
        "user",
    ]
    model.assert_complete()


async def test_a_streamed_run_is_kept_too(session: MemtraceSession) -> None:
    agent = Agent(name="assistant", model=ScriptedModel([[assistant_message("Hello.")]]))
    streamed = Runner.run_streamed(agent, "Hi.", session=session)
    async for _ in streamed.stream_events():
        pass
    kept = [cast(dict[str, Any], item)["role"] for item in await session.get_items()]
    assert kept == ["user", "assistant"]


async def test_another_process_goes_on_with_the_session(
    client: AsyncMemtrace, agent_id: str, session_id: str
) -> None:
    script = """
import asyncio, sys
from memtrace import AsyncMemtrace
from openai_agents_memtrace import MemtraceSession

async def main():
    async with AsyncMemtrace() as client:
        session = MemtraceSession(client, sys.argv[1], sys.argv[2])
        await session.add_items([{"role": "user", "content": "from another process"}])

asyncio.run(main())
"""
    line = [sys.executable, "-c", script, agent_id, session_id]
    await asyncio.to_thread(subprocess.run, line, check=True, env=dict(os.environ), timeout=60)
    items = await MemtraceSession(client, agent_id, session_id).get_items()
    assert items == said("from another process")


async def test_items_are_memories_of_the_agent(
    session: MemtraceSession, client: AsyncMemtrace, session_id: str, agent_id: str
) -> None:
    await session.add_items(said("Größe 42"))
    (memory,) = (await client.get_session_memories(session_id)).memories
    assert (memory.agent_id, memory.memory_type) == (agent_id, "session")
    assert (memory.event_type, memory.content) == (
        "conversation_item",
        '{"role":"user","content":"Größe 42"}',
    )
