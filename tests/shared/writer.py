"""A process that appends to a shared file as a sandbox does, and says what was acknowledged.

Run as `python -m tests.shared.writer <database> <how> <first> <count>`. `append` writes the keys
first … first + count - 1 and prints `key id created` after each answer; keys are the same in every
process. `spill` ends by SIGKILL in a transaction that has reached the file itself.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.adapters.clock import SystemClock
from core.adapters.sqlite.shared import SharedDatabase
from core.adapters.sqlite.shared_journal import SharedJournal
from core.model.journal_limits import JournalLimits
from core.telemetry import NoMetrics
from tests.contract.journals import ACME, WINDOW, draft

_PATIENCE: Final = 20.0


@contextlib.contextmanager
def opened(path: Path) -> Iterator[SharedJournal]:
    with contextlib.closing(SharedDatabase(path, patience=_PATIENCE)) as database:
        journal = SharedJournal(
            database,
            clock=SystemClock(),
            metrics=NoMetrics(),
            limits=JournalLimits(),
            window=WINDOW,
            grace=60_000_000,
        )
        with contextlib.closing(journal):
            yield journal


async def append(path: Path, first: int, count: int) -> None:
    with opened(path) as journal:
        for key in range(first, first + count):
            (receipt,) = await journal.append(ACME, [draft(f"content {key} {'x' * 500}", key=str(key))], None)
            os.write(1, f"{key} {receipt.id} {int(receipt.memory is not None)}\n".encode())


async def spill(path: Path) -> None:
    def work(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA cache_size=1")
        connection.execute("CREATE TABLE unfinished (n)")
        connection.execute("UPDATE organizations SET name = 'unfinished ' || id")
        connection.executemany("INSERT INTO unfinished VALUES (?)", [("unfinished" * 300,)] * 500)
        os.kill(os.getpid(), signal.SIGKILL)

    with contextlib.closing(SharedDatabase(path, patience=_PATIENCE)) as database:
        await database.write(work)


if __name__ == "__main__":
    database, how, first, count = sys.argv[1:]
    asyncio.run(append(Path(database), int(first), int(count)) if how == "append" else spill(Path(database)))
