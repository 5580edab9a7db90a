"""Commands for a deployment: what is asked of the admin function, and what becomes of its answer."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.model.errors import InvalidRequest, Unavailable
from handlers.cli import remote
from handlers.cli.main import run
from handlers.cli.remote import carried_out
from handlers.lambda_admin import handler

_STACKS = """<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
<DescribeStacksResult><Stacks><member><StackName>prod</StackName><StackStatus>CREATE_COMPLETE</StackStatus>
<CreationTime>2026-11-21T00:00:00Z</CreationTime><Outputs>%s</Outputs>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>"""
_OUTPUT = "<member><OutputKey>%s</OutputKey><OutputValue>prod-admin</OutputValue></member>"


class Cloud:
    """CloudFormation and Lambda, as far as a command asks them."""

    def __init__(self) -> None:
        self.invoked: list[tuple[str, dict[str, Any]]] = []
        self.outputs = _OUTPUT % "AdminFunctionName"
        self.payload: bytes | None = None
        self.function_error = ""
        cloud = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if "/functions/" in self.path:
                    cloud.invoked.append((self.path.split("/")[3], json.loads(body)))
                    payload = cloud.payload
                    if payload is None:
                        payload = json.dumps(handler(json.loads(body), None)).encode()
                else:
                    payload = (_STACKS % cloud.outputs).encode()
                self.send_response(200)
                if cloud.function_error:
                    self.send_header("x-amz-function-error", cloud.function_error)
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    cloud = Cloud()
    for name, value in {
        "AWS_ENDPOINT_URL": cloud.url,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "MEMTRACE_AUTH_DB_PATH": str(tmp_path / "memtrace.db"),
        "MEMTRACE_MASTER_KEY": base64.b64encode(bytes(32)).decode(),
    }.items():
        monkeypatch.setenv(name, value)
    thread = threading.Thread(target=cloud.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield cloud
    cloud.server.shutdown()
    thread.join()
    cloud.server.server_close()


def test_a_command_for_a_stack_is_carried_out_by_its_admin_function(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--stack", "prod", "org", "create", "acme", "--json"]) == 0
    assert cloud.invoked == [
        ("prod-admin", {"arguments": ["org", "create", "acme", "--json"], "input": "", "confirmed": False})
    ]
    out = capsys.readouterr().out
    assert '"name": "acme"' in out


def test_a_function_may_be_named_itself(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.outputs = ""
    assert run(["--function", "mine", "org", "show", "org_nobody"]) == 1
    assert cloud.invoked[0][0] == "mine"
    assert "org_nobody" in capsys.readouterr().err


def test_options_of_commands_are_passed_on_as_they_are(cloud: Cloud) -> None:
    cloud.payload = b'{"exit_code": 0, "output": "", "errors": "", "question": ""}'
    run(["--function", "mine", "forget", "--org", "x", "--before", "90d", "--dry-run", "--help"])
    assert cloud.invoked[0][1]["arguments"] == [
        "forget",
        "--org",
        "x",
        "--before",
        "90d",
        "--dry-run",
        "--help",
    ]


def test_a_stack_without_an_admin_function_is_told(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.outputs = _OUTPUT % "Other"
    assert run(["--stack", "prod", "org", "list"]) == 1
    assert "no output AdminFunctionName" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("payload", "failed"),
    [(b'{"errorType": "Sandbox.Timedout"}', "Unhandled"), (b"garbage", ""), (b"[]", ""), (b"{}", "")],
)
def test_no_answer_is_an_error_and_is_not_asked_for_again(
    cloud: Cloud, payload: bytes, failed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.payload, cloud.function_error = payload, failed
    assert run(["--function", "mine", "org", "list"]) == 1
    assert len(cloud.invoked) == 1
    assert "the admin function" in capsys.readouterr().err


def test_a_cloud_that_cannot_be_reached_is_told(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert run(["--stack", "prod", "org", "list"]) == 1
    assert "could not be reached" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--stack", "a", "--function", "b", "org", "list"], "not both"),
        (["--stack", "a", "--config", "c.toml", "org", "list"], "--config is of no use"),
        (["--stack", "a"], "name the command"),
        (["--stack", "a", "backup", "file"], "works on the machine"),
        (["--stack", "a", "keygen", "master"], "works on the machine"),
    ],
)
def test_what_makes_no_sense_for_a_deployment_is_refused_here(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 1
    assert told in capsys.readouterr().err


def answers(*given: dict[str, Any]) -> tuple[remote.Invoke, list[dict[str, Any]]]:
    waiting, asked = list(given), []

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        asked.append(event)
        return waiting.pop(0)

    return invoke, asked


def test_a_question_is_asked_here_and_the_consent_brought_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "confirmed", lambda question, yes: question == "Really?")
    invoke, asked = answers({"question": "Really?"}, {"exit_code": 0})
    assert carried_out(["org", "delete", "x"], invoke) == 0
    assert [event["confirmed"] for event in asked] == [False, True]


def test_without_consent_nothing_is_done() -> None:
    invoke, asked = answers({"question": "Really?"})
    with pytest.raises(InvalidRequest, match="not confirmed"):
        carried_out(["org", "delete", "x"], invoke)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("arguments", "brought"),
    [
        (["org", "add-arc", "x", "--api-key", "-"], "secret\n"),
        (["org", "set-admin-key", "x"], "secret\n"),
        (["org", "set-admin-key", "x", "--remove"], ""),
        (["org", "set-admin-key", "x", "--admin-key=k"], ""),
        (["org", "list"], ""),
    ],
)
def test_input_is_read_only_where_the_command_reads_it(
    arguments: list[str], brought: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    invoke, asked = answers({"exit_code": 0})
    carried_out(arguments, invoke)
    assert asked[0]["input"] == brought


def test_an_answer_without_an_exit_code_is_no_answer() -> None:
    invoke, _ = answers({"output": "fine"})
    with pytest.raises(Unavailable, match="no answer that can be read"):
        carried_out(["org", "list"], invoke)
