"""Arc's write-ahead log: what a crash gives back, all of it since the last rotation. Blocking.

Files `<number>.wal` of framed entries. Written through to the system at once, so a killed process
loses none; Arc collects for 100 ms, which `forget` stands for.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgpack  # type: ignore[import-untyped]

from core.ports import Clock
from local.arc.columns import Batch
from local.arc.records import Record

ROTATE_SECONDS: Final = 3600.0
ROTATE_BYTES: Final = 100 << 20


class Log:
    """The active file, and those that were there before."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder: Final = folder
        self._clock: Final = clock
        self._older = self._files()
        self._rotate()

    def append(self, database: str, measurement: str, batch: Batch) -> None:
        """Rows that Arc stamped are kept without a time, and stamped again when they are replayed."""
        if self._clock.monotonic() - self._since >= ROTATE_SECONDS or self._active.tell() >= ROTATE_BYTES:
            self._active.close()
            self._rotate()
        columns = {n: c for n, c in batch.columns.items() if not (batch.is_stamped and n == "time")}
        self._offsets.append(self._active.tell())
        self._active.write(msgpack.packb([database, measurement, columns]))
        self._active.flush()

    def forget(self, entries: int) -> None:
        """Drops the last ones of the active file: appended, and not written yet."""
        if entries and self._offsets:
            self._active.truncate(self._offsets[-min(entries, len(self._offsets))])
            del self._offsets[-entries:]
            self._active.seek(0, 2)

    def replay(self, now: int) -> Iterator[tuple[str, Record]]:
        """What older files hold, (database, record) each; a file is gone once it was read to its end."""
        for path in self._older:
            with path.open("rb") as file:
                for database, measurement, columns in msgpack.Unpacker(file, strict_map_key=False):
                    count = len(next(iter(columns.values()), ()))
                    yield (
                        database,
                        Record(measurement, {"time": [now] * count, **columns}, "time" not in columns),
                    )
            path.unlink()
        self._older = []

    def close(self) -> None:
        """As a process ends that was killed: what is there stays."""
        self._active.close()

    def purge(self) -> None:
        """As a process ends that was stopped: everything was written out."""
        self._active.close()
        for path in self._files():
            path.unlink()

    def _rotate(self) -> None:
        number = max((int(path.stem) for path in self._files()), default=0) + 1
        self._active = (self._folder / f"{number:08d}.wal").open("xb")
        self._since = self._clock.monotonic()
        self._offsets: list[int] = []

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.wal"))
