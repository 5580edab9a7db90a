"""The unit, as systemd itself judges it; collected where `systemd-analyze` is."""

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.packaging.image import ROOT

_UNIT: Final = ROOT / "infra" / "systemd" / "memtrace.service"
_MOST_EXPOSED: Final = 25
"""Tenths; systemd calls up to 30 of 100 OK. What is left is the network and a fixed user."""


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """A copy whose program exists, in whatever place this is run."""
    copy = tmp_path / "memtrace.service"
    copy.write_text(
        _UNIT.read_text().replace("/usr/bin/memtrace", "/bin/true").replace("man:memtrace(1)", "man:true(1)")
    )
    return copy


def analyzed(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = ["systemd-analyze", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_knows_every_option(unit: Path) -> None:
    done = analyzed("verify", "--man=no", "--recursive-errors=no", unit)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_option_that_systemd_does_not_know_would_be_told(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=", "ProtectSytem="))
    assert "ProtectSytem" in analyzed("verify", "--man=no", "--recursive-errors=no", unit).stderr


def test_systemd_finds_it_hardened(unit: Path) -> None:
    done = analyzed("security", "--offline=yes", f"--threshold={_MOST_EXPOSED}", unit)
    assert done.returncode == 0, done.stdout
