"""The package in the place of the original's `memtrace` 0.2.0. Its scripts alone are run."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.packaging.image import ROOT
from tests.packaging.processes import bare_environment

_DEB: Final = ROOT / "infra" / "deb"
_SYSTEMD: Final = ROOT / "infra" / "systemd"
_ITS_CONFIGURATION: Final = '[server]\nhost = "10.0.0.7"\n[auth]\ndb_path = "./data/memtrace.db"\n'
_PROGRAM: Final = '#!/bin/sh\ncase "$*" in *keygen*) echo anew ;; *) echo "$MEMTRACE_MASTER_KEY" ;; esac\n'
_DATABASE: Final = "MEMTRACE_AUTH_DB_PATH=/var/lib/memtrace/data/memtrace.db"
_ANY_ADDRESS: Final = "MEMTRACE_SERVER_HOST=0.0.0.0"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the original is stopped and this package unpacked, with a program that only tells its key."""

    path: Path

    @property
    def etc(self) -> Path:
        return self.path / "etc/memtrace"

    @property
    def state(self) -> Path:
        return self.path / "var/lib/memtrace"

    def settings(self) -> list[str]:
        """What the service is given, after `dpkg` has set the package up."""
        self._run(["/bin/sh", str(_DEB / "postinst"), "configure", "0.2.0"])
        lines = (self.etc / "memtrace.env").read_text().splitlines()
        return [line for line in lines if line and not line.startswith("#")]

    def command(self, *line: str) -> str:
        return self._run([str(self.path / "usr/bin/memtrace"), *line]).stdout

    def _run(self, line: list[str]) -> subprocess.CompletedProcess[str]:
        env = bare_environment(DPKG_ROOT=str(self.path))
        done = subprocess.run(line, env=env, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    program = tmp_path / "usr/lib/memtrace/bin/python"
    for folder in (program.parent, tmp_path / "usr/bin", tmp_path / "usr/share/memtrace", made.etc):
        folder.mkdir(parents=True)
    (made.state / "data").mkdir(parents=True)
    (made.state / "data/memtrace.db").touch()
    program.write_text(_PROGRAM)
    program.chmod(0o755)
    shutil.copy(_DEB / "memtrace", tmp_path / "usr/bin")
    shutil.copy(_SYSTEMD / "memtrace.env", tmp_path / "usr/share/memtrace")
    shutil.copy(_SYSTEMD / "memtrace.toml", made.etc)
    (tmp_path / "etc/passwd").write_text(f"memtrace:x:{os.getuid()}:{os.getgid()}::/:/bin/false\n")
    (made.etc / "environment").write_text("MEMTRACE_MASTER_KEY=of-old\nMEMTRACE_LOG_LEVEL=debug\n")
    return made


def test_the_original_s_master_key_and_variables_are_taken_over(machine: Machine) -> None:
    assert machine.settings()[:2] == ["MEMTRACE_MASTER_KEY=of-old", "MEMTRACE_LOG_LEVEL=debug"]


def test_its_database_is_served_where_it_lies_and_on_the_addresses_that_it_had(machine: Machine) -> None:
    """Its configuration was unchanged, so that dpkg put this package's in its place."""
    assert machine.settings()[2:] == [_DATABASE, _ANY_ADDRESS]


def test_a_configuration_that_was_kept_says_the_address(machine: Machine) -> None:
    (machine.etc / "memtrace.toml").write_text(_ITS_CONFIGURATION)
    assert machine.settings()[2:] == [_DATABASE]


def test_who_chose_the_new_configuration_gets_its_address(machine: Machine) -> None:
    (machine.etc / "memtrace.toml.dpkg-old").write_text(_ITS_CONFIGURATION)
    assert machine.settings()[2:] == [_DATABASE]


def test_a_database_that_the_configuration_names_is_not_passed_over(machine: Machine) -> None:
    (machine.etc / "memtrace.toml").write_text('[auth]\ndb_path = "/srv/memtrace.db"\n')
    assert machine.settings()[2:] == []


def test_what_its_environment_says_is_not_said_again(machine: Machine) -> None:
    with (machine.etc / "environment").open("a") as file:
        file.write("MEMTRACE_AUTH_DB_PATH=/srv/memtrace.db\nMEMTRACE_SERVER_HOST=::1")
    assert machine.settings()[2:] == ["MEMTRACE_AUTH_DB_PATH=/srv/memtrace.db", "MEMTRACE_SERVER_HOST=::1"]


def test_no_key_is_made_beside_a_database_of_the_original_s(machine: Machine) -> None:
    (machine.etc / "environment").write_text("MEMTRACE_MASTER_KEY=\n")
    assert machine.settings()[-1] == "MEMTRACE_MASTER_KEY="


def test_one_that_was_never_used_gets_a_key(machine: Machine) -> None:
    (machine.etc / "environment").write_text("MEMTRACE_MASTER_KEY=\n")
    shutil.rmtree(machine.state / "data")
    assert machine.settings()[-1] == "MEMTRACE_MASTER_KEY=anew"


def test_the_command_takes_the_last_of_two_lines_as_the_service_does(machine: Machine) -> None:
    """The original's guide has its key added below the empty line that its package brings."""
    (machine.etc / "environment").write_text("MEMTRACE_MASTER_KEY=\nMEMTRACE_MASTER_KEY=of-old\n")
    machine.settings()
    assert machine.command("version") == "of-old\n"
