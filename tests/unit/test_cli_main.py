"""The command line as a whole: exit codes, and one line for whatever goes wrong."""

import base64
import json
import tomllib
from pathlib import Path

import pytest
import typer

from core.model.errors import ConfigurationError
from core.version import VERSION
from handlers.cli import main as command_line
from handlers.cli.main import run

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Makes `memtrace` end with this error."""

    class Command:
        def main(self, **_: object) -> None:
            raise error

    monkeypatch.setattr(command_line, "get_command", lambda _: Command())


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert run(["version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version": project["version"]}
    assert run(["version"]) == 0
    assert capsys.readouterr().out == f"memtrace {VERSION}\n"


def test_keygen_prints_a_key_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keygen", "master"]) == 0
    out = capsys.readouterr().out
    assert len(base64.b64decode(out.strip(), validate=True)) == 32


def test_settings_are_shown_with_their_origin_and_without_secrets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "memtrace.toml").write_text("[server]\nport = 9200\n")
    monkeypatch.setenv("MEMTRACE_MASTER_KEY", base64.b64encode(b"s" * 32).decode())
    monkeypatch.setenv("MEMTRACE_LOG_LEVEL", "debug")
    assert run(["config", "show", "--json"]) == 0
    printed = capsys.readouterr().out
    shown = {row["key"]: (row["value"], row["origin"]) for row in json.loads(printed)}
    assert shown["server.port"] == ("9200", "memtrace.toml")
    assert shown["log.level"] == ("debug", "MEMTRACE_LOG_LEVEL")
    assert shown["dedup.enabled"] == ("true", "default")
    assert base64.b64encode(b"s" * 32).decode() not in printed
    assert run(["config", "show"]) == 0
    assert "file: memtrace.toml" in capsys.readouterr().out


def test_a_warning_about_settings_goes_to_standard_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMTRACE_NONSENSE", "1")
    assert run(["config", "show", "--json"]) == 0
    told = capsys.readouterr()
    assert "MEMTRACE_NONSENSE" in told.err
    assert json.loads(told.out)


def test_an_error_of_ours_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", "/no/such/file", "config", "show"]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("memtrace: error: ")
    assert len(told.err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["org", "create"], ["key", "revoke", "x"], ["serve", "--port", "x"]]
)
def test_wrong_usage_is_one_line_with_a_way_out_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("memtrace: error: ")
    assert "--help`)" in err
    assert len(err.splitlines()) == 1


def test_a_group_without_its_command_shows_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["org"]) == 2
    assert "add-arc" in capsys.readouterr().err


def test_the_commands_of_the_contract_are_there() -> None:
    wanted = (
        "config show,dead list,dead purge,dead retry,dead show,dev,doctor,flusher,key create,key list,"
        "key revoke,keygen master,migrate,org add-arc,org create,org delete,org list,org remove-arc,"
        "org show-arc,serve,status,version".split(",")
    )
    assert set(wanted) <= set(command_line.commands())


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ["", *command_line.commands()]:
        assert run([*command.split(), "--help"]) == 0
        assert "Usage: memtrace" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigurationError("it is wrong", hint="mend it"), 1, "it is wrong (mend it)"),
        (
            ExceptionGroup("g", [ExceptionGroup("h", [ConfigurationError("deep inside")])]),
            1,
            "deep inside",
        ),
        (PermissionError(13, "Permission denied", "/x"), 1, "Permission denied: /x"),
        (OSError("odd"), 1, "odd"),
    ],
)
def test_what_goes_wrong_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    words: str,
) -> None:
    raising(monkeypatch, error)
    assert run([]) == code
    assert capsys.readouterr().err == f"memtrace: error: {words}\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_ctrl_c_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    raising(monkeypatch, error)
    assert run([]) == 130


def test_a_defect_of_ours_is_raised_for_the_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ExceptionGroup("g", [ZeroDivisionError()]))
    with pytest.raises(ZeroDivisionError):
        run([])


def test_the_last_words_of_a_defect_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    command_line._last_words(ValueError, ValueError("odd"), None)
    assert capsys.readouterr().err.startswith("memtrace: error: internal error (ValueError: odd)")
