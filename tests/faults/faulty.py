"""An installation whose processes can be made to end or pause at a named point, and a look into it."""

import contextlib
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.e2e.installation import ROOT, Installation, is_running, until

_LAUNCHER: Final = ROOT / "tests" / "faults" / "launcher.py"
QUICK: Final = {"MEMTRACE_ARC_WRITE_FLUSH_INTERVAL_MS": "20"}


class FaultyInstallation(Installation):
    """Every process that goes on is started by `launcher.py`; `strike` arms the next fault."""

    def line(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, str(_LAUNCHER), *map(str, arguments)]

    @property
    def _fault(self) -> Path:
        return self.folder / "fault"

    @property
    def _mark(self) -> Path:
        return self.folder / "fault-struck"

    @property
    def faults(self) -> dict[str, str]:
        """For the environment of every process that may be struck."""
        return {"MEMTRACE_TEST_FAULT": str(self._fault)}

    def strike(self, point: str, *, passes: int = 1, number: int = signal.SIGKILL) -> None:
        """From now on: whichever process passes this point, and so often, gets this signal there."""
        aside = self._fault.with_name("fault-aside")
        aside.write_text(f"{point} {passes} {number:d}")
        aside.rename(self._fault)

    @property
    def has_struck(self) -> bool:
        """Whether the fault that was armed last has struck."""
        return self._mark.exists()

    async def struck(self) -> None:
        """Waits until it has."""

        async def gone() -> bool:
            return self.has_struck

        armed = self._fault.read_text() if self._fault.exists() else "the fault"
        await until(gone, what=f"{armed} struck")
        self._mark.unlink()


class Journal:
    """The journal of an installation, read from its file without any process of ours."""

    def __init__(self, installation: Installation) -> None:
        self._path = installation.data / "memtrace.db"

    def count(self, where: str = "1") -> int:
        return int(self._one(f"SELECT count(*) FROM journal WHERE {where}"))

    @property
    def owed(self) -> int:
        return self.count("state = 0")

    @property
    def delivered(self) -> int:
        return self.count("state = 1")

    @property
    def flusher(self) -> int | None:
        """The process that holds the flushing lease, while it lives."""
        owner = str(self._one("SELECT coalesce(max(owner), '') FROM leases"))
        pid = int(owner.rpartition(":")[2] or 0)
        return pid if pid and is_running(pid) else None

    async def flushing(self, *, but: int | None = None) -> int:
        """Waits until a process (another than `but`) flushes; its pid."""

        async def somebody() -> bool:
            return self.flusher not in (None, but)

        await until(somebody, what="a flusher")
        found = self.flusher
        assert found is not None
        return found

    async def all_delivered(self, *, of: str = "%", unless: Callable[[], bool] = lambda: False) -> None:
        """Waits until nothing is owed (of one org)."""
        owed = f"state = 0 AND org_no IN (SELECT org_no FROM ledger WHERE org_id LIKE '{of}')"

        async def none() -> bool:
            return unless() or self.count(owed) == 0

        await until(none, what="everything delivered")

    async def settled(self, seconds: float = 60.0) -> None:
        """Waits until the store alone holds everything."""

        async def none() -> bool:
            return self.count() == 0

        await until(none, what="everything settled", seconds=seconds)

    def _one(self, statement: str) -> str | int:
        with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5)) as db:
            value: str | int = db.execute(statement).fetchone()[0]
            return value
