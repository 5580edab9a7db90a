"""The flusher's side of the journal, and what operators do with it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from core.model.memory import (
    Memory,
    Micros,
    OrgId,
)


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


class Sender(Protocol):
    """The edge's end of a queue that is not the journal itself."""

    async def send(self, org_id: OrgId, memories: Sequence[Memory]) -> None:
        """Puts them on the prompt road, as far as that works in time; never raises for the queue's faults.

        They are in the journal already, which owes what does not arrive.
        """
        ...


class Queue(Protocol):
    """The prompt road from the edge to the flusher."""

    @property
    def is_shared(self) -> bool:
        """Whether several flushers may take from it at once, each memory going to one of them mostly.

        Where not, only the holder of the lease does.
        """
        ...

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

    async def close(self) -> None:
        """Receives no more, and lets others have at once what was received and not acknowledged.

        May be called twice.
        """
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to flush: `fence` grows with every owner. Passed to every step that changes anything."""

    owner: str
    fence: int


class Outbox(Protocol):
    """The flusher's view of the journal: every step is a compare-and-set on the row's state.

    Steps that change rows take the lease and raise LeaseLost, changing nothing, when it is somebody
    else's by now. Those of a delivery take None from one of several flushers that share a queue:
    then the compare-and-set alone decides. All may be repeated; rows not in the expected state are
    left alone. Work is done in small transactions, so that writers never wait long.
    """

    async def due(self, org_id: OrgId, now: Micros, max_count: int, max_bytes: int) -> Parcel | None:
        """Owed memories of this org whose `due_at` has come, oldest first; None when there are none."""
        ...

    async def still_owed(self, org_id: OrgId, times: Sequence[Micros]) -> set[Micros]:
        """Which of these the journal owes: not delivered, dead, settled or deleted since.

        May be a second behind.
        """
        ...

    async def delivered(self, parcel: Parcel, lease: Lease | None, check_at: Micros) -> int:
        """owed → delivered; `check_at` is when settling should look. Returns how many moved."""
        ...

    async def postpone(self, parcel: Parcel, lease: Lease | None, due_at: Micros) -> int:
        """owed stays owed, and is not due before `due_at`."""
        ...

    async def delivered_rows(
        self, org_id: OrgId, max_count: int, after: Micros = 0
    ) -> Sequence["DeliveredRow"]:
        """Delivered, unsettled memories of this org stamped later than `after`, oldest first."""
        ...

    async def settled(
        self, org_id: OrgId, times: Sequence[Micros], lease: Lease, seen_in: str | None = None
    ) -> int:
        """delivered → settled: advances `settled_through`, drops payloads, keeps claims.

        `seen_in` is the binding through which they were seen: nothing settles when another one is
        in force by now, nor while the org is being moved to another store.
        """
        ...

    async def owed_again(self, org_id: OrgId, times: Sequence[Micros], lease: Lease) -> int:
        """delivered → owed, due at once, one round more."""
        ...

    async def dead(self, org_id: OrgId, times: Sequence[Micros], reason: str, lease: Lease | None) -> int:
        """owed or delivered → dead: readable, and a person's to retry or purge.

        Without the lease only what is owed dies.
        """
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
class DeadMessage:
    """A message of the queue that nobody could read; never with what it holds."""

    id: str
    bytes: int
    sent_at: Micros
    receives: int
    """How often it was received, by those who look at it here too."""
    reason: str
    """Why it cannot be read, or that it can."""


class DeadMessages(Protocol):
    """The queue's dead letters. Nothing is lost with them: the journal owes what they carried.

    All raise QueueError.
    """

    async def list_messages(self, limit: int) -> list[DeadMessage]:
        """So many of them at most, the newest first. They are hidden from others for a moment."""
        ...

    async def replay_messages(self, limit: int) -> int:
        """Sends so many to the queue again, each deleted here only afterwards: it may arrive twice."""
        ...

    async def purge_messages(self) -> int:
        """Gives up all. About how many there were."""
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

    async def backlog(self, org_id: OrgId) -> Backlog:
        """This org's alone, cheap whatever others have; zeros where it never wrote.

        `oldest` is too early where more than is looked at lies in front of it.
        """
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
