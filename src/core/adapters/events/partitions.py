"""Which files hold the rows of a span of time, from listings of folders that are a little cached.

Files that a merged file stands for are left out, so that no reader meets a row in both. Blocking:
for worker threads; safe to use from several.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from core.adapters.events.durable import reachable
from core.adapters.events.layout import (
    DAY,
    HOUR,
    REPLACES,
    SUFFIX,
    DataFile,
    Place,
    Unit,
    is_merged,
    is_source,
)
from core.model.memory import Micros, Span
from core.model.timewindow import EARLIEST, LATEST, micros_of, moment_of
from core.ports import Clock

MAX_AGE: Final = 2.0
"""Seconds for which a listing is believed without looking at the folder again."""
_TICK: Final = 1.0
"""Seconds after which a change to a folder shows in its time of modification for certain."""
_SLOW: Final = 20.0
"""A walk that took longer may have seen neither a merged file nor, later, what it stands for."""
_MAX_LISTINGS: Final = 50_000
_WALKS: Final = 3


@dataclass(frozen=True, slots=True)
class Listing:
    """One folder as it was: its folders of digits, its Parquet files, and the lists beside them."""

    folders: tuple[str, ...]
    files: tuple[DataFile, ...]
    replaces: dict[str, tuple[str, ...]]
    """Path of a merged file, which may not be there → paths of what it stands for."""
    gone: frozenset[str]
    """Paths that a merged file of this folder stands for."""
    looked_at: float
    modified: int
    is_settled: bool
    """Whether an unchanged time of modification proves an unchanged folder."""


_NOTHING: Final = Listing((), (), {}, frozenset(), 0.0, 0, False)


class Partitions:
    """Raises StoreUnreachable where a folder cannot be read.

    A folder that is not there is empty, except for the root: without it the store is away.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._listings: dict[str, Listing] = {}

    def units(self, place: Place, span: Span, *, fresh: bool = False) -> list[Unit]:
        """The files that may hold rows of the span, oldest first; `fresh` believes no old listing.

        All listings are of one moment, give or take seconds: far less than the time for which
        merged files' sources stay.
        """
        with reachable(place.root):
            os.stat(place.root)
            for _ in range(_WALKS):
                begun = self._clock.monotonic()
                found = list(self._walk(place, span, fresh))
                if self._clock.monotonic() - begun < _SLOW:
                    break
                fresh = True
            return found

    def earliest(self, place: Place) -> Micros | None:
        """Where the oldest unit begins; None when there is no file at all."""
        with reachable(place.root):
            os.stat(place.root)
            everything = Span(EARLIEST, LATEST)
            return next((unit.start for unit in self._walk(place, everything, fresh=False)), None)

    def listing(self, folder: Path | str, *, fresh: bool = False) -> Listing:
        """One folder, at most `MAX_AGE` old. Raises OSError."""
        path = str(folder)
        known = self._listings.get(path)
        now = self._clock.monotonic()
        if known is not None and not fresh and now - known.looked_at < MAX_AGE:
            return known
        try:
            modified = os.stat(path).st_mtime_ns
            if known is not None and known.is_settled and known.modified == modified and not fresh:
                current = replace(known, looked_at=now)
            else:
                was_so = known is not None and known.modified == modified and now - known.looked_at >= _TICK
                current = _read(path, now, modified, was_so)
        except (FileNotFoundError, NotADirectoryError):
            self._listings.pop(path, None)
            return _NOTHING
        if len(self._listings) >= _MAX_LISTINGS:
            self._listings.clear()
        self._listings[path] = current
        return current

    def days(self, place: Place, span: Span, *, fresh: bool = False) -> Iterator[Micros]:
        """The days of the span that have a folder, oldest first. Raises OSError."""
        last = span.until - 1
        low, high = moment_of(max(span.since, 0)), moment_of(min(max(last, 0), LATEST))
        for year in self.listing(place.folder, fresh=fresh).folders:
            if not low.year <= int(year) <= high.year:
                continue
            for month in self.listing(f"{place.folder}/{year}", fresh=fresh).folders:
                if not (low.year, low.month) <= (int(year), int(month)) <= (high.year, high.month):
                    continue
                for day in self.listing(f"{place.folder}/{year}/{month}", fresh=fresh).folders:
                    start = _start(year, month, day)
                    if start is not None and span.since < start + DAY and start < span.until:
                        yield start

    def _walk(self, place: Place, span: Span, fresh: bool) -> Iterator[Unit]:
        for day in self.days(place, span, fresh=fresh):
            yield from self.day_units(place, day, span, fresh=fresh)

    def day_units(self, place: Place, day: Micros, span: Span, *, fresh: bool = False) -> Iterator[Unit]:
        """The units of one day that may hold rows of the span. Raises OSError."""
        folder = str(place.day_folder(day))
        listing = self.listing(folder, fresh=fresh)
        whole = [file for file in listing.files if file.path not in listing.gone]
        hours: list[Unit] = []
        for hour in listing.folders:
            start = day + int(hour) * HOUR
            if start < day + DAY and span.since < start + HOUR and start < span.until:
                files = self._hour_files(f"{folder}/{hour}", listing.gone, fresh)
                if files:
                    hours.append(Unit(start, start + HOUR, files))
        if whole:
            late = [file for unit in hours for file in unit.files]
            yield Unit(day, day + DAY, (*whole, *late))
        else:
            yield from hours

    def _hour_files(self, folder: str, gone: frozenset[str], fresh: bool) -> tuple[DataFile, ...]:
        listing = self.listing(folder, fresh=fresh)
        if not listing.gone and not gone:
            return listing.files
        return tuple(f for f in listing.files if f.path not in listing.gone and f.path not in gone)

    def forget(self, *folders: Path) -> None:
        """Looks at these folders, and those they lie in, again when they are asked for next."""
        for folder in folders:
            for path in (folder, *folder.parents):
                self._listings.pop(str(path), None)


def _start(year: str, month: str, day: str) -> Micros | None:
    try:
        return micros_of(moment_of(0).replace(year=int(year), month=int(month), day=int(day)))
    except ValueError:
        return None


def _read(path: str, now: float, modified: int, is_settled: bool) -> Listing:
    folders: list[str] = []
    files: list[DataFile] = []
    lists: list[str] = []
    with os.scandir(path) as entries:
        for entry in entries:
            name = entry.name
            if name.isascii() and name.isdigit() and len(name) in (2, 4):
                folders.append(name)
            elif name.startswith("."):
                continue
            elif name.endswith(SUFFIX):
                _add_file(files, entry)
            elif name.endswith(SUFFIX + REPLACES):
                lists.append(name)
    replaces = {f"{path}/{name}".removesuffix(REPLACES): read_replaces(path, name) for name in lists}
    there = {file.path for file in files}
    gone = frozenset(s for merged, sources in replaces.items() if merged in there for s in sources)
    return Listing(tuple(sorted(folders)), tuple(sorted(files)), replaces, gone, now, modified, is_settled)


def _add_file(files: list[DataFile], entry: os.DirEntry[str]) -> None:
    try:
        size = entry.stat().st_size
    except FileNotFoundError:
        return
    files.append(DataFile(entry.path, size, is_merged(entry.name)))


def read_replaces(folder: str, name: str) -> tuple[str, ...]:
    """The paths that a merged file stands for; none when the list is gone or is none of ours.

    The list goes after the files in it, so then they are gone as well.
    """
    try:
        with open(f"{folder}/{name}", "rb") as file:
            names = json.load(file)
    except (FileNotFoundError, ValueError):
        return ()
    if not isinstance(names, list):
        return ()
    return tuple(f"{folder}/{name}" for name in names if isinstance(name, str) and is_source(name))
