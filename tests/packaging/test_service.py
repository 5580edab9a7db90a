"""The systemd unit and what it reads: every option means something that the program knows."""

import re
import shlex
import tomllib
from pathlib import Path
from typing import Final

import pytest
from typer.main import get_command

from core.settings import ServerSettings, every_setting
from core.settings_source import load
from handlers.cli.main import app
from tests.packaging.image import ROOT

_FOLDER: Final = ROOT / "infra" / "systemd"
_KEY: Final = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


def unit() -> dict[str, list[str]]:
    """`Section.Option` → its values; systemd lets options stand more than once."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in (_FOLDER / "memtrace.service").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(f"{section}.{name}", []).append(value)
    return found


def one(name: str) -> str:
    (value,) = unit()[name]
    return value


def test_it_starts_a_command_that_the_program_has() -> None:
    program, *arguments = shlex.split(one("Service.ExecStart"))
    assert program == "/usr/bin/memtrace"
    assert arguments[:1] == ["--config"]
    assert arguments[1] == "/etc/memtrace/memtrace.toml"
    (command,) = arguments[2:]
    assert command in get_command(app).commands  # type: ignore[attr-defined]


def test_it_waits_longer_for_the_end_than_the_server_takes() -> None:
    assert float(one("Service.TimeoutStopSec")) > ServerSettings().shutdown_timeout


def test_the_server_ends_its_flusher_itself() -> None:
    assert one("Service.KillMode") == "mixed"
    assert one("Service.Type") == "exec"
    assert one("Service.Restart") == "on-failure"


def test_what_it_may_write_is_where_the_configuration_puts_the_database() -> None:
    config = tomllib.loads((_FOLDER / "memtrace.toml").read_text())
    state = Path("/var/lib") / one("Service.StateDirectory")
    assert Path(config["auth"]["db_path"]).parent == state
    assert one("Service.WorkingDirectory") == str(state)
    assert one("Service.StateDirectoryMode") == "0700"
    assert one("Service.UMask") == "0077"
    assert one("Service.ProtectSystem") == "strict"


def test_it_runs_as_a_user_of_its_own_without_capabilities() -> None:
    assert one("Service.User") == one("Service.Group") == "memtrace"
    assert one("Service.CapabilityBoundingSet") == one("Service.AmbientCapabilities") == ""
    assert one("Service.NoNewPrivileges") == "yes"


def test_the_first_admin_key_stays_out_of_the_journal() -> None:
    assert one("Service.StandardOutput") == "null"
    assert one("Service.StandardError") == "journal"


def test_the_flusher_may_lower_its_priority() -> None:
    """`os.nice` is of @resources, which many units forbid; the flusher would die of it."""
    filters = unit()["Service.SystemCallFilter"]
    assert filters == ["@system-service", "~@privileged"]


def test_the_unit_holds_no_secret_and_no_variables() -> None:
    assert one("Service.EnvironmentFile") == "/etc/memtrace/memtrace.env"
    assert "Service.Environment" not in unit()


def test_the_configuration_is_taken_without_a_warning() -> None:
    settings = load(_FOLDER / "memtrace.toml", {"MEMTRACE_MASTER_KEY": _KEY})
    assert settings.warnings == ()
    assert settings.server.host == "127.0.0.1"
    assert settings.log.format == "json"


def test_the_environment_file_names_no_variable_that_nothing_reads() -> None:
    text = (_FOLDER / "memtrace.env").read_text()
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == []
    known = {setting.variable for setting in every_setting()} | {"MEMTRACE_MASTER_KEY"}
    assert set(re.findall(r"MEMTRACE_[A-Z_]+[A-Z]", text)) <= known


@pytest.mark.parametrize("name", ["memtrace.service", "memtrace.toml", "memtrace.env"])
def test_every_file_says_what_it_is_for(name: str) -> None:
    assert (_FOLDER / name).read_text().startswith("# ")
