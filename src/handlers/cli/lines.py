"""A file of exported memories while it is written: one JSON object a line, in the API's form."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from core.model.errors import InvalidRequest
from core.model.memory import Memory, OrgId, Position
from core.model.timewindow import parse_time
from handlers.http.present import encode, read

_CHUNK: Final = 1 << 20
_LONGEST: Final = 16 << 20
"""Bytes: several times what the largest memory comes to, every character escaped."""


class _Exported(msgspec.Struct):
    time: str
    org_id: str
    dedup_key: str


_decode: Final = msgspec.json.Decoder(_Exported).decode


def lines_of(memories: Sequence[Memory]) -> bytes:
    """What the API answers for each of them, a line each."""
    return b"".join(encode(read(memory)) + b"\n" for memory in memories)


@contextlib.contextmanager
def written_to(path: Path | None, *, goes_on: bool) -> Iterator[BinaryIO]:
    """The file to append to (mode 0600), on disk when this is left; standard output for None.

    Raises InvalidRequest where the file is there and not to be gone on with.
    """
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | (0 if goes_on else os.O_EXCL)
    try:
        handle = os.open(path, flags, 0o600)
    except FileExistsError:
        raise InvalidRequest(
            f"{path} is there already", hint="--resume goes on with it; or choose another name"
        ) from None
    with os.fdopen(handle, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def end_of(path: Path, org_id: OrgId) -> Position | None:
    """Where an export that was broken off goes on; a torn last line is cut off.

    None where there is no whole line yet. Raises InvalidRequest where the file is no export of
    this org's.
    """
    if not path.exists():
        return None
    with path.open("r+b") as file:
        file.truncate(_whole_lines(file))
        line = _last_line(file)
    if not line:
        return None
    try:
        last = _decode(line)
        if last.org_id != org_id:
            raise InvalidRequest(f"{path} is an export of {last.org_id}, not of {org_id}")
        return Position("asc", parse_time(last.time, 0, "time"), last.dedup_key)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequest(f"{path} is no export: its last line holds no memory") from None


def _whole_lines(file: BinaryIO) -> int:
    """The length up to the end of the last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _CHUNK)
        file.seek(start)
        at = file.read(end - start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def _last_line(file: BinaryIO) -> bytes:
    """Of a file that ends with a line's end; too long a line comes cut, and decodes to nothing."""
    end = file.seek(0, os.SEEK_END)
    start = max(0, end - _LONGEST)
    file.seek(start)
    return file.read().rstrip(b"\n").rpartition(b"\n")[2]
