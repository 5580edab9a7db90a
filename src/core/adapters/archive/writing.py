"""A tar archive as a stream: members one after the other, the manifest, and a checksum of all of it.

Ordinary tar: `tar xf` unpacks it. The last member holds the SHA-256 of every byte before it.
"""

import hashlib
import os
import stat
import tarfile
from pathlib import Path
from typing import BinaryIO, Final

from core.adapters.archive.workspace import writable
from core.model.backup import MANIFEST, ArchivedFile
from core.model.errors import BackupUnusable

CHECKSUM: Final = "checksum.sha256"
_CHUNK: Final = 1 << 20
_BLOCK: Final = tarfile.BLOCKSIZE
_RECORD: Final = tarfile.RECORDSIZE
_MODE: Final = 0o600


class TarWriter:
    """Implements `ArchiveWriter`. `told` is for messages; never more than a chunk is in memory."""

    def __init__(self, file: BinaryIO, told: Path, now: int) -> None:
        self._file = file
        self._told = told
        self._now = now
        self._digest = hashlib.sha256()
        self._written = 0

    def add(self, name: str, size: int, content: BinaryIO) -> ArchivedFile:
        self._header(name, size)
        digest = hashlib.sha256()
        left = size
        while left and (chunk := content.read(min(left, _CHUNK))):
            digest.update(chunk)
            self._write(chunk)
            left -= len(chunk)
        if left:
            raise BackupUnusable(f"{name} became shorter while it was copied", hint="run the backup again")
        self._pad(_BLOCK)
        return ArchivedFile(name, size, digest.hexdigest())

    def finish(self, manifest: bytes) -> None:
        self._add_bytes(MANIFEST, manifest)
        self._add_bytes(CHECKSUM, self._digest.hexdigest().encode() + b"\n")
        self._write(bytes(2 * _BLOCK))
        self._pad(_RECORD)
        with writable(self._told):
            self._file.flush()
            if stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):  # no pipe
                os.fsync(self._file.fileno())

    def _add_bytes(self, name: str, content: bytes) -> None:
        self._header(name, len(content))
        self._write(content)
        self._pad(_BLOCK)

    def _header(self, name: str, size: int) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.mtime = size, _MODE, self._now
        self._write(info.tobuf(tarfile.PAX_FORMAT))

    def _pad(self, to: int) -> None:
        self._write(bytes(-self._written % to))

    def _write(self, chunk: bytes) -> None:
        with writable(self._told):
            self._file.write(chunk)
        self._digest.update(chunk)
        self._written += len(chunk)
