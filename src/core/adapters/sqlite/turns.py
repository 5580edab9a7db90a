"""Fair turns at writing one SQLite file, between processes of one host.

Two locks: whoever wants the turn first holds the gate. A process that has just written and
wants to write again finds the gate held when another one waits, and queues behind it; so no
process is ever kept waiting for more than one transaction of each other process.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from core.model.errors import DatabaseError


class Turns:
    """`flock` on two files beside the database; the kernel frees them when a process dies."""

    def __init__(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._gate = os.open(path.with_name(path.name + ".gate"), flags, 0o600)
        self._turn = os.open(path, flags, 0o600)

    def try_take(self) -> bool:
        """Takes the turn when nobody has it and nobody waits for it. Never blocks.

        False as well where the kernel refuses: `take` says why.
        """
        try:
            fcntl.flock(self._gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        try:
            fcntl.flock(self._turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            fcntl.flock(self._gate, fcntl.LOCK_UN)
        return True

    def take(self) -> None:
        """Waits for the turn, behind those who waited before. Blocks: not for an event loop.

        Raises DatabaseError where the kernel gives no lock.
        """
        try:
            fcntl.flock(self._gate, fcntl.LOCK_EX)
            try:
                fcntl.flock(self._turn, fcntl.LOCK_EX)
            finally:
                fcntl.flock(self._gate, fcntl.LOCK_UN)
        except OSError as e:
            raise DatabaseError(
                f"the database cannot be locked for writing: {e.strerror}",
                hint="check that its file system has locks (`flock`), and has any left",
            ) from e

    def release(self) -> None:
        fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        self.take()
        try:
            yield
        finally:
            self.release()

    def close(self) -> None:
        os.close(self._turn)
        os.close(self._gate)
