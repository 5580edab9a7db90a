"""An upgrade that is killed leaves the database as it was or as it is to be, and is simply run again."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from core.adapters.sqlite.migrate import FOLDER, names_in
from core.adapters.sqlite.upgrading import upgrade
from tests import original
from tests.e2e.installation import ROOT, environment
from tests.upgrading.dying import DIED

_ALL: Final = names_in(FOLDER)
_BEFORE: Final = ("copy.begun", "copy.filled", *(f"migrate.{name}" for name in _ALL))
_AFTER: Final = "migrate.committed"
NOW: Final = datetime(2026, 11, 21, 7, 0, tzinfo=UTC)


def killed(path: Path, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.upgrading.dying", str(path), point],
        cwd=ROOT,
        env=environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == DIED, done.stderr


def dumped(path: Path) -> list[str]:
    """All that is in it, but for the marks of migrations."""
    with closing(sqlite3.connect(path)) as connection:
        return [line for line in connection.iterdump() if "yoyo" not in line]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return original.copied_to(tmp_path)


@pytest.mark.parametrize("point", _BEFORE)
def test_killed_before_its_end_it_has_changed_nothing(file: Path, point: str) -> None:
    before = dumped(file)
    killed(file, point)
    assert dumped(file) == before


@pytest.mark.parametrize("point", [*_BEFORE, _AFTER])
def test_killed_anywhere_it_is_run_again(file: Path, point: str, tmp_path: Path) -> None:
    killed(file, point)
    done = upgrade(file, NOW)
    assert done.applied == ([] if point == _AFTER else _ALL)
    (tmp_path / "other").mkdir()
    other = original.copied_to(tmp_path / "other")
    upgrade(other, NOW)
    assert dumped(file) == dumped(other)
    assert list(file.parent.glob("*.part")) == []


def test_killed_after_its_end_the_copy_is_there(file: Path) -> None:
    before = dumped(file)
    killed(file, _AFTER)
    (copy,) = file.parent.glob("memtrace.db.before-0001_metadata-*Z")
    assert dumped(copy) == before
