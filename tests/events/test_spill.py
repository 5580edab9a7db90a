"""Folders for what does not fit into memory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.adapters.events.spill import make_spill_folder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_a_dead_process_left_goes(temporary: Path) -> None:
    left = temporary / f"memtrace-spill-{dead_pid()}-abc"
    left.mkdir()
    (left / "rows.tmp").write_text("a memory")
    made = make_spill_folder()
    assert [p.name for p in temporary.iterdir()] == [Path(made).name]


def test_what_belongs_to_a_living_process_or_to_somebody_else_stays(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    mine = Path(make_spill_folder())
    other = temporary / "memtrace-spill-no-number"
    other.mkdir()
    make_spill_folder()
    monkeypatch.setattr(os, "kill", refuse)
    make_spill_folder()
    assert mine.is_dir()
    assert other.is_dir()
