"""The admin function: commands inside a deployment, with nothing secret in its log."""

import base64
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from handlers import lambda_admin
from handlers.lambda_admin import handler

CONTEXT = SimpleNamespace(aws_request_id="11-22")


@pytest.fixture(autouse=True)
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMTRACE_AUTH_DB_PATH", str(tmp_path / "memtrace.db"))
    monkeypatch.setenv("MEMTRACE_MASTER_KEY", base64.b64encode(bytes(32)).decode())


def ran(*arguments: str, **more: Any) -> dict[str, Any]:
    return handler({"arguments": list(arguments), **more}, CONTEXT)


def org_id() -> str:
    return str(json.loads(ran("org", "create", "acme", "--json")["output"])["id"])


def test_a_command_is_carried_out_and_answered() -> None:
    made = org_id()
    answer = ran("org", "list", "--json")
    assert answer["exit_code"] == 0
    assert [org["id"] for org in json.loads(answer["output"])] == [made]
    assert (answer["errors"], answer["question"]) == ("", "")


def test_an_error_comes_back_with_its_exit_code() -> None:
    answer = ran("org", "show", "org_nobody")
    assert answer["exit_code"] == 1
    assert "not found" in answer["errors"]


def test_what_cannot_be_undone_is_asked_for_first_and_done_once_confirmed() -> None:
    made = org_id()
    asked = ran("org", "delete", made)
    assert asked["exit_code"] == 1
    assert made in asked["question"]
    assert ran("org", "show", made)["exit_code"] == 0
    done = ran("org", "delete", made, confirmed=True)
    assert (done["exit_code"], done["question"]) == (0, "")
    assert ran("org", "show", made)["exit_code"] == 1


def test_a_secret_is_read_from_the_input_and_is_in_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    made, key = org_id(), "arc-key-that-nobody-may-see"
    answer = ran("org", "add-arc", made, "--url", "http://127.0.0.1:1", "--api-key", "-", input=f"{key}\n")
    assert answer["exit_code"] == 0, answer
    shown = ran("org", "show-arc", made)["output"]
    logged = capsys.readouterr()
    assert "arc-...-see" in shown
    assert key not in logged.out + logged.err + shown
    assert "acme" not in logged.out


def test_the_log_says_which_command_ran_and_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    made = org_id()
    key = json.loads(ran("key", "create", "--org", made, "--name", "ci", "--json")["output"])["key"]
    ran("org", "show", "org_nobody")
    ran("no", "such", "command")
    out = capsys.readouterr().out
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["command"], line["exit_code"]) for line in lines] == [
        ("org create", 0),
        ("key create", 0),
        ("org show", 1),
        ("?", 2),
    ]
    assert {line["aws_request_id"] for line in lines} == {"11-22"}
    assert key not in out


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        {},
        {"arguments": "org list"},
        {"arguments": []},
        {"arguments": ["org", 1]},
        {"arguments": ["x"] * 201},
        {"arguments": ["org", "list"], "input": 1},
        {"arguments": ["org", "list"], "confirmed": "yes"},
        {"arguments": ["--stack", "other", "org", "list"]},
        {"arguments": ["--config", "/etc/passwd", "org", "list"]},
    ],
)
def test_an_event_of_another_form_is_refused(event: object) -> None:
    answer = handler(event, CONTEXT)
    assert answer["exit_code"] == 2
    assert answer["errors"].startswith("memtrace: error: ")


@pytest.mark.parametrize("command", ["serve", "dev", "backup", "export", "keygen master"])
def test_a_command_about_the_callers_machine_is_refused(command: str) -> None:
    answer = ran(*command.split())
    assert answer["exit_code"] == 2
    assert "works on the machine it is called on" in answer["errors"]


def test_an_answer_too_large_for_a_function_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lambda_admin, "_MOST_BYTES", 10)
    answer = ran("org", "list")
    assert (answer["exit_code"], answer["output"]) == (1, "")
    assert "too large" in answer["errors"]


def test_a_defect_is_told_by_its_kind_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(arguments: object) -> int:
        raise RuntimeError("with a secret in it")

    monkeypatch.setattr(lambda_admin, "run", broken)
    answer = ran("org", "list")
    assert answer["errors"] == "memtrace: error: internal error (RuntimeError)\n"
    assert "secret" not in capsys.readouterr().out


def test_the_streams_are_the_functions_own_afterwards() -> None:
    before = (sys.stdin, sys.stdout, sys.stderr)
    ran("org", "list")
    assert (sys.stdin, sys.stdout, sys.stderr) == before
