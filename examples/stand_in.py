"""Runs an example without a model: a scripted stand-in answers in the place of Anthropic and OpenAI.

    python examples/stand_in.py examples/claude/single_agent.py [ARGUMENTS]

The example is run as it is, in a process of its own; only the base URLs and keys of the providers point
here. What the stand-in says is in scripts/. A script is a list of scenes; the first one whose `when` is in
the model's first request is played, turn by turn. Calls that do not fit the tools of the request are
refused, as is a request beyond the script.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class OutOfScript(Exception):
    """The example asked for what its script does not have."""


class Script:
    """The turns of the scene that fits; each is said once."""

    def __init__(self, path: Path) -> None:
        self._scenes: list[dict[str, Any]] = json.loads(path.read_text())
        self._turns: list[dict[str, Any]] | None = None

    def next_turn(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the model says now. Raises OutOfScript when a turn expects what the request does not have."""
        seen = json.dumps(request, ensure_ascii=False)
        if self._turns is None:
            fitting = (scene["turns"] for scene in self._scenes if scene.get("when", "") in seen)
            self._turns = list(next(fitting, []))
        if not self._turns:
            raise OutOfScript("the script has no more turns")
        turn = self._turns.pop(0)
        for text in turn.get("expects", []):
            if text not in seen:
                raise OutOfScript(f"the request does not have {text!r}")
        for call in turn.get("calls", []):
            _check(call, request.get("tools", []))
        return turn

    @property
    def is_over(self) -> bool:
        return not self._turns


def _check(call: dict[str, Any], tools: list[dict[str, Any]]) -> None:
    tool = next((tool for tool in tools if tool.get("name") == call["name"]), None)
    if tool is None:
        raise OutOfScript(f"the request has no tool {call['name']}")
    schema = tool.get("input_schema") or tool.get("parameters") or {}
    unknown = set(call["input"]) - set(schema.get("properties", {}))
    missing = set(schema.get("required", [])) - set(call["input"])
    if unknown or missing:
        raise OutOfScript(f"{call['name']}: no parameters {sorted(unknown)}, missing {sorted(missing)}")


def anthropic_message(turn: dict[str, Any], number: int) -> dict[str, Any]:
    """The turn as Anthropic's Messages API answers."""
    content: list[dict[str, Any]] = [
        {"type": "tool_use", "id": f"toolu_{number}_{index}", "name": call["name"], "input": call["input"]}
        for index, call in enumerate(turn.get("calls", []))
    ]
    if "says" in turn:
        content.insert(0, {"type": "text", "text": turn["says"]})
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "stand-in",
        "content": content,
        "stop_reason": "tool_use" if turn.get("calls") else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


def openai_response(turn: dict[str, Any], number: int) -> dict[str, Any]:
    """The turn as OpenAI's Responses API answers."""
    output: list[dict[str, Any]] = [
        {
            "type": "function_call",
            "id": f"fc_{number}_{index}",
            "call_id": f"call_{number}_{index}",
            "name": call["name"],
            "arguments": json.dumps(call["input"]),
            "status": "completed",
        }
        for index, call in enumerate(turn.get("calls", []))
    ]
    if "says" in turn:
        text = {"type": "output_text", "text": turn["says"], "annotations": []}
        output.append(
            {
                "type": "message",
                "id": f"msg_{number}",
                "role": "assistant",
                "status": "completed",
                "content": [text],
            }
        )
    return {
        "id": f"resp_{number}",
        "object": "response",
        "created_at": 0,
        "model": "stand-in",
        "status": "completed",
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 1,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 1,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 2,
        },
    }


FORMS = {"/v1/messages": anthropic_message, "/v1/responses": openai_response}


class StandIn(ThreadingHTTPServer):
    """Both providers on one free port of this machine. Examples send one request at a time."""

    daemon_threads = True

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self._script = script
        self._held: dict[str, dict[str, Any]] = {}
        self.errors: list[str] = []

    def answer(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        """What the provider answers. Raises KeyError for an unknown path, and OutOfScript."""
        form = FORMS[path]
        whole = self._whole(request)
        answer = form(self._script.next_turn(whole), len(self._held))
        said = {"role": "assistant", "content": answer.get("content")}
        self._held[answer["id"]] = {**whole, "messages": [*whole.get("messages", []), said]}
        return answer

    def _whole(self, request: dict[str, Any]) -> dict[str, Any]:
        """With what the provider holds of the conversation: message threads send only what is new."""
        thread = request.get("thread") or {}
        if thread.get("type") != "continue":
            return request
        held = self._held[thread["previous_message_id"]]
        return {**held, **request, "messages": [*held["messages"], *request["messages"]]}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One request of a provider's client."""

    server: StandIn

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self._answer(200, self.server.answer(self.path.partition("?")[0], request))
        except (KeyError, OutOfScript) as error:
            self.server.errors.append(str(error))
            self._answer(400, {"error": {"type": "invalid_request_error", "message": str(error)}})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the example speaks."""


class NotAsScripted(Exception):
    """The example went beyond its script, or ended before it."""


@contextmanager
def standing_in(script: Path) -> Iterator[dict[str, str]]:
    """The variables that make clients of both providers ask the stand-in. Raises NotAsScripted in the end."""
    told = Script(script)
    with StandIn(told) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield {
                "ANTHROPIC_BASE_URL": server.url,
                "ANTHROPIC_API_KEY": "stand-in",
                "OPENAI_BASE_URL": f"{server.url}/v1",
                "OPENAI_API_KEY": "stand-in",
                "OPENAI_AGENTS_DISABLE_TRACING": "1",
            }
        finally:
            server.shutdown()
    problems = [*server.errors, *([] if told.is_over else ["the example ended before its script"])]
    if problems:
        raise NotAsScripted("; ".join(problems))


def script_of(example: Path) -> Path:
    """Where the script of an example is, if there is one."""
    inside = example.relative_to(HERE) if example.is_relative_to(HERE) else Path(example.name)
    return HERE / "scripts" / ("_".join(inside.with_suffix("").parts) + ".json")


def main() -> int:
    """Runs what the command line names; the exit status of the example, or 1."""
    if len(sys.argv) < 2:
        raise SystemExit("usage: stand_in.py EXAMPLE [ARGUMENTS]")
    example = Path(sys.argv[1]).resolve()
    script = script_of(example)
    if not script.exists():
        raise SystemExit(
            f"stand-in: no script for {sys.argv[1]}; an example without a model is run by itself"
        )
    line = [sys.executable, str(example), *sys.argv[2:]]
    try:
        with standing_in(script) as variables:
            return subprocess.run(line, env={**os.environ, **variables}, check=False).returncode
    except NotAsScripted as problem:
        print(f"stand-in: {problem}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
