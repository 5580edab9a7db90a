"""Memories in a file that somebody gives us: JSON lines, or lists as the API answers them.

Each is checked as the API checks it, and its time besides.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec

from core.model.errors import InvalidRequest
from core.model.memory import Memory, Micros, OrgId, stamped
from core.model.timewindow import EARLIEST, micros_of
from handlers.http.checks import refuse
from handlers.http.drafts import draft_of
from handlers.http.given import MemoryInput
from handlers.http.wire import parse_body

LONGEST: Final = 64 << 20
"""Bytes of one line, or of a list that is spread over several."""
_LEAD: Final = 1_000_000
"""Microseconds by which a stamp may lead the clock."""
_BOM: Final = b"\xef\xbb\xbf"


class Given(NamedTuple):
    """One memory, or what is wrong with it."""

    where: str
    """`line 7`, or `line 1, memories[3]`."""
    memory: Memory | None
    error: str = ""


class _Dated(MemoryInput, kw_only=True):
    time: str | None = None


class _Listing(msgspec.Struct):
    """What an answer of the API holds its memories in."""

    memories: list[msgspec.Raw] | None = None
    results: list[msgspec.Raw] | None = None
    agent_id: Any = None


_listing: Final = msgspec.json.Decoder(_Listing).decode
_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


class GivenLines:
    """Reads a file from its beginning, as often as it is asked. Never more than a line is held."""

    def __init__(self, file: BinaryIO, org_id: OrgId, now: Micros) -> None:
        self._file = file
        self._org_id = org_id
        self._latest = now + _LEAD

    def __iter__(self) -> Iterator[Given]:
        """Every memory in the order of the file, as one of this org's."""
        self._file.seek(0)
        if self._file.read(len(_BOM)) != _BOM:
            self._file.seek(0)
        start = self._file.tell()
        document = _document(self._file)
        if document is not None:
            yield from self._listed("", document)
            return
        self._file.seek(start)
        for number, line in enumerate(_lines(self._file), 1):
            yield from self._given(f"line {number}", line)

    def _given(self, where: str, line: bytes) -> Iterator[Given]:
        if len(line) > LONGEST:
            yield Given(where, None, f"is longer than {LONGEST >> 20} MB")
            return
        line = line.strip()
        if not line:
            return
        members = _members(line)
        if members is None:
            yield self._one(where, line)
        else:
            yield from self._listed(f"{where}, ", members)

    def _listed(self, where: str, members: list[msgspec.Raw]) -> Iterator[Given]:
        for index, raw in enumerate(members):
            yield self._one(f"{where}memories[{index}]", bytes(raw))

    def _one(self, where: str, text: bytes) -> Given:
        try:
            given = parse_body(text, _Dated)
            time = self._time(given.time)
            return Given(where, stamped(draft_of(given), self._org_id, time))
        except InvalidRequest as e:
            return Given(where, None, e.message)

    def _time(self, text: str | None) -> Micros:
        """Raises InvalidRequest: there is no default for it, as it is half of the identity."""
        if not text:
            raise refuse("time", "is required")
        try:
            moment = datetime.fromisoformat(text)
            time = micros_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError):
            raise refuse("time", "must be ISO 8601, such as 2026-02-07T20:15:00Z") from None
        if time < EARLIEST:
            raise refuse("time", "must be after 1970-04-26")
        if time > self._latest:
            raise refuse("time", "must not be in the future")
        return time


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """One after the other; of one that is too long its beginning, which is too long as well."""
    while line := file.readline(LONGEST + 1):
        rest = line
        while len(rest) > LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST + 1)
        yield line


def _members(line: bytes) -> list[msgspec.Raw] | None:
    """The memories of a list; None where the line is no list."""
    try:
        if line.startswith(b"["):
            return _array(line)
        if b'"memories"' in line or b'"results"' in line:
            found = _listing(line)
            if found.agent_id is None:
                return found.memories if found.memories is not None else found.results
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return None


def _document(file: BinaryIO) -> list[msgspec.Raw] | None:
    """The memories of a list that is spread over several lines, where the whole file is one."""
    start = file.tell()
    first = file.readline(LONGEST).strip()
    if not first.startswith((b"{", b"[")) or _is_json(first):
        return None
    file.seek(start)
    text = file.read(LONGEST + 1)
    return _members(text.strip()) if len(text) <= LONGEST else None


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
