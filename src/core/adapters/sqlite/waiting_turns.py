"""Turns that are asked for again and again, and not for ever: for locks that are on another machine.

The kernel's own wait for a lock over NFS asks after 1 s, 2 s, 4 s and so on, where the server calls
nobody back (EFS does not): a writer would wait for seconds beside a free lock.
"""

import fcntl
import os
import time
from operator import not_
from pathlib import Path
from typing import Final

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_random

from core.adapters.sqlite.database import busy
from core.adapters.sqlite.turns import Turns
from core.model.errors import DatabaseError

_GATE_PAUSE: Final = 0.010
"""Seconds, give or take half of it: those who wait come in any order, each as likely as the others."""
_TURN_PAUSE: Final = 0.002
"""For the one that is next."""


class WaitingTurns(Turns):
    """The files are made when they are first locked. Nobody waits longer than `patience` seconds."""

    def __init__(self, path: Path, patience: float) -> None:
        self._path = path
        self._patience = patience
        self._files: tuple[int, int] | None = None

    def try_take(self) -> bool:
        gate, turn = self._opened()
        return self._take_both(gate, turn, time.monotonic())

    def take(self) -> None:
        """Waits for the turn. Blocks. Raises DatabaseError: it did not come, or there are no locks."""
        gate, turn = self._opened()
        if not self._take_both(gate, turn, time.monotonic() + self._patience):
            raise busy(f"it was not our turn to write to the database within {self._patience:g} s")

    def make(self) -> None:
        """The files, where they are not there yet. Raises OSError."""
        if self._files is None:
            gate = _made(self._path.with_name(self._path.name + ".gate"))
            try:
                self._files = gate, _made(self._path)
            except OSError:
                os.close(gate)
                raise

    def release(self) -> None:
        if self._files is not None:
            fcntl.flock(self._files[1], fcntl.LOCK_UN)

    def close(self) -> None:
        if self._files is not None:
            gate, turn = self._files
            self._files = None
            os.close(turn)
            os.close(gate)

    def _take_both(self, gate: int, turn: int, until: float) -> bool:
        if not _locked(gate, until, _GATE_PAUSE):
            return False
        try:
            return _locked(turn, until, _TURN_PAUSE)
        finally:
            fcntl.flock(gate, fcntl.LOCK_UN)

    def _opened(self) -> tuple[int, int]:
        try:
            self.make()
        except OSError as e:
            raise _unlockable(e) from e
        assert self._files is not None
        return self._files


def _made(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _locked(file: int, until: float, pause: float) -> bool:
    if _lock(file):
        return True
    trying = Retrying(
        retry=retry_if_result(not_),
        stop=stop_after_delay(until - time.monotonic()),
        wait=wait_random(0.5 * pause, 1.5 * pause),
        retry_error_callback=lambda _: False,
    )
    return trying(_lock, file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as e:
        raise _unlockable(e) from e
    return True


def _unlockable(error: OSError) -> DatabaseError:
    return DatabaseError(
        f"the database cannot be locked for writing: {error.strerror}",
        hint="check that its file system has locks (`flock`), and has any left; and its folder's rights",
    )
