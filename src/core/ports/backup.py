"""What backup and restore need: copies of the database, a store's files, and an archive for both.

Everything here blocks; a backup is a command of its own, never a request.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from core.model.backup import ArchivedFile, Comparison, DatabaseCounts, PlaceName
from core.model.memory import Micros, OrgId
from core.model.tenant import FILE_SCHEME, SealedBinding

Take = Callable[[str, int, BinaryIO], None]
"""Takes one file: its path in its place, its size, and its content, open until this returns."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Where an org's memories live."""

    org_id: OrgId
    url: str
    database: str
    measurement: str

    @property
    def is_embedded(self) -> bool:
        return self.url.startswith(FILE_SCHEME)


@dataclass(frozen=True, slots=True)
class DatabaseContents:
    """What a database holds, as far as a backup tells of it."""

    migrations: list[str]
    counts: DatabaseCounts
    names: dict[OrgId, str]
    bound: list[Bound]


class DatabaseCopier(Protocol):
    """Copies of a database that others may be writing to. Raises DatabaseError."""

    def copy(self, source: Path, target: Path) -> None:
        """One moment of the source as a new file, on disk; no writer waits for it.

        Everything committed before the call is in it, and nothing that had been deleted.
        """
        ...

    def describe(self, copy: Path) -> DatabaseContents:
        """Also of one that is not up to date, the original's among them."""
        ...

    def bring_up_to_date(self, copy: Path) -> list[SealedBinding]:
        """The bindings of one that is sound; raises BackupUnusable where a newer Memtrace made it."""
        ...

    def check(self, copy: Path) -> None:
        """Raises BackupUnusable where it is damaged or was made by a newer Memtrace."""
        ...

    def make_ready(self, copy: Path, roots: Mapping[OrgId, str], now: Micros) -> None:
        """To be served by new processes, with the stores of these orgs in these folders."""
        ...


class StoreFiles(Protocol):
    """The files of embedded stores. Raises StoreUnreachable or StoreRefused."""

    def place(self, bound: Bound) -> PlaceName: ...

    def copy_out(self, place: PlaceName, take: Take) -> frozenset[str]:
        """Hands over files that together hold every memory that was in the place when this began.

        Others may append and merge meanwhile. Answers the paths of those handed over that must not
        be used, because others stand for them.
        """
        ...

    def prepare(self, roots: Iterable[str], size: int) -> None:
        """Makes these folders. Raises StoreUnreachable where one of them cannot take so many bytes."""
        ...

    def put_back(self, place: PlaceName, path: str, content: BinaryIO) -> bool | str:
        """Puts a file to its place, never over another one; `finish` makes that durable.

        False when it is there already, byte for byte. Where something else had its name: the path
        under which that is kept beside it.
        """
        ...

    def finish(self) -> None:
        """Returns when everything that was put back is on disk."""
        ...


class ArchiveWriter(Protocol):
    """An archive being written, one member after the other. Raises BackupUnusable."""

    def add(self, name: str, size: int, content: BinaryIO) -> ArchivedFile:
        """The member, its path being `name`. Raises where the content is shorter than `size`."""
        ...

    def finish(self, manifest: bytes) -> None:
        """Adds the manifest and the checksum of it all; on disk when this returns."""
        ...


class ArchiveReader(Protocol):
    """An archive that has a manifest and a checksum. Raises BackupUnusable."""

    def manifest(self) -> bytes: ...

    def verify(self, seen: Callable[[int], None]) -> None:
        """Every byte is as it was written; `seen` is told how many more were looked at."""
        ...

    def verify_member(self, name: str, expected: ArchivedFile) -> None: ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The content of one member; one at a time."""
        ...


class DatabaseSwap(Protocol):
    """The database that is there, if any, while no other process can use it. Raises DatabaseError."""

    @property
    def is_unreadable(self) -> bool: ...

    def compare(self, staged: Path) -> Comparison | None:
        """What differs between it and the one to take its place; None when none can be read."""
        ...

    def hand_over_deletions(self, staged: Path, now: Micros) -> None:
        """Deletions that the staged one does not know are put in force there, to be carried out again.

        In the old one too, so that it goes on hiding what the backup's files bring back.
        """
        ...

    def keep_aside(self, aside: Path) -> bool:
        """Gives it a second name. False: there is none."""
        ...

    def swap(self, staged: Path) -> None:
        """In one step and on disk: the staged database is the one in force."""
        ...
