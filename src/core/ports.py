"""What the services need from outside, one protocol per need.

Each docstring says what is atomic, what may be repeated, and which errors come out.
Adapters raise nothing but the errors of `core/model/errors.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from core.model.memory import (
    Draft,
    Memory,
    MemoryFilter,
    Micros,
    Order,
    OrgId,
    Position,
    Span,
    Tally,
)
from core.model.tenant import ApiKey, Binding, Org, Permission, SealedBinding
from core.model.work import Agent, Session, SessionStatus


class Clock(Protocol):
    """The time. Nothing else in `core` or `flusher` asks the system for it."""

    def micros(self) -> Micros:
        """Wall-clock microseconds since 1970 UTC; may step."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        ...


# --- the write road -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """A caller's own name for one request: digests (16 bytes each) of the key and of the body."""

    key: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one draft: stored as `memory`, or (`memory` is None) a duplicate of `id`."""

    id: str
    memory: Memory | None


class Journal(Protocol):
    """The durable home of every memory until the event store demonstrably serves it."""

    async def append(
        self, org_id: OrgId, drafts: Sequence[Draft], idempotency: IdempotencyKey | None
    ) -> list[Receipt]:
        """Claims each dedup key and stores its memory, durably, before it returns.

        One receipt per draft, in order. Atomic per request in this adapter and at least per
        memory in any; of equal keys (same org, within the window) exactly one is created, also
        inside one call. Times are stamped here, strictly increasing. With an idempotency key the
        same call may be repeated: what it created then is answered as created again, with the
        same times. Raises JournalFull or ClockStepped (nothing stored), IdempotencyConflict.
        """
        ...

    async def tail(self, org_id: OrgId, filter: MemoryFilter, span: Span, order: Order, limit: int) -> "Tail":
        """The first `limit` unsettled memories that match, and `settled_through`, in one snapshot."""
        ...

    async def tail_rows(self, org_id: OrgId, filter: MemoryFilter) -> "TailRows":
        """All unsettled memories that match, reduced to what counting needs, in one snapshot."""
        ...

    async def claimed_at(self, org_id: OrgId, dedup_key: str) -> Micros | None:
        """When the memory that holds this key was stored; None when no claim is alive."""
        ...


@dataclass(frozen=True, slots=True)
class Tail:
    """A snapshot of what is unsettled. Everything after `settled_through` is in the tail alone."""

    memories: list[Memory]
    settled_through: Micros


@dataclass(frozen=True, slots=True)
class TailRow:
    """An unsettled memory as counting needs it."""

    time: Micros
    dedup_key: str
    memory_type: str
    event_type: str


@dataclass(frozen=True, slots=True)
class TailRows:
    rows: list[TailRow]
    settled_through: Micros


# --- the flusher's side of the journal ------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Parcel:
    """Memories of one org, on their way to its store: one JSON line each, in time order."""

    org_id: OrgId
    times: tuple[Micros, ...]
    lines: bytes = field(repr=False)
    """`core.model.memory.encode` of each memory, joined by newlines, in the order of `times`."""

    @property
    def count(self) -> int:
        return len(self.times)


class Queue(Protocol):
    """The prompt road from the edge to the flusher."""

    async def receive(self, max_count: int, max_bytes: int) -> list[Parcel]:
        """What arrived since the last call, per org, bounded; empty when nothing did.

        At least once: a parcel may come again, here or by `Outbox.due`.
        """
        ...

    async def ack(self, parcels: Sequence[Parcel]) -> None:
        """These are delivered or parked: the journal owes what is not delivered. May be repeated."""
        ...

    async def wait(self, seconds: float) -> None:
        """Returns when something may have arrived, at the latest after `seconds`."""
        ...


RowState = Literal["owed", "delivered", "dead"]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to flush: `fence` grows with every owner. Passed to every step that changes anything."""

    owner: str
    fence: int


class Outbox(Protocol):
    """The flusher's view of the journal: every step is a compare-and-set on the row's state.

    All but `due` and `delivered_rows` take the lease and raise LeaseLost, changing nothing, when
    it is somebody else's by now. All may be repeated; rows not in the expected state are left
    alone. Work is done in small transactions, so that writers never wait long.
    """

    async def due(self, org_id: OrgId, now: Micros, max_count: int, max_bytes: int) -> Parcel | None:
        """Owed memories of this org whose `due_at` has come, oldest first; None when there are none."""
        ...

    async def delivered(self, parcel: Parcel, lease: Lease, check_at: Micros) -> int:
        """owed → delivered; `check_at` is when settling should look. Returns how many moved."""
        ...

    async def postpone(self, parcel: Parcel, lease: Lease, due_at: Micros) -> int:
        """owed stays owed, and is not due before `due_at`."""
        ...

    async def delivered_rows(
        self, org_id: OrgId, max_count: int, after: Micros = 0
    ) -> Sequence["DeliveredRow"]:
        """Delivered, unsettled memories of this org stamped later than `after`, oldest first."""
        ...

    async def settled(self, org_id: OrgId, times: Sequence[Micros], lease: Lease) -> int:
        """delivered → settled: advances `settled_through`, drops payloads, keeps claims."""
        ...

    async def owed_again(self, org_id: OrgId, times: Sequence[Micros], lease: Lease) -> int:
        """delivered → owed, due at once, one round more."""
        ...

    async def dead(self, org_id: OrgId, times: Sequence[Micros], reason: str, lease: Lease) -> int:
        """owed or delivered → dead: readable, and a person's to retry or purge."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveredRow:
    time: Micros
    dedup_key: str
    rounds: int
    """How often it had to be delivered again."""
    delivered_at: Micros
    """The `check_at` that it was marked delivered with."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    memory: Memory
    reason: str
    died_at: Micros


class DeadLetters(Protocol):
    """Memories that no store will take. They stay readable, and keep their claim, until purged."""

    async def list_dead(self, org_id: OrgId | None, limit: int) -> list[DeadLetter]:
        """The newest first, of one org or of all."""
        ...

    async def find_dead(self, memory_id: str) -> DeadLetter | None: ...

    async def retry_dead(self, org_id: OrgId | None, memory_ids: Sequence[str] | None) -> int:
        """dead → owed, due at once; all of them when no ids are given. Returns how many."""
        ...

    async def purge_dead(self, org_id: OrgId | None, memory_ids: Sequence[str] | None) -> int:
        """dead → gone, the claim too: an equal memory may be written again."""
        ...


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one org's journal holds, and how its store is doing."""

    org_id: OrgId
    owed: int
    delivered: int
    dead: int
    bytes: int
    claims: int
    oldest: Micros | None
    """Time of the oldest owed memory."""


class Ledger(Protocol):
    """Numbers for people and machines; reads only."""

    async def backlogs(self) -> list[Backlog]:
        """Per org that has anything in the journal."""
        ...

    async def total(self) -> Backlog:
        """All orgs together (their id empty); cheap enough for every scrape."""
        ...

    async def orgs_owing(self, now: Micros) -> list[OrgId]:
        """Orgs with an owed memory that was postponed and is due again."""
        ...

    async def orgs_delivered(self) -> list[OrgId]:
        """Orgs with a delivered memory that is not settled."""
        ...


class Leases(Protocol):
    """Who flushes. One owner at a time; a new owner's fence is larger than any before."""

    async def acquire(self, owner: str, seconds: float) -> Lease | None:
        """The lease, when it is free, expired, already ours, or held by a process that is dead."""
        ...

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Keeps it. Raises LeaseLost when it is somebody else's."""
        ...

    async def release(self, lease: Lease) -> None:
        """Gives it back; does nothing when it is no longer ours."""
        ...

    async def holder(self) -> str | None:
        """The owner of the lease that is in force, for messages."""
        ...


class Expiry(Protocol):
    """Claims and idempotency keys whose window is over."""

    async def expire(self, before: Micros, lease: Lease, max_rows: int) -> bool:
        """One bounded turn: forgets settled claims stamped before `before`. True when the round is done."""
        ...


# --- the event store ------------------------------------------------------------------------


class EventStore(Protocol):
    """Where memories live in the end. Every call names the binding, and so the org.

    Every statement also filters by the org. Repeats of a memory may be stored; readers of
    `search` may see them as neighbours, everything else counts and answers distinct ones.
    Raises StoreUnreachable, StoreTimeout, StoreAmbiguous (repeat later) or StoreRefused (do not).
    """

    hides_for: float
    """Seconds for which a stored, already seen row may still be hidden from another read."""

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        """Stores all of the parcel or raises. At least once: the same parcel may be sent again."""
        ...

    async def search(
        self,
        binding: Binding,
        filter: MemoryFilter,
        span: Span,
        order: Order,
        limit: int,
        after: Position | None,
    ) -> list[Memory]:
        """The first `limit` rows in (time, dedup key) order, after `after`; repeats possible."""
        ...

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        """(time, dedup key, memory type, event type) of every distinct match in the span."""
        ...

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        """Distinct counts in the span; `recent*` are those at or after `recent_since`."""
        ...

    async def earliest(self, binding: Binding) -> Micros | None:
        """A time before which nothing is stored; None when nothing is stored at all."""
        ...

    async def check(self, binding: Binding) -> None:
        """Returns when the store answers and takes our key; raises otherwise. Writes nothing."""
        ...


class StorePlaces(Protocol):
    """Where bindings point to."""

    async def prepare(self, binding: Binding) -> None:
        """Makes the place ready for its first memory, where that is ours to do; may be repeated.

        Done once, when an org is bound: a place that is gone later is an unreachable store and no
        empty one. Raises StoreUnreachable.
        """
        ...


# --- metadata -------------------------------------------------------------------------------


class OrgStore(Protocol):
    """The tenants. Names need not be unique; ids are."""

    async def create_org(self, org: Org) -> None:
        """Raises AlreadyExists when the id is taken."""
        ...

    async def list_orgs(self) -> list[Org]: ...

    async def find_org(self, org_id: OrgId) -> Org | None: ...

    async def delete_org(self, org_id: OrgId) -> bool:
        """Takes its binding, keys, agents, sessions and journal with it, atomically. False: unknown."""
        ...


class KeyStore(Protocol):
    """API keys: a bcrypt hash and a lookup prefix each. The name is unique among an org's enabled keys."""

    async def create_key(
        self,
        org_id: OrgId,
        name: str,
        prefix: str,
        hash: str,
        permissions: frozenset[Permission],
        expires_at: datetime | None,
        created_at: datetime,
    ) -> ApiKey:
        """Raises AlreadyExists (the name) or NotFound (the org)."""
        ...

    async def find_keys(self, prefix: str) -> list[ApiKey]:
        """All keys with this prefix, disabled and expired ones too."""
        ...

    async def list_keys(self, org_id: OrgId) -> list[ApiKey]: ...

    async def revoke_key(self, key_id: int) -> bool:
        """Disables it; may be repeated. False: unknown."""
        ...


class BindingStore(Protocol):
    """One binding an org at most."""

    async def find_binding(self, org_id: OrgId) -> SealedBinding | None: ...

    async def list_bindings(self) -> list[SealedBinding]: ...

    async def put_binding(self, binding: SealedBinding) -> None:
        """Adds or replaces the org's binding. Raises NotFound when the org is unknown."""
        ...

    async def remove_binding(self, org_id: OrgId) -> bool: ...


class AgentStore(Protocol):
    """Registered agents, always within one org."""

    async def create_agent(self, agent: Agent) -> None:
        """Raises AlreadyExists when the org has an agent of that name, NotFound without the org."""
        ...

    async def find_agent(self, org_id: OrgId, id_or_name: str) -> Agent | None:
        """By id, else by name."""
        ...

    async def list_agents(self, org_id: OrgId, limit: int, after: tuple[datetime, str] | None) -> list[Agent]:
        """Newest first, strictly after (created_at, id)."""
        ...

    async def delete_agent(self, org_id: OrgId, id_or_name: str) -> bool: ...

    async def touch_agents(self, org_id: OrgId, seen: dict[str, Micros]) -> None:
        """`last_active_at` of the agents of these names or ids grows to these times."""
        ...


class SessionStore(Protocol):
    """Sessions, always within one org; the agent need not be registered."""

    async def create_session(self, session: Session) -> None:
        """Raises NotFound when the org is unknown."""
        ...

    async def find_session(self, org_id: OrgId, session_id: str) -> Session | None: ...

    async def list_sessions(
        self,
        org_id: OrgId,
        agent_id: str | None,
        status: SessionStatus | None,
        limit: int,
        after: tuple[datetime, str] | None,
    ) -> list[Session]:
        """Newest first, strictly after (created_at, id)."""
        ...

    async def update_session(
        self,
        org_id: OrgId,
        session_id: str,
        status: SessionStatus | None,
        metadata: dict[str, Any] | None,
        now: datetime,
    ) -> Session | None:
        """Sets the status and merges the metadata (`work.merged`) in one transaction. None: unknown.

        `closed_at` is when it was closed first, and nothing once it is active again. Raises
        InvalidRequest, changing nothing, when the merged metadata would be too large.
        """
        ...

    async def count_sessions(self, org_id: OrgId, agent_ids: Sequence[str]) -> tuple[int, int]:
        """(all, active) sessions of an agent known by these names."""
        ...


class Replies(Protocol):
    """Answers kept for callers that repeat a request under the same idempotency key."""

    async def begin_reply(
        self, org_id: OrgId, idempotency: IdempotencyKey, now: Micros, since: Micros
    ) -> tuple[int, bytes] | None:
        """The kept answer (status, body), or None when there is none since `since`.

        Raises IdempotencyConflict when the key is known with another body.
        """
        ...

    async def keep_reply(
        self, org_id: OrgId, idempotency: IdempotencyKey, now: Micros, status: int, body: bytes
    ) -> None:
        """Keeps this answer; the first one kept stays."""
        ...


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """What the flusher last saw of one org's store."""

    org_id: OrgId
    ok: bool
    checked_at: Micros
    circuit: Literal["closed", "open", "half_open"] = "closed"
    retry_at: Micros | None = None
    reason: str = ""


class HealthBoard(Protocol):
    """Written by the flusher, read by the edge: so a dead store slows no probe."""

    async def post_health(self, health: Sequence[StoreHealth]) -> None: ...

    async def read_health(self) -> list[StoreHealth]: ...

    async def post_report(self, text: bytes, now: Micros) -> None:
        """Replaces the flusher's metrics text."""
        ...

    async def read_report(self) -> tuple[bytes, Micros] | None:
        """The last text posted and when; None when there was none yet."""
        ...


@dataclass(frozen=True, slots=True)
class DatabaseReport:
    """What a look at the metadata database found, before anything in it is changed."""

    damage: tuple[str, ...]
    """The first things that an integrity check found wrong."""
    missing: tuple[str, ...]
    """Migrations not applied yet; the next start applies them."""
    unknown: tuple[str, ...]
    """Migrations of a newer Memtrace."""
    newest: Micros | None
    """The newest time that the journal knows of."""
