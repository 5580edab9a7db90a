"""What a memory is: its twelve columns, its identity, and the question that finds it.

Identity is (time, dedup key). `time` is whole microseconds since 1970 UTC, as Arc stores it.
A memory's id is derived from both, so a stored row needs no column for it.
"""

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final, Literal, NewType

import msgspec

OrgId = NewType("OrgId", str)
Micros = int
"""Microseconds since 1970-01-01 UTC."""

MemoryType = Literal["episodic", "session", "decision", "entity"]
Order = Literal["desc", "asc"]
MEMORY_TYPES: Final = ("episodic", "session", "decision", "entity")
ERROR_EVENT: Final = "error"

DEDUP_CONTENT_BYTES: Final = 200
ID_LENGTH: Final = 28
_ID = re.compile(r"mem_([0-9a-f]{14})([0-9a-f]{10})")


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A memory as a caller gave it, validated, in the form of the stored columns; not yet stamped."""

    agent_id: str
    session_id: str
    memory_type: MemoryType
    event_type: str
    content: str
    metadata_json: str
    tags_csv: str
    dedup_key: str
    importance: float
    parent_id: str


class Memory(msgspec.Struct, frozen=True, gc=False):
    """One stored memory: the twelve columns of the `events` measurement, in their order.

    Its JSON form (`encode`) is what the journal keeps and what a flush reads. Empty strings
    stand for absent values, and importance 0.0 for none: a column is never all null.
    """

    time: Micros
    org_id: str
    agent_id: str
    session_id: str
    memory_type: MemoryType
    event_type: str
    content: str
    metadata_json: str
    tags_csv: str
    dedup_key: str
    importance: float
    parent_id: str

    @property
    def id(self) -> str:
        return memory_id(self.time, self.dedup_key)

    @property
    def identity(self) -> tuple[Micros, str]:
        """The order of all lists, and the one notion of "the same memory"."""
        return (self.time, self.dedup_key)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.tags_csv.split(",")) if self.tags_csv else ()


COLUMNS: Final = Memory.__struct_fields__
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Memory)


def encode(memory: Memory) -> bytes:
    """One line of compact JSON, no newline in it; `decode` gives the same memory back.

    Keys come in column order and text is escaped character by character, so that a filter
    may look for an encoded piece of text in it without decoding (`core/adapters/sqlite`).
    """
    return _encoder.encode(memory)


def decode(line: bytes | str) -> Memory:
    """The memory that `encode` wrote. Raises `msgspec.DecodeError` on anything else."""
    return _decoder.decode(line)


def stamped(draft: Draft, org_id: OrgId, time: Micros) -> Memory:
    """The draft as a memory of this org at this time."""
    return Memory(
        time,
        org_id,
        draft.agent_id,
        draft.session_id,
        draft.memory_type,
        draft.event_type,
        draft.content,
        draft.metadata_json,
        draft.tags_csv,
        draft.dedup_key,
        draft.importance,
        draft.parent_id,
    )


def default_dedup_key(agent_id: str, event_type: str, content: str) -> str:
    """SHA-256 of `agent_id|event_type|` and the first 200 bytes of the content: 32 hex digits."""
    head = content[:DEDUP_CONTENT_BYTES].encode()[:DEDUP_CONTENT_BYTES]
    return sha256(f"{agent_id}|{event_type}|".encode() + head).hexdigest()[:32]


def claim_key(dedup_key: str) -> bytes:
    """The 16 bytes by which the journal knows a dedup key."""
    return sha256(dedup_key.encode()).digest()[:16]


def memory_id(time: Micros, dedup_key: str) -> str:
    """`mem_`, 14 hex digits of the time, 10 of SHA-256(dedup key): sortable by time."""
    return f"mem_{time:014x}{sha256(dedup_key.encode()).hexdigest()[:10]}"


def id_from_claim(time: Micros, key: bytes) -> str:
    """The same id as `memory_id`, made from the claim key instead of the dedup key."""
    return f"mem_{time:014x}{key[:5].hex()}"


def parse_id(text: str) -> tuple[Micros, str] | None:
    """(time, first 10 hex digits of SHA-256(dedup key)), or None when it is no memory id."""
    match = _ID.fullmatch(text)
    return (int(match[1], 16), match[2]) if match else None


class Exclusion(msgspec.Struct, frozen=True, kw_only=True):
    """Memories that are left out: those stamped before `until`, of this session and these agents.

    An empty session or no agents ask nothing, so `until` alone leaves out everything before it.
    """

    until: Micros
    session_id: str = ""
    agent_ids: tuple[str, ...] = ()

    def covers(self, time: Micros, session_id: str, agent_id: str) -> bool:
        """Whether a memory with these values is left out."""
        return (
            time < self.until
            and (not self.session_id or session_id == self.session_id)
            and (not self.agent_ids or agent_id in self.agent_ids)
        )


class Rules(tuple[Exclusion, ...]):
    """Exclusions of which there may be very many: those of whole sessions are found by the session."""

    _sessions: dict[str, Micros]
    _others: tuple[Exclusion, ...]

    def __new__(cls, exclusions: Iterable[Exclusion] = ()) -> "Rules":
        self = super().__new__(cls, exclusions)
        self._sessions = sessions_in(self)
        self._others = tuple(e for e in self if e.agent_ids or not e.session_id)
        return self

    def cover(self, time: Micros, session_id: str, agent_id: str) -> bool:
        """Whether one of them covers a memory with these values."""
        return time < self._sessions.get(session_id, 0) or any(
            e.covers(time, session_id, agent_id) for e in self._others
        )


def sessions_in(exclusions: Iterable[Exclusion]) -> dict[str, Micros]:
    """The sessions that are left out whole, and until when."""
    found: dict[str, Micros] = {}
    for one in exclusions:
        if one.session_id and not one.agent_ids:
            found[one.session_id] = max(one.until, found.get(one.session_id, 0))
    return found


class MemoryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which memories are meant. Every part given must hold; tags must all be there, whole.

    `agent_ids` and the types are alternatives among themselves; an empty tuple asks nothing.
    `content_contains` is a literal, case-sensitive substring. What an exclusion covers is not meant.
    """

    agent_ids: tuple[str, ...] = ()
    session_id: str = ""
    memory_types: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    content_contains: str = ""
    min_importance: float | None = None
    dedup_key: str = ""
    excluded: tuple[Exclusion, ...] = ()

    @property
    def is_narrow(self) -> bool:
        """Whether few memories of an org are likely to match."""
        return bool(self.session_id or self.agent_ids or self.content_contains or self.tags or self.dedup_key)

    def matches(self, memory: Memory) -> bool:
        """Whether this memory is one of those meant."""
        return (
            (not self.session_id or memory.session_id == self.session_id)
            and (not self.agent_ids or memory.agent_id in self.agent_ids)
            and (not self.memory_types or memory.memory_type in self.memory_types)
            and (not self.event_types or memory.event_type in self.event_types)
            and (not self.tags or set(self.tags) <= set(memory.tags))
            and self.content_contains in memory.content
            and (self.min_importance is None or memory.importance >= self.min_importance)
            and (not self.dedup_key or memory.dedup_key == self.dedup_key)
            and not (self.excluded and self._leaves_out(memory))
        )

    def _leaves_out(self, memory: Memory) -> bool:
        rules = self.excluded if isinstance(self.excluded, Rules) else Rules(self.excluded)
        return rules.cover(memory.time, memory.session_id, memory.agent_id)


class Span(msgspec.Struct, frozen=True):
    """A half-open interval of time, [since, until) in microseconds UTC."""

    since: Micros
    until: Micros

    @property
    def is_empty(self) -> bool:
        return self.since >= self.until


class Position(msgspec.Struct, frozen=True, array_like=True):
    """A place in the total order: results continue strictly after this identity."""

    order: Order
    time: Micros
    dedup_key: str


class MemoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One page's question. `since` and `until` are half-open; None leaves the side open."""

    filter: MemoryFilter = MemoryFilter()
    since: Micros | None = None
    until: Micros | None = None
    order: Order = "desc"
    limit: int = 100
    offset: int = 0
    after: Position | None = None


class Page(msgspec.Struct, frozen=True):
    """Distinct memories in order; `has_more` is exact; `next` continues after the last one."""

    memories: list[Memory]
    has_more: bool
    next: Position | None


class Tally(msgspec.Struct, kw_only=True):
    """Counts of distinct memories. `last` is the newest time, 0 when there is none."""

    total: int = 0
    by_type: dict[str, int] = {}
    recent: int = 0
    recent_errors: int = 0
    last: Micros = 0

    def add(self, other: "Tally") -> None:
        """Takes in the counts of memories that none of ours is among."""
        self.total += other.total
        self.recent += other.recent
        self.recent_errors += other.recent_errors
        self.last = max(self.last, other.last)
        for kind, count in other.by_type.items():
            self.by_type[kind] = self.by_type.get(kind, 0) + count


def metadata_of(memory: Memory) -> dict[str, Any] | None:
    """The metadata as an object; None when there is none, or when a foreign writer left no object."""
    if not memory.metadata_json or memory.metadata_json == "{}":
        return None
    try:
        value = msgspec.json.decode(memory.metadata_json)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
