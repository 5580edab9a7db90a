"""Names: where the rows of an hour live under a store's root, as Arc keeps them.

    <root>/<database>/<measurement>/YYYY/MM/DD/HH/<measurement>_<stamp>_<unique>.parquet
    <root>/<database>/<measurement>/YYYY/MM/DD/<measurement>_<stamp>_merged_<unique>.parquet

A file in an hour's folder holds rows of that hour only, one in a day's folder rows of that day.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from core.model.errors import StoreRefused
from core.model.memory import Micros
from core.model.tenant import FILE_SCHEME, Binding
from core.model.timewindow import moment_of

HOUR: Final[Micros] = 3_600_000_000
DAY: Final[Micros] = 24 * HOUR
SUFFIX: Final = ".parquet"
REPLACES: Final = ".replaces"
"""Added to a merged file's name: the file that lists what it stands for (`merge.py`)."""
STAGING: Final = ".staging"
"""The folder under the root where files are written before they are published."""

_DATABASE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_MEASUREMENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,127}")
_MERGED: Final = re.compile(r".*_merged_[0-9a-f]{16}\.parquet")
_SOURCE: Final = re.compile(r"(?:[0-9]{2}/)?[^/\0]+\.parquet")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one binding's rows live. The names were checked: no path made from them leaves the root."""

    root: Path
    database: str
    measurement: str

    @property
    def folder(self) -> Path:
        return self.root / self.database / self.measurement

    @property
    def staging(self) -> Path:
        return self.root / STAGING

    def hour_folder(self, hour: Micros) -> Path:
        return self.folder / moment_of(hour).strftime("%Y/%m/%d/%H")

    def day_folder(self, day: Micros) -> Path:
        return self.folder / moment_of(day).strftime("%Y/%m/%d")

    def file_name(self, now: Micros, unique: str) -> str:
        """A file as an append leaves it."""
        return f"{self.measurement}_{_stamp(now)}_{unique}{SUFFIX}"

    def merged_name(self, now: Micros, unique: str) -> str:
        """A file as a merge leaves it, which holds no memory twice; `unique` is 16 hex digits."""
        return f"{self.measurement}_{_stamp(now)}_merged_{unique}{SUFFIX}"


def place_of(binding: Binding) -> Place:
    """Raises StoreRefused when the binding's URL, database or measurement cannot be used."""
    path = binding.url.removeprefix(FILE_SCHEME)
    if not binding.is_embedded or not path.startswith("/") or "\0" in path:
        raise StoreRefused(
            "the binding's url names no absolute folder",
            hint="use file: and an absolute path, for instance file:/var/lib/memtrace/store",
        )
    if not _DATABASE.fullmatch(binding.database):
        raise StoreRefused(f"the binding's database is no valid name: {binding.database!r}")
    if not _MEASUREMENT.fullmatch(binding.measurement):
        raise StoreRefused(f"the binding's measurement is no valid name: {binding.measurement!r}")
    return Place(Path("/" + path.lstrip("/")), binding.database, binding.measurement)


def hour_of(time: Micros) -> Micros:
    return time - time % HOUR


def day_of(time: Micros) -> Micros:
    return time - time % DAY


def is_merged(name: str) -> bool:
    """Whether a merge of ours made this file, so that it holds no memory twice."""
    return _MERGED.fullmatch(name) is not None


def is_source(name: str) -> bool:
    """Whether a list of replaced files may name this: a file beside it, or in an hour's folder below."""
    return _SOURCE.fullmatch(name) is not None


def _stamp(now: Micros) -> str:
    return moment_of(now).strftime("%Y%m%d_%H%M%S")


class DataFile(NamedTuple):
    """One Parquet file that counts: what it stands for is left out elsewhere."""

    path: str
    size: int
    is_merged: bool


class Unit(NamedTuple):
    """The files that hold the rows of [start, end): an hour, or a day that has been merged.

    The units of one listing do not overlap, so they may be read one after the other.
    """

    start: Micros
    end: Micros
    files: tuple[DataFile, ...]

    @property
    def is_distinct(self) -> bool:
        """Whether no memory can be in it twice."""
        return len(self.files) == 1 and self.files[0].is_merged


_FILE_COST: Final = 256 * 1024
"""Opening a file takes as long as reading about so many bytes of it."""


_LARGEST_PORTION: Final = 256 << 20


def portions(units: Sequence[Unit], first: int, growth: int) -> Iterator[list[Unit]]:
    """The units in order, in portions whose cost in bytes starts at `first` and grows by `growth`.

    A portion holds at least one unit, and about a thousand files at most.
    """
    portion: list[Unit] = []
    budget, spent = first, 0
    for unit in units:
        cost = sum(file.size + _FILE_COST for file in unit.files)
        if portion and spent + cost > budget:
            yield portion
            portion, spent, budget = [], 0, min(budget * growth, _LARGEST_PORTION)
        portion.append(unit)
        spent += cost
    if portion:
        yield portion
