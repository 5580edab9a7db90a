"""`memtrace rekey` and what the doctor says of it, over a real database."""

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from handlers.cli.main import run

OLD, NEW = (base64.b64encode(letter * 32).decode() for letter in (b"o", b"n"))


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


class Terminal:
    """Runs commands on one installation."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def keys(self, current: str, previous: str = "") -> None:
        self._monkeypatch.setenv("MEMTRACE_MASTER_KEY", current)
        self._monkeypatch.setenv("MEMTRACE_MASTER_KEY_PREVIOUS", previous)

    def types(self, *arguments: str) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = run(arguments)
        told = self._capsys.readouterr()
        return code, told.out, told.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self.types(*arguments, "--json")[1])

    def bind(self, name: str) -> str:
        org = str(self.json("org", "create", name)["id"])
        asked = ("--url", "https://127.0.0.1:1", "--api-key", "arc-key-0123456789", "--database", "acme")
        assert self.types("org", "add-arc", org, *asked)[0] == 0
        return org

    def finding(self, what: str) -> dict[str, str] | None:
        return next((one for one in self.json("doctor") if one["what"] == what), None)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEMTRACE_AUTH_DB_PATH", str(tmp_path / "memtrace.db"))
    made = Terminal(monkeypatch, capsys)
    made.keys(OLD)
    return made


def test_a_change_of_the_key_from_end_to_end(terminal: Terminal) -> None:
    orgs = [terminal.bind(name) for name in ("Acme", "Other")]
    terminal.keys(NEW, OLD)
    assert terminal.types("rekey", "--dry-run")[:2] == (
        0,
        "2 would be sealed anew, 0 sealed with this master key already\n",
    )
    assert terminal.types("rekey")[:2] == (0, "2 sealed anew, 0 sealed with this master key already\n")
    terminal.keys(NEW)
    assert terminal.types("rekey")[:2] == (0, "0 sealed anew, 2 sealed with this master key already\n")
    for org in orgs:
        assert terminal.types("org", "show-arc", org)[0] == 0
    terminal.keys(OLD)
    assert terminal.types("org", "show-arc", orgs[0])[0] == 1


def test_what_no_key_opens_is_named_with_exit_code_1(terminal: Terminal) -> None:
    lost = terminal.bind("Lost")
    terminal.keys(NEW)
    kept = terminal.bind("Kept")
    code, told, errors = terminal.types("rekey")
    assert (code, told) == (1, "0 sealed anew, 1 sealed with this master key already\n")
    assert f"{lost} is left as it is: the stored Arc key of {lost} does not open" in errors
    assert kept not in errors
    assert OLD not in errors
    assert NEW not in errors


def test_scripts_are_told_in_json(terminal: Terminal) -> None:
    lost = terminal.bind("Lost")
    terminal.keys(NEW)
    told = terminal.json("rekey", "--dry-run")
    assert {**told, "left": None} == {
        "resealed": 0,
        "current": 0,
        "locked": 1,
        "changing": 0,
        "dry_run": True,
        "left": None,
    }
    assert [(one["org_id"], one["outcome"]) for one in told["left"]] == [(lost, "locked")]


def test_the_doctor_tells_of_rows_sealed_with_an_earlier_key(terminal: Terminal) -> None:
    assert terminal.finding("sealing") is None
    terminal.bind("Acme")
    assert (terminal.finding("sealing") or {})["verdict"] == "ok"
    terminal.keys(NEW, OLD)
    found = terminal.finding("sealing") or {}
    assert (found["verdict"], found["told"]) == ("warn", "1 of 1 with an earlier master key")
    assert "memtrace rekey" in found["advice"]
    terminal.keys(NEW)
    assert terminal.finding("sealing") is None


def test_the_doctor_says_where_the_key_is_missing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal.keys("")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("MEMTRACE_MASTER_KEY_SECRET_ARN", "arn:none")
    found = terminal.finding("master key") or {}
    assert found["verdict"] == "fail"
    assert found["told"].startswith("the secret arn:none cannot be read (NoRegion")
    assert "set AWS_REGION" in found["advice"]
