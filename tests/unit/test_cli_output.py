"""What commands print."""

import json
import sys
from io import StringIO

import pytest

from handlers.cli.output import cell, clean, confirmed, problem, record, records


class Terminal(StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        return True


def looked_at(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Makes the standard streams a terminal. In the test itself: pytest sets them anew before it."""
    screen = Terminal()
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, screen)
    return screen


_ROWS = [{"id": "org_1", "name": "Acme", "extra": 1}, {"id": "org_22", "name": "", "extra": 2}]
_COLUMNS = {"id": "ID", "name": "NAME"}


def test_a_table_in_a_pipe_is_plain_and_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    records(_ROWS, _COLUMNS, as_json_=False, empty="none")
    assert capsys.readouterr().out.splitlines() == ["ID      NAME", "org_1   Acme", "org_22  -"]


def test_a_table_on_a_terminal_holds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    person = looked_at(monkeypatch)
    records(_ROWS, _COLUMNS, as_json_=False, empty="none")
    assert "org_22" in person.getvalue()
    assert "NAME" in person.getvalue()


def test_markup_in_a_name_is_not_obeyed_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    person = looked_at(monkeypatch)
    records([{"id": "[red]x[/red]", "name": "[/]"}], _COLUMNS, as_json_=False, empty="none")
    assert "[red]x[/red]" in person.getvalue()


def test_an_empty_table_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    records([], _COLUMNS, as_json_=False, empty="no organizations")
    assert capsys.readouterr().out == "no organizations\n"


def test_json_holds_every_key_and_is_an_array_even_when_empty(capsys: pytest.CaptureFixture[str]) -> None:
    records(_ROWS, _COLUMNS, as_json_=True, empty="none")
    assert json.loads(capsys.readouterr().out) == _ROWS
    records([], _COLUMNS, as_json_=True, empty="none")
    assert json.loads(capsys.readouterr().out) == []


def test_one_thing_is_lines_for_people_and_an_object_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    record({"id": "org_1", "created_at": None}, as_json_=False)
    assert capsys.readouterr().out.splitlines() == ["id          org_1", "created at  -"]
    record({"id": "org_1"}, as_json_=True)
    assert json.loads(capsys.readouterr().out) == {"id": "org_1"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), ("", "-"), (True, "yes"), (False, "no"), (["a", "b"], "a,b"), ([], "-"), (0, "0")],
)
def test_values_look_as_people_expect(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_nobodys_text_can_drive_a_terminal() -> None:
    assert clean("a\x1b[2Jb\x07\nc\u202e") == "a\\x1b[2Jb\\x07\\nc\\u202e"
    assert clean("a\nb\tc\r", kept="\n\t") == "a\nb\tc\\r"


def test_an_error_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    problem("it is\nbroken", "mend it")
    assert capsys.readouterr().err == "memtrace: error: it is\\nbroken (mend it)\n"


def test_a_script_must_say_yes_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("y\n"))
    assert not confirmed("Delete?", yes=False)
    assert confirmed("Delete?", yes=True)


@pytest.mark.parametrize(("answer", "goes_on"), [("y", True), (" YES ", True), ("", False), ("n", False)])
def test_a_person_is_asked(monkeypatch: pytest.MonkeyPatch, answer: str, goes_on: bool) -> None:
    person = looked_at(monkeypatch)
    assert confirmed("Delete?", yes=False, ask=lambda _: answer) is goes_on
    assert "Delete? [y/N]" in person.getvalue()
