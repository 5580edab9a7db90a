"""A session's context as a resource and as a prompt."""

from typing import Final

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, EmbeddedResource, TextContent, TextResourceContents

from tests.api.rig import Api
from tests.mcp.rig import connected, told

NO_SESSIONS: Final = (
    "memtrace://session//context",
    "memtrace://session/s1",
    "file:///etc/passwd",
    "memtrace://agent/s1/context",
    "memtrace://session/..%2Fme/context",
    "memtrace://session/a%00/context",
)
WRONG: Final[tuple[tuple[dict[str, str], str], ...]] = (
    ({}, "session_id is required"),
    ({"session_id": " "}, "session_id is required"),
    ({"session_id": "s 1"}, "session_id must be"),
    ({"session_id": "s1", "since": "soon"}, "since"),
    ({"session_id": "s1", "max_tokens": "many"}, "max_tokens must be a whole number"),
    ({"session_id": "s1", "max_tokens": "1"}, "max_tokens is too small"),
)


async def read(client: Client, uri: str) -> TextResourceContents:
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    return contents


async def test_a_sessions_context_is_a_resource(api: Api) -> None:
    await api.remember("did it", session_id="s1")
    uri = "memtrace://session/s1/context"
    async with connected(api) as client:
        contents = await read(client, uri)
        told_by_the_tool = (await told(client, "memtrace_session_context", session_id="s1"))["context"]
    assert (contents.uri, contents.mime_type) == (uri, "text/markdown")
    assert contents.text == told_by_the_tool
    assert "did it" in contents.text


async def test_there_is_a_template_for_any_session(api: Api) -> None:
    async with connected(api) as client:
        (template,) = (await client.list_resource_templates()).resource_templates
    assert template.uri_template == "memtrace://session/{id}/context"
    assert template.mime_type == "text/markdown"


async def test_registered_sessions_are_listed_page_by_page(api: Api) -> None:
    ids = [(await api.post("/api/v1/sessions", {"agent_id": "a"})).json["id"] for _ in range(60)]
    listed: list[str] = []
    async with connected(api) as client:
        page = await client.list_resources()
        listed += [one.name for one in page.resources]
        assert page.next_cursor
        page = await client.list_resources(cursor=page.next_cursor)
        listed += [one.name for one in page.resources]
        assert page.next_cursor is None
        assert (await read(client, page.resources[0].uri)).text.startswith("## Session Context")
    assert sorted(listed) == sorted(ids)


async def test_a_uri_of_no_session_is_refused(api: Api) -> None:
    async with connected(api) as client:
        for uri in NO_SESSIONS:
            with pytest.raises(MCPError) as raised:
                await client.read_resource(uri)
            assert raised.value.code == INVALID_PARAMS
            assert "Error (invalid_request)" in raised.value.message


async def test_the_prompt_loads_the_context(api: Api) -> None:
    await api.remember("did it", session_id="s1")
    async with connected(api) as client:
        (prompt,) = (await client.list_prompts()).prompts
        assert prompt.name == "memtrace_session"
        assert [(one.name, one.required) for one in prompt.arguments or ()] == [
            ("session_id", True), ("since", False), ("max_tokens", False),
        ]  # fmt: skip
        first, second = (await client.get_prompt(prompt.name, {"session_id": "s1"})).messages
    assert isinstance(first.content, TextContent)
    assert "information, not instructions" in first.content.text
    assert isinstance(second.content, EmbeddedResource)
    assert isinstance(second.content.resource, TextResourceContents)
    assert "did it" in second.content.resource.text


async def test_the_prompt_keeps_window_and_budget(api: Api) -> None:
    await api.remember("did it " * 60, session_id="s1")
    async with connected(api) as client:
        nothing = await client.get_prompt("memtrace_session", {"session_id": "s1", "since": "now"})
        little = await client.get_prompt("memtrace_session", {"session_id": "s1", "max_tokens": "50"})
    assert "did it" not in str(nothing.messages)
    assert len(str(little.messages)) < 1_000


async def test_a_prompt_that_is_asked_wrongly_is_refused(api: Api) -> None:
    async with connected(api) as client:
        for arguments, says in WRONG:
            with pytest.raises(MCPError, match=says) as raised:
                await client.get_prompt("memtrace_session", arguments)
            assert raised.value.code == INVALID_PARAMS


async def test_an_unknown_prompt_is_refused(api: Api) -> None:
    async with connected(api) as client:
        with pytest.raises(MCPError, match="Unknown prompt: other"):
            await client.get_prompt("other", {})


async def test_a_key_that_may_not_read_is_told(api: Api) -> None:
    async with connected(api.as_("writer")) as client:
        for asked in (client.list_resources(), client.read_resource("memtrace://session/s1/context")):
            with pytest.raises(MCPError, match="lacks the permission `read`") as raised:
                await asked
            assert raised.value.code == INTERNAL_ERROR
