"""Files that are whole or not there, also after a loss of power. Blocking: for worker threads."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.model.errors import StoreUnreachable

_ATTEMPTS: Final = 5


@contextlib.contextmanager
def reachable(root: Path) -> Iterator[None]:
    """The seam to the file system: an OSError leaves as StoreUnreachable."""
    try:
        yield
    except OSError as e:
        raise StoreUnreachable(
            f"the store's folder {root} cannot be used: {e.strerror or type(e).__name__}",
            hint="check that the folder exists, belongs to this user, and that the disk is not full",
        ) from e


def sync_file(path: Path) -> None:
    """Returns when the file's content is on disk."""
    _sync(path, os.O_RDONLY)


def sync_folder(path: Path) -> None:
    """Returns when the folder's entries are on disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_synced(path: Path, content: bytes) -> None:
    """A new file with this content, on disk. Raises FileExistsError rather than replacing one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def publish(staged: Path, target: Path, root: Path) -> None:
    """Moves a synced file to its place without replacing anything; on disk when this returns.

    Makes the folders between `root` and the target, and syncs each of them, also those that
    were there: whoever made them may not have come to it yet.
    """
    for attempt in range(_ATTEMPTS):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(staged, target)
            break
        except FileNotFoundError:
            # A merge took the empty folder away in between, or the staged file is gone.
            if attempt == _ATTEMPTS - 1 or not staged.exists():
                raise
    folder = target.parent
    sync_folder(folder)
    while folder != root and folder != folder.parent:
        folder = folder.parent
        sync_folder(folder)
    staged.unlink()


def remove(path: Path) -> bool:
    """Unlinks it; False when it was not there."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def make_root(root: Path) -> None:
    """The root folder and those above it, durable. Raises OSError when it cannot be made."""
    missing = [folder for folder in (root, *root.parents) if not folder.exists()]
    root.mkdir(parents=True, exist_ok=True)
    for folder in missing:
        sync_folder(folder.parent)
