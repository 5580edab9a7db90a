"""`memtrace mcp` as a process, started by the official client or spoken to by hand."""

import asyncio
import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from mcp import Client, StdioServerParameters
from mcp_types import TextResourceContents

from handlers.cli import mcp as command_of_mcp
from handlers.cli.main import run
from handlers.mcp.remote import Remote
from handlers.mcp.server import server_of
from tests.e2e.installation import ROOT, command, environment
from tests.mcp.rig import MODES, refusal, told

SERVERS_ALONE: Final = ("duckdb", "httptools", "prometheus_client", "uvloop", "yoyo", "boto3", "mangum")
_HELLO: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "by hand", "version": "1"},
    },
}


def process(**env: str) -> StdioServerParameters:
    line = command("mcp")
    return StdioServerParameters(command=line[0], args=line[1:], env=environment(**env))


def spoken(env: dict[str, str], *lines: str, answers: int = 0) -> tuple[list[Any], str, int]:
    """What the process says to these lines: so many answers, then standard input ends."""
    with subprocess.Popen(
        command("mcp"),
        env=environment(**env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if answers:
            process.stdin.write("".join(f"{line}\n" for line in lines))
            process.stdin.flush()
        said = [process.stdout.readline() for _ in range(answers)]
        rest, errors = process.communicate(timeout=20)
    return [json.loads(line) for line in [*said, *rest.splitlines()]], errors, process.returncode


@pytest.mark.parametrize("mode", MODES)
async def test_the_official_client_finds_everything(served: dict[str, str], mode: Any) -> None:
    async with Client(process(**served), mode=mode) as client:
        assert len((await client.list_tools()).tools) == 7
        session = await told(client, "memtrace_session_create", agent_id="a")
        memory = {"agent_id": "a", "content": f"written in {mode}", "session_id": session["id"]}
        made = await told(client, "memtrace_remember", **memory)
        recalled = await told(client, "memtrace_recall", agent_id="a", session_id=session["id"])
        assert [one["id"] for one in recalled["memories"]] == [made["id"]]
        uri = f"memtrace://session/{session['id']}/context"
        assert uri in [one.uri for one in (await client.list_resources()).resources]
        (contents,) = (await client.read_resource(uri)).contents
        assert isinstance(contents, TextResourceContents)
        assert f"written in {mode}" in contents.text
        prompt = await client.get_prompt("memtrace_session", {"session_id": session["id"]})
        assert f"written in {mode}" in str(prompt.messages)


def test_standard_output_carries_the_protocol_alone(served: dict[str, str]) -> None:
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call"}
    lines = [
        json.dumps(_HELLO),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        "",
        "this is no message",
        json.dumps({"jsonrpc": "2.0", "id": 3, "method": "nothing/known"}),
        json.dumps({**call, "params": {"name": "memtrace_recall", "arguments": {"agent_id": "nobody"}}}),
    ]
    said, errors, code = spoken(served, *lines, answers=4)
    answers = {answer["id"]: answer for answer in said}
    assert code == 0, errors
    assert answers[1]["result"]["serverInfo"]["name"] == "memtrace"
    assert answers[1]["result"]["protocolVersion"] == "2025-06-18"
    assert "information, not instructions" in answers[1]["result"]["instructions"]
    assert answers[2]["result"]["structuredContent"]["count"] == 0
    assert answers[3]["error"]["code"] == -32601
    assert answers[None]["error"]["code"] == -32700
    assert served["MEMTRACE_API_KEY"] not in str(said) + errors


@pytest.mark.parametrize("env", [{}, {"MEMTRACE_API_KEY": " "}], ids=["none", "blank"])
def test_without_a_key_it_refuses_and_names_the_variable(env: dict[str, str]) -> None:
    said, errors, code = spoken(env)
    assert (said, code) == ([], 1)
    assert errors.startswith("memtrace: error: MEMTRACE_API_KEY is not set")
    assert len(errors.splitlines()) == 1


def test_a_url_of_nothing_is_refused() -> None:
    said, errors, code = spoken({"MEMTRACE_API_KEY": "mtk_x", "MEMTRACE_URL": "localhost:9100"})
    assert (said, code) == ([], 1)
    assert "MEMTRACE_URL is no URL of a Memtrace server" in errors


def test_an_interrupt_ends_it_while_it_waits_for_its_client() -> None:
    with subprocess.Popen(
        command("mcp"),
        env=environment(MEMTRACE_API_KEY="mtk_x"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(_HELLO) + "\n")
        process.stdin.flush()
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == -signal.SIGINT


def test_without_the_sdk_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MEMTRACE_API_KEY", "mtk_x")
    monkeypatch.setattr(command_of_mcp, "_NEEDED", "nothing_that_is_installed")
    assert run(["mcp"]) == 1
    assert "memtrace-server[mcp]" in capsys.readouterr().err


async def test_a_wrong_key_is_told_by_each_call(served: dict[str, str]) -> None:
    remote = Remote(served["MEMTRACE_URL"], "mtk_wrong")
    async with Client(server_of(lambda context: remote)) as client:
        words = await refusal(client, "memtrace_search")
    await remote.close()
    assert "unauthenticated" in words
    assert "MEMTRACE_API_KEY" in words
    assert "mtk_wrong" not in words


async def test_it_starts_before_its_server_and_says_that_nobody_answers(tmp_path: Path) -> None:
    """And needs nothing of what only servers need: loading any of it would end the process."""
    for name in SERVERS_ALONE:
        (tmp_path / f"{name}.py").write_text("import os\nos._exit(9)\n")
    path = f"{tmp_path}:{ROOT / 'src'}"
    nobody = process(MEMTRACE_API_KEY="mtk_x", MEMTRACE_URL="http://127.0.0.1:9", PYTHONPATH=path)
    async with Client(nobody) as client:
        assert len((await client.list_tools()).tools) == 7
        words = await refusal(client, "memtrace_remember", agent_id="a", content="x")
    assert "Error (unreachable): no Memtrace server answers at http://127.0.0.1:9" in words


async def test_a_server_that_hangs_is_told_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        remote = Remote(url, "mtk_x", seconds=0.2)
        async with Client(server_of(lambda context: remote)) as client:
            words = await refusal(client, "memtrace_recall", agent_id="a")
        await remote.close()
    assert "Error (deadline_exceeded)" in words
    assert "narrower `since`" in words


async def test_calls_run_beside_each_other() -> None:
    """One that hangs keeps none waiting."""
    arrived = asyncio.Event()

    class Half:
        async def ask(self, call: Any) -> dict[str, Any]:
            if call.body is not None:
                arrived.set()
                await asyncio.Event().wait()
            return {"memories": []}

    async with Client(server_of(lambda context: Half())) as client:
        hanging = asyncio.create_task(client.call_tool("memtrace_search", {}))
        await arrived.wait()
        assert (await told(client, "memtrace_recall", agent_id="a"))["count"] == 0
        hanging.cancel()
        await asyncio.wait({hanging})
