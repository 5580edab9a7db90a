"""A backup's archive, read by anybody who has one: nothing in it is believed before it is checked."""

import contextlib
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from core.adapters.archive.writing import CHECKSUM
from core.model.backup import MANIFEST, ArchivedFile
from core.model.errors import BackupUnusable

_CHUNK: Final = 1 << 20
_LONGEST_MANIFEST: Final = 512 << 20


class _Extent(NamedTuple):
    offset: int
    size: int


class TarReader:
    """Implements `ArchiveReader`. Only plain files count; what they are named is never used as a path."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._members: dict[str, _Extent] = {}
        self._end = 0
        """Where the checksum's member begins."""
        with _readable(self._path):
            self._look_through()

    def _look_through(self) -> None:
        """Only the headers are read."""
        self._file.seek(0)
        with tarfile.open(fileobj=self._file, mode="r:") as tar:
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # a backup may have very many
                if not info.isreg() or info.name in self._members:
                    raise BackupUnusable(f"{self._path} is not a backup of Memtrace, or damaged")
                self._members[info.name] = _Extent(info.offset_data, info.size)
                self._end = info.offset
        if [*self._members][-2:] != [MANIFEST, CHECKSUM]:
            raise BackupUnusable(f"{self._path} is not a backup of Memtrace, or not all of one")

    def manifest(self) -> bytes:
        extent = self._members[MANIFEST]
        if extent.size > _LONGEST_MANIFEST:
            raise BackupUnusable("the backup's manifest is too large")
        with self.open(MANIFEST) as file:
            return file.read()

    def verify(self, seen: Callable[[int], None]) -> None:
        with self.open(CHECKSUM) as file:
            expected = file.read(_CHUNK)
        digest = hashlib.sha256()
        with _readable(self._path):
            self._file.seek(0)
            while chunk := self._file.read(min(_CHUNK, self._end - self._file.tell())):
                digest.update(chunk)
                seen(len(chunk))
            self._file.seek(self._members[CHECKSUM].offset + len(expected))
            rest = self._file.read(_CHUNK)
        if expected != digest.hexdigest().encode() + b"\n" or rest.strip(b"\0"):
            raise BackupUnusable(f"{self._path} is damaged: it is not what was written")

    def verify_member(self, name: str, expected: ArchivedFile) -> None:
        extent = self._members.get(name)
        if extent is None or extent.size != expected.size:
            raise BackupUnusable(f"{self._path} is damaged: {name} is missing, or of another size")
        digest = hashlib.sha256()
        with self.open(name) as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
        if digest.hexdigest() != expected.sha256:
            raise BackupUnusable(f"{self._path} is damaged: {name} is not what was written")

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """The content of one member; one at a time."""
        yield io.BufferedReader(_Part(self._path, self._file, self._members[name]))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """The seam to the file system and to tarfile."""
    try:
        yield
    except tarfile.TarError:
        raise BackupUnusable(f"{path} is not a backup of Memtrace, or damaged") from None
    except OSError as e:
        raise BackupUnusable(f"{path} cannot be read: {e.strerror or type(e).__name__}") from e


class _Part(io.RawIOBase):
    """A stretch of a file, as a file."""

    def __init__(self, path: Path, file: BinaryIO, extent: _Extent) -> None:
        self._path = path
        self._file = file
        self._at = extent.offset
        self._left = extent.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        with _readable(self._path):
            self._file.seek(self._at)
            chunk = self._file.read(min(len(buffer), self._left))
        buffer[: len(chunk)] = chunk
        self._at += len(chunk)
        self._left -= len(chunk)
        return len(chunk)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[TarReader]:
    """Raises BackupUnusable where it cannot be read, or is no backup at all."""
    with _readable(path):
        file = path.open("rb")
    with file:
        yield TarReader(path, file)
