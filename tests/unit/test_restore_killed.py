"""A restore that is killed leaves the old installation or the new one, and is simply run again."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.contract.journals import ACME
from tests.e2e.installation import ROOT, environment
from tests.unit.backup_rig import Installation, hour
from tests.unit.restoring_and_dying import DIED

_BEFORE: Final = ("restore.staged", "restore.deletions", "restore.file", "restore.files", "restore.aside")


def killed(archive: Path, folder: Path, point: str) -> None:
    """Restores in a process that ends at this point."""
    module = "tests.unit.restoring_and_dying"
    done = subprocess.run(
        [sys.executable, "-m", module, str(archive), str(folder), point],
        cwd=ROOT,
        env=environment(PYTHONPATH=f"{ROOT / 'src'}:{ROOT}"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == DIED, done.stderr


@pytest.fixture
def old(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "old").make()


def changed_since(old: Installation) -> Path:
    """A backup, and what happened after it: a memory written, one stored, one deleted, a file lost."""
    old.write("then")
    old.store(*hour(1))
    archive = old.backup()
    old.write("since")
    next(old.root.rglob("*.parquet")).unlink()
    old.store(*hour(2))
    old.run(
        """INSERT INTO deletions (id, org_id, requested_at, state, exclusion)
           VALUES ('del_1', ?, 1, 'closed', '{"until":1}')""",
        ACME,
    )
    return archive


@pytest.mark.parametrize("point", _BEFORE)
def test_killed_before_the_swap_the_old_installation_is_in_force(old: Installation, point: str) -> None:
    archive = changed_since(old)
    killed(archive, old.folder, point)
    assert old.contents == ["then", "since"]
    assert "memory 2" in old.stored()
    if point != "restore.staged":  # its files may come back from now on
        assert old.run("SELECT state FROM deletions") == [("pending",)]


@pytest.mark.parametrize("point", [*_BEFORE, "restore.swapped"])
def test_killed_anywhere_it_is_run_again(old: Installation, point: str) -> None:
    archive = changed_since(old)
    killed(archive, old.folder, point)
    old.restore(archive)
    assert old.contents == ["then"]
    assert old.stored() == ["memory 1", "memory 2"]
    assert old.run("SELECT state FROM deletions") == [("pending",)]
    assert [path.name for path in old.folder.iterdir() if path.name.startswith(".memtrace-")] == []


def test_killed_after_the_swap_the_new_installation_is_in_force(old: Installation) -> None:
    archive = changed_since(old)
    killed(archive, old.folder, "restore.swapped")
    assert old.contents == ["then"]
    assert old.stored() == ["memory 1", "memory 2"]
    assert old.run("SELECT state FROM deletions") == [("pending",)]
