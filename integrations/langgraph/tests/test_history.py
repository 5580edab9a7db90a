"""A chat message history keeps messages of all kinds, in any process that knows its id."""

from typing import Any

import httpx
import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from memtrace import Memtrace

from langgraph_memtrace import MemtraceChatMessageHistory


@pytest.fixture
def history(threaded: Memtrace, session_id: str, agent_id: str) -> MemtraceChatMessageHistory:
    return MemtraceChatMessageHistory(threaded, session_id, agent_id=agent_id)


CONVERSATION: list[BaseMessage] = [
    SystemMessage("Be brief."),
    HumanMessage([{"type": "text", "text": "Weather in Köln?"}], id="human-1", name="ada"),
    AIMessage("", tool_calls=[{"name": "weather", "args": {"city": "Köln"}, "id": "call_1"}]),
    ToolMessage("rain", tool_call_id="call_1", artifact={"mm": 3}),
    AIMessage("Rain.", response_metadata={"model": "m"}, usage_metadata=None),
]


def test_messages_of_all_kinds_come_back_as_they_were(
    history: MemtraceChatMessageHistory, threaded: Memtrace, session_id: str
) -> None:
    assert history.messages == []
    history.add_messages(CONVERSATION[:2])
    history.add_messages(CONVERSATION[2:])
    assert MemtraceChatMessageHistory(threaded, session_id).messages == CONVERSATION


def test_equal_messages_are_all_kept(history: MemtraceChatMessageHistory) -> None:
    history.add_user_message("yes")
    history.add_ai_message("yes")
    history.add_user_message("yes")
    assert [(message.type, message.content) for message in history.messages] == [
        ("human", "yes"),
        ("ai", "yes"),
        ("human", "yes"),
    ]
    assert str(history) == "Human: yes\nAI: yes\nHuman: yes"


def test_half_of_a_surrogate_pair_survives(history: MemtraceChatMessageHistory) -> None:
    history.add_user_message("cut: \ud83d")
    assert history.messages[0].content == "cut: \ud83d"


def test_more_messages_than_a_page_come_back_in_order(history: MemtraceChatMessageHistory) -> None:
    history.add_messages([HumanMessage(str(number)) for number in range(1_101)])
    assert [message.content for message in history.messages] == [str(number) for number in range(1_101)]


def test_messages_may_be_larger_together_than_a_request(history: MemtraceChatMessageHistory) -> None:
    sent: list[BaseMessage] = [HumanMessage("👩" * 60_000, id=str(number)) for number in range(20)]
    history.add_messages(sent)
    assert history.messages == sent


def test_clearing_takes_the_messages_and_nothing_else(
    history: MemtraceChatMessageHistory, threaded: Memtrace, session_id: str, agent_id: str
) -> None:
    history.add_messages([HumanMessage(str(number)) for number in range(20)])
    threaded.remember(agent_id, "a fact", session_id=session_id)
    history.clear()
    assert history.messages == []
    assert [memory.content for memory in threaded.iter_session_memories(session_id)] == ["a fact"]


def test_a_deletion_whose_answer_is_lost_is_done(history: MemtraceChatMessageHistory, wire: Any) -> None:
    history.add_user_message("one")
    wire.once("DELETE")
    history.clear()
    assert history.messages == []


def test_a_write_whose_answer_is_lost_adds_its_messages_once(
    history: MemtraceChatMessageHistory, wire: Any
) -> None:
    wire.once("POST")
    history.add_user_message("one")
    assert len(history.messages) == 1


def test_a_clearing_that_fails_says_so_and_can_be_called_again(
    history: MemtraceChatMessageHistory, wire: Any
) -> None:
    history.add_messages([HumanMessage(str(number)) for number in range(20)])
    wire.loses = lambda request: request.method == "DELETE"
    with pytest.raises(httpx.ReadError):
        history.clear()
    wire.loses = lambda request: False
    history.clear()
    assert history.messages == []


def test_a_message_that_is_too_large_is_refused_before_anything_is_written(
    history: MemtraceChatMessageHistory,
) -> None:
    with pytest.raises(ValueError, match=r"a message has \d+ bytes as JSON; the most is 262144"):
        history.add_messages([HumanMessage("small"), HumanMessage("x" * 262_144)])
    assert history.messages == []


async def test_the_async_calls_do_the_same(history: MemtraceChatMessageHistory) -> None:
    await history.aadd_messages(CONVERSATION)
    assert await history.aget_messages() == CONVERSATION
    await history.aclear()
    assert await history.aget_messages() == []


def test_a_message_of_any_class_is_kept_as_its_class(history: MemtraceChatMessageHistory) -> None:
    history.add_message(RemoveMessage("human-1"))
    assert history.messages == [RemoveMessage("human-1")]
