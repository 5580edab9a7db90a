"""What `docs/mcp.md` tells users to paste, parsed and run with the official client."""

import asyncio
import json
import re
import sys
from typing import Any, Final

import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from tests.e2e.installation import ROOT, environment

PAGE: Final = (ROOT / "docs" / "mcp.md").read_text()
CLIENTS: Final = {
    "Claude Code": ("mcpServers", "${MEMTRACE_API_KEY}"),
    "Claude Desktop": ("mcpServers", "mtk_replace_me"),
    "Cursor": ("mcpServers", "${env:MEMTRACE_API_KEY}"),
    "VS Code": ("servers", "${input:memtrace-key}"),
    "Windsurf": ("mcpServers", "${env:MEMTRACE_API_KEY}"),
    "Zed": ("context_servers", "mtk_replace_me"),
}
URL: Final = "https://memtrace.example.com"
COMMANDS_ONLY: Final = {"Claude Desktop"}


def snippets(client: str) -> list[Any]:
    """The JSON in the part about this client."""
    _, _, rest = PAGE.partition(f"\n## {client}\n")
    part, _, _ = rest.partition("\n## ")
    return [json.loads(found) for found in re.findall(r"```json\n(.*?)```", part, re.DOTALL)]


def entries(client: str) -> list[dict[str, Any]]:
    root, _ = CLIENTS[client]
    return [snippet[root]["memtrace"] for snippet in snippets(client)]


def filled(value: Any, client: str, env: dict[str, str]) -> Any:
    """As the client fills in what stands for the key, with a server that is here."""
    _, stands_for_the_key = CLIENTS[client]
    text = json.dumps(value).replace(stands_for_the_key, env["MEMTRACE_API_KEY"])
    text = text.replace(URL, env["MEMTRACE_URL"]).replace("http://localhost:9100", env["MEMTRACE_URL"])
    return json.loads(text)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_has_both_transports_where_it_knows_both(client: str) -> None:
    kinds = ["command" if "command" in entry else "url" for entry in entries(client)]
    assert kinds == (["command"] if client in COMMANDS_ONLY else ["command", "url"])


def test_vs_code_asks_for_what_it_fills_in() -> None:
    for snippet in snippets("VS Code"):
        (asked,) = snippet["inputs"]
        assert asked["password"] is True
        assert f"${{input:{asked['id']}}}" in json.dumps(snippet["servers"])


@pytest.mark.parametrize("client", CLIENTS)
def test_commands_are_started_as_the_snippet_says(client: str, served: dict[str, str]) -> None:
    entry = filled(entries(client)[0], client, served)
    assert (entry["command"], entry["args"]) == ("memtrace", ["mcp"])
    assert entry["env"] == served


async def test_the_command_works(served: dict[str, str]) -> None:
    """The same one for every client: the test above says so."""
    entry = filled(entries("Zed")[0], "Zed", served)
    args = ["-m", "memtrace_server", *entry["args"]]
    started = StdioServerParameters(command=sys.executable, args=args, env=environment(**entry["env"]))
    async with Client(started) as client:
        result = await client.call_tool("memtrace_recall", {"agent_id": "nobody"})
    assert not result.is_error


async def test_urls_and_headers_work(served: dict[str, str]) -> None:
    async def tried(client: str) -> int:
        entry = filled(entries(client)[1], client, served)
        url = entry.get("serverUrl") or entry["url"]
        assert entry.get("type", "http") == "http"
        async with (
            httpx2.AsyncClient(headers=entry["headers"]) as http,
            Client(streamable_http_client(url, http_client=http)) as connected,
        ):
            return len((await connected.list_tools()).tools)

    tries = [tried(client) for client in CLIENTS if client not in COMMANDS_ONLY]
    assert await asyncio.gather(*tries) == [7] * 5


def test_the_tools_of_the_page_are_those_of_the_server() -> None:
    from handlers.mcp.tools import TOOLS

    rows = re.findall(r"^\| `(memtrace_\w+)` \| (.*?) \|", PAGE, re.MULTILINE)
    assert [name for name, _ in rows] == [tool.name for tool in TOOLS]
    for (name, arguments), tool in zip(rows, TOOLS, strict=True):
        documented = re.findall(r"`(\w+)", arguments)
        assert documented == list(tool.takes.__struct_fields__), name


async def test_the_error_on_the_page_is_what_a_model_reads(served: dict[str, str]) -> None:
    async with httpx2.AsyncClient(headers={"x-api-key": served["MEMTRACE_API_KEY"]}) as http:
        url = f"{served['MEMTRACE_URL']}/mcp"
        async with Client(streamable_http_client(url, http_client=http)) as client:
            result = await client.call_tool("memtrace_recall", {"agent_id": "a", "since": "yesterday"})
    (example,) = re.findall(r"```\n(Error .*?)```", PAGE, re.DOTALL)
    (block,) = result.content
    assert isinstance(block, TextContent)
    assert block.text.partition("\n(request ")[0] == example.strip()
