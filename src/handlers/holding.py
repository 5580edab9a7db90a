"""Who serves an installation: a lock file beside the database that names its holder.

The kernel frees the lock when the process dies, so a killed server never blocks the next one;
the text in the file is only read while the lock is held.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from operator import not_
from pathlib import Path
from typing import Final

from tenacity import Retrying, retry_if_result, stop_after_attempt, wait_fixed

from core.model.errors import ConfigurationError, HeldByOther

_MAX_BYTES: Final = 4_096
_TRIES: Final = 5
_BETWEEN_TRIES: Final = 0.05


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that serves, and where."""

    pid: int
    host: str
    port: int
    started_at: str

    @property
    def url(self) -> str:
        return url_of(self.host, self.port)

    @property
    def told(self) -> str:
        """For people; one that has the lock and has not told yet is starting."""
        return f"{self.url}, process {self.pid}" if self.pid else "starting"


class Claim:
    """The held lock; `tell` says who holds it, for others to read."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def tell(self, holder: Holder) -> None:
        body = json.dumps(asdict(holder)).encode()
        os.pwrite(self._handle, body, 0)
        os.ftruncate(self._handle, len(body))


def url_of(host: str, port: int) -> str:
    """The URL by which this machine reaches a server that listens there."""
    reachable = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def lock_path(database: Path) -> Path:
    return database.with_name(database.name + ".serve")


@contextlib.contextmanager
def held(database: Path) -> Iterator[Claim]:
    """Holds the installation of this database. Raises HeldByOther, naming who has it."""
    path = lock_path(database)
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as e:
        raise ConfigurationError(
            f"cannot write {path}: {e.strerror}", hint="check auth.db_path and the rights of its folder"
        ) from e
    _own_like(handle, database)
    try:
        if not _locked(handle):
            raise _refusal(database, _read(handle))
        os.ftruncate(handle, 0)
        yield Claim(handle)
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def holder_of(database: Path) -> Holder | None:
    """Who serves it now; None when nobody does."""
    try:
        handle = os.open(lock_path(database), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(handle) or Holder(pid=0, host="", port=0, started_at="")
    else:
        return None
    finally:
        os.close(handle)


def _own_like(handle: int, database: Path) -> None:
    """A lock that root makes for another user's database is that user's: it is to start the server later."""
    if os.geteuid() == 0 and database.exists():
        owner = database.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)


def _locked(handle: int) -> bool:
    """Tries for a moment: `holder_of` in another process takes the lock for as long as it looks."""
    trying = Retrying(
        retry=retry_if_result(not_),
        stop=stop_after_attempt(_TRIES),
        wait=wait_fixed(_BETWEEN_TRIES),
        retry_error_callback=lambda _: False,
    )
    return trying(_lock, handle)


def _lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(handle: int) -> Holder | None:
    try:
        return Holder(**json.loads(os.pread(handle, _MAX_BYTES, 0)))
    except (ValueError, TypeError):
        return None  # the holder is just starting: it has the lock and has not told yet


def _refusal(database: Path, holder: Holder | None) -> HeldByOther:
    who = f"process {holder.pid} at {holder.url}" if holder and holder.pid else "another process"
    return HeldByOther(
        f"{database} is already served by {who}",
        hint="stop that server first, or use another auth.db_path (for `memtrace dev`: --data)",
    )
