"""The message from edge to flusher: memories of one org as a text that SQS takes.

`1.z.…` or `1.p.…`: the version, whether what follows is deflated or plain, and base64 of MessagePack.
MessagePack and not the JSON lines of the journal, since it escapes nothing: a memory is as long as its
parts, so the longest message has a bound that no content can break. Unpacked, they are those very lines.
"""

import base64
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import msgspec

from core.model.errors import MessageUnreadable
from core.model.memory import Memory, Micros, OrgId, encode

MOST_BYTES: Final = 1_048_576
"""Of one message, and of all messages of one batch: SQS counts the body and every attribute."""
MOST_PACKED: Final = 768_000
"""Bytes of memories in one message: 1,024,000 characters of base64, so that it fits before it is deflated."""
MOST_UNPACKED: Final = 1 << 20
"""Bytes that a message may inflate to; what says more is not read."""
_MOST_TIME: Final = 1 << 53
_VERSION: Final = "1"
_PREFIX: Final = re.compile(r"([0-9]{1,9})\.([a-z])\.")
_LEVEL: Final = 1
"""Of zlib: the edge waits for it."""
is_group: Final = re.compile(r"[!-~]{1,128}").fullmatch
"""What SQS takes for a MessageGroupId: letters, digits and punctuation."""


class _Content(msgspec.Struct, frozen=True):
    org_id: str
    memories: list[msgspec.Raw]


class _Received(msgspec.Struct, frozen=True):
    org_id: str
    memories: list[Memory]


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Received)


@dataclass(frozen=True, slots=True)
class Packed:
    """One message: its text, of ASCII alone, and how many memories are in it."""

    body: str = field(repr=False)
    count: int


@dataclass(frozen=True, slots=True)
class Packing:
    """The messages of one request, and how many memories are in none of them since they are too large."""

    messages: tuple[Packed, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What a message carried: times, ascending, and a line of `core.model.memory.encode` for each."""

    org_id: OrgId
    times: tuple[Micros, ...]
    lines: bytes = field(repr=False)


def pack(org_id: OrgId, memories: Sequence[Memory]) -> Packing:
    """As few messages as hold them, each under 1 MiB; every memory is in one message, in the order of time.

    A memory that no message holds is left out and stays what the journal owes. None that passed the limits
    of the API is: 256 KB of content, 64 KB of metadata and 8 KB of all else are less than half of a message.
    """
    packed, left_out = [], 0
    chunk: list[msgspec.Raw] = []
    size = 0
    for memory in sorted({m.time: m for m in memories}.values(), key=lambda m: m.time):
        raw = _encoder.encode(memory)
        if len(raw) > MOST_PACKED:
            left_out += 1
            continue
        if size + len(raw) > MOST_PACKED:
            packed.append(_packed(org_id, chunk))
            chunk, size = [], 0
        chunk.append(msgspec.Raw(raw))
        size += len(raw)
    if chunk:
        packed.append(_packed(org_id, chunk))
    return Packing(tuple(packed), left_out)


def unpack(body: str) -> Unpacked:
    """What `pack` packed. Raises MessageUnreadable for anything else, in words that quote nothing of it."""
    prefix = _PREFIX.match(body)
    if prefix is None:
        raise MessageUnreadable("this is no message of Memtrace")
    version, form = prefix.groups()
    if version != _VERSION:
        raise MessageUnreadable(f"the message has version {version}, and this is {_VERSION}")
    try:
        content = base64.b64decode(body[prefix.end() :], validate=True)
    except ValueError as e:
        raise MessageUnreadable("the message is not base64") from e
    return _checked(_decoded(_inflated(content, form)))


def _packed(org_id: OrgId, memories: list[msgspec.Raw]) -> Packed:
    plain = _encoder.encode(_Content(org_id, memories))
    deflated = zlib.compress(plain, _LEVEL)
    form, content = ("z", deflated) if len(deflated) < len(plain) else ("p", plain)
    return Packed(f"{_VERSION}.{form}.{base64.b64encode(content).decode()}", len(memories))


def _inflated(content: bytes, form: str) -> bytes:
    if form == "p":
        return content
    if form != "z":
        raise MessageUnreadable(f"the message has the form {form!r}, which nothing here makes")
    inflating = zlib.decompressobj()
    try:
        plain = inflating.decompress(content, MOST_UNPACKED)
    except zlib.error as e:
        raise MessageUnreadable("the message does not inflate") from e
    if not inflating.eof or inflating.unused_data:
        raise MessageUnreadable(f"the message is cut off, or inflates to more than {MOST_UNPACKED} bytes")
    return plain


def _decoded(plain: bytes) -> _Received:
    try:
        return _decoder.decode(plain)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        # Its own words may quote a member's name, which somebody else chose.
        raise MessageUnreadable("the message holds something else than memories") from e


def _checked(received: _Received) -> Unpacked:
    org_id, memories = received.org_id, received.memories
    if is_group(org_id) is None:
        raise MessageUnreadable("the message names no organization")
    if not memories:
        raise MessageUnreadable("the message holds no memory")
    if any(m.org_id != org_id for m in memories):
        raise MessageUnreadable("the message holds a memory of another organization than its own")
    if not 0 < memories[0].time <= memories[-1].time < _MOST_TIME:
        raise MessageUnreadable("the message holds a time that is none")
    if any(a.time >= b.time for a, b in pairwise(memories)):
        raise MessageUnreadable("the memories of the message are not in the order of time")
    if not all(math.isfinite(m.importance) for m in memories):
        raise MessageUnreadable("the message holds an importance that is no number")
    return Unpacked(OrgId(org_id), tuple(m.time for m in memories), b"\n".join(map(encode, memories)))
