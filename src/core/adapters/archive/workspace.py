"""A folder of one's own beside a file that is being made, and how the finished file takes its place.

Whoever works in one holds a lock on it, so one that a killed process left behind is known as such
and removed by the next.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.model.errors import BackupUnusable

PREFIX: Final = ".memtrace-"


@contextlib.contextmanager
def writable(path: Path) -> Iterator[None]:
    """The seam to the file system: an OSError leaves as BackupUnusable."""
    try:
        yield
    except OSError as e:
        raise BackupUnusable(
            f"{path} cannot be written: {e.strerror or type(e).__name__}",
            hint="check the folder, its rights and the room on its disk",
        ) from e


@contextlib.contextmanager
def workspace(beside: Path) -> Iterator[Path]:
    """An empty folder (mode 0700) on the same disk; gone when this is left. Raises BackupUnusable."""
    with writable(beside):
        _sweep(beside.parent)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=beside.parent))
        handle = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _sweep(folder: Path) -> None:
    """Removes the workspaces of processes that are no more."""
    for left in folder.glob(f"{PREFIX}*"):
        if left.is_dir() and (handle := _lock(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(handle)


def _lock(folder: Path) -> int | None:
    """The held lock; None while somebody else has it, or where the folder is gone or another's."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def put_in_place(made: Path, target: Path, *, replace: bool) -> None:
    """The finished file under its name, durably. Raises BackupUnusable where there is one already."""
    with writable(target):
        refuse_existing(target, replace=replace)
        os.replace(made, target)
        handle = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def refuse_existing(target: Path, *, replace: bool) -> None:
    if target.is_dir():
        raise BackupUnusable(f"{target} is a folder", hint="name a file in it")
    if not replace and os.path.lexists(target):
        raise BackupUnusable(f"{target} is there already", hint="choose another name, or use --force")
