"""The official client, connected to the API of a test: in one process, or behind functions in Lambda."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.api.rig import Api

MODES: Final = ("legacy", "auto")
"""The handshake of the protocol's versions up to 2025-11-25, and the requests by themselves of 2026-07-28."""


class _Through(httpx2.AsyncBaseTransport):
    """Hands requests to where the API of a test is."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
        answer = await self._api.client.request(
            request.method, request.url.path, content=content, headers=headers
        )
        return httpx2.Response(
            answer.status_code, headers=answer.headers.raw, content=answer.content, request=request
        )


@asynccontextmanager
async def connected(api: Api, mode: Any = "auto") -> AsyncIterator[Client]:
    """The client with the key of `api`."""
    headers = {"x-api-key": api.key} if api.key else {}
    async with (
        httpx2.AsyncClient(transport=_Through(api), headers=headers) as http,
        Client(streamable_http_client("http://memtrace/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def text_of(result: CallToolResult) -> str:
    """The text of a result: there is one, and nothing else."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


async def told(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured content of a call that went well; the client has checked it against the schema."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    assert result.structured_content is not None
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    """The words of a call that went wrong."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert result.structured_content is None
    return text_of(result)
