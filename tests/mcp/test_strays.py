"""Lines on standard input that are no message: answered, and the messages round them handed on."""

from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from handlers.mcp.strays import answered, error_of

CALL = '{"jsonrpc": "2.0", "id": %s, "method": "tools/call", "params": %s}'


def read(line: str) -> SessionMessage | Exception:
    """As the SDK reads it."""
    try:
        return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValidationError as e:
        return e


def told_of(line: str) -> tuple[Any, int, str]:
    fault = read(line)
    assert isinstance(fault, Exception)
    error = error_of(fault)
    assert error is not None
    return error.id, error.error.code, error.error.message


@pytest.mark.parametrize("id", ["7", '"seven"'])
def test_a_call_with_half_a_surrogate_pair_is_answered_under_its_id(id: str) -> None:
    asked, code, words = told_of(CALL % (id, '{"content": "secret \\ud83d"}'))
    assert (asked, code) == (int(id) if id.isdigit() else id.strip('"'), types.PARSE_ERROR)
    assert "no Unicode" in words
    assert "secret" not in words


@pytest.mark.parametrize("line", ["secret", '{"id": 7', "[" * 100_000, '{"id": true, "x": "\\ud83d"}'])
def test_a_line_without_an_id_is_answered_under_none(line: str) -> None:
    asked, code, words = told_of(line)
    assert (asked, code) == (None, types.PARSE_ERROR)
    assert "secret" not in words


@pytest.mark.parametrize(
    ("line", "id"),
    [("[]", None), ('{"id": 7}', 7), (CALL % (7, "[1]"), 7), ('[{"id": 7}]', None)],
)
def test_json_that_is_no_message_is_answered(line: str, id: int | None) -> None:
    assert told_of(line) == (id, types.INVALID_REQUEST, "the line is not one message of JSON-RPC 2.0")


@pytest.mark.parametrize("line", ["", "  \n"])
def test_an_empty_line_is_passed_over(line: str) -> None:
    fault = read(line)
    assert isinstance(fault, Exception)
    assert error_of(fault) is None


async def test_messages_are_handed_on_in_order_and_the_end_is_too() -> None:
    lines = [CALL % (1, "{}"), "stray", "", CALL % (2, "{}")]
    put, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](9)
    outgoing, said = anyio.create_memory_object_stream[SessionMessage](9)
    onward, messages = anyio.create_memory_object_stream[SessionMessage](9)
    for line in lines:
        await put.send(read(line))
    await put.aclose()
    async with incoming, outgoing, said, messages:
        await answered(incoming, outgoing, onward)
        assert [one.message.id async for one in messages] == [1, 2]  # type: ignore[union-attr]
        assert isinstance(said.receive_nowait().message, types.JSONRPCError)
        with pytest.raises(anyio.WouldBlock):
            said.receive_nowait()


async def test_it_ends_where_nobody_listens_any_more() -> None:
    put, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](9)
    outgoing, said = anyio.create_memory_object_stream[SessionMessage](9)
    onward, messages = anyio.create_memory_object_stream[SessionMessage](9)
    async with put, incoming, outgoing, said:
        await put.send(read(CALL % (1, "{}")))
        await messages.aclose()
        with anyio.fail_after(5):
            await answered(incoming, outgoing, onward)
