"""New rows as Parquet files, one for each hour they touch: written aside, synced, then published.

Blocking: for worker threads. Raises Fault, StoreUnreachable and StoreRefused.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from core.adapters.events.durable import publish, reachable, remove, sync_file
from core.adapters.events.engine import Cursor
from core.adapters.events.layout import Place, hour_of
from core.adapters.events.literal import literal
from core.adapters.events.schema import FROM_JSON, JSON_COLUMNS
from core.model.errors import StoreRefused
from core.model.memory import Micros
from core.ports import Parcel

Probe = Callable[[str], None]
"""Called at named points, so that a test can end the process there."""

ROW_GROUP: Final = 4_096
"""Measured: with fewer rows the footers cost more than the skipping saves, with more a session's
page of 100 reads too much."""
DAY_ROW_GROUP: Final = 16_384
"""For whole days, which are counted more often than paged through."""
_LONGEST_LINE: Final = 8 << 20
"""Bytes: several times what content and metadata may come to when every character is escaped."""


def parquet_options(row_group: int) -> str:
    """How all files are written. LZ4: half as large again as zstd, and 40 % less time in every read."""
    return f"FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE {row_group:d}"


def ignore(_: str) -> None:
    """The probe of everyday life."""


def unique() -> str:
    """16 hex digits that no other file has."""
    return os.urandom(8).hex()


class Writing:
    """Writes to one place."""

    def __init__(self, cursor: Cursor, place: Place, probe: Probe) -> None:
        self._cursor = cursor
        self._place = place
        self._probe = probe

    def append(self, parcel: Parcel, now: Micros) -> list[Path]:
        """All rows of the parcel on disk and visible, or an error; the folders that changed.

        After an error some hours' rows may be there: the parcel comes again, and repeats collapse.
        """
        staged: list[tuple[Path, Path]] = []
        with reachable(self._place.root):
            self._place.staging.mkdir(exist_ok=True)  # only within a root that is there
            try:
                for hour, times, lines in by_hour(parcel):
                    name = self._place.file_name(now, unique())
                    staged.append(
                        (self._stage(name, lines, len(times)), self._place.hour_folder(hour) / name)
                    )
                self._probe("staged")
                for source, target in staged:
                    publish(source, target, self._place.root)
                    self._probe("renamed")
            finally:
                for source, _ in staged:
                    remove(source)
        return [target.parent for _, target in staged]

    def _stage(self, name: str, lines: bytes, count: int) -> Path:
        """The rows as a Parquet file, synced, under a name that no reader looks for."""
        source = self._place.staging / f"{name}.ndjson"
        target = self._place.staging / f"{name}.tmp"
        try:
            source.write_bytes(lines)
            written = self._cursor.count(_copy(source, target))
        except BaseException:
            remove(target)
            raise
        finally:
            remove(source)
        if written != count:
            remove(target)
            raise StoreRefused(f"of {count} memories the event store could read only {written}")
        sync_file(target)
        return target


def by_hour(parcel: Parcel) -> Iterator[tuple[Micros, tuple[Micros, ...], bytes]]:
    """The parcel in parts of one hour each: (hour, times, lines)."""
    times = parcel.times
    if times and hour_of(times[0]) == hour_of(times[-1]):
        yield hour_of(times[0]), times, parcel.lines
        return
    lines = parcel.lines.split(b"\n")
    if len(lines) != len(times):
        raise StoreRefused(f"a parcel of {len(times)} memories has {len(lines)} lines")
    parts: dict[Micros, tuple[list[Micros], list[bytes]]] = {}
    for time, line in zip(times, lines, strict=True):
        part = parts.setdefault(hour_of(time), ([], []))
        part[0].append(time)
        part[1].append(line)
    for hour, part in parts.items():
        yield hour, tuple(part[0]), b"\n".join(part[1])


def _copy(source: Path, target: Path) -> str:
    rows = (
        f"read_json({literal(str(source))}, columns = {{{JSON_COLUMNS}}}, format = 'newline_delimited',"
        f" auto_detect = false, compression = 'uncompressed', maximum_object_size = {_LONGEST_LINE:d})"
    )
    return (
        f"COPY (SELECT {FROM_JSON} FROM {rows} ORDER BY session_id, time)"
        f" TO {literal(str(target))} ({parquet_options(ROW_GROUP)})"
    )
