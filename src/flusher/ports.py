"""What the flusher needs from outside, and how much of everything it may take."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from core.model.deletion import Deletion
from core.model.errors import DatabaseError, MetadataBusy
from core.model.memory import Micros
from core.model.tenant import Binding, SealedBinding
from core.ports import (
    AgentStore,
    BindingStore,
    Clock,
    EventRemover,
    EventStore,
    Expiry,
    HealthBoard,
    Leases,
    Ledger,
    OrgStore,
    Outbox,
    Queue,
    Undertaker,
)
from core.seeding import Seeding
from core.telemetry import Metrics
from flusher.batcher import BatchLimits

MICROS: Final = 1_000_000
JOURNAL_FAILS: Final = (DatabaseError, MetadataBusy)
"""How a journal says that it does not answer now: a file, or a table."""


class MergeTurn(Protocol):
    """What one turn of merging did."""

    @property
    def merged(self) -> int:
        """Small files that became part of a large one."""
        ...

    @property
    def did_something(self) -> bool:
        """Whether another turn now may find more to do."""
        ...


class Merger(Protocol):
    """Makes few, large files of many small ones in an embedded store."""

    async def step(self, binding: Binding, now: Micros) -> MergeTurn:
        """One bounded turn; may be repeated at any time. Raises StoreError or LeaseLost."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FlusherPorts:
    """The collaborators. Whoever built them closes them, after the flusher has ended."""

    clock: Clock
    owner: str
    """Who holds the lease, as the lease's own adapter names processes."""
    open_queue: Callable[[], Queue]
    """The queue from its beginning: what an owner before us had received and not delivered too."""
    outbox: Outbox
    ledger: Ledger
    leases: Leases
    expiry: Expiry
    bindings: BindingStore
    unseal: Callable[[SealedBinding], Binding]
    """Opens a binding's key. Raises MasterKeyError."""
    renew_keys: Callable[[bool], Awaitable[bool]]
    """Whether the master keys are others now; it is told whether some binding did not open."""
    store_for: Callable[[Binding], EventStore]
    """Raises ConfigurationError or StoreError where there is no adapter for such a binding."""
    agents: AgentStore
    board: HealthBoard
    metrics: Metrics
    report: Callable[[], bytes]
    """The metrics as text; asked for now and then, also for exporters that tell them elsewhere then."""
    random: Callable[[], float]
    """In [0, 1)."""
    pause: Callable[[float], Coroutine[Any, Any, None]]
    """Sleeps: `asyncio.sleep` outside tests."""
    open_merger: Callable[[Callable[[], Awaitable[object]]], Merger]
    """Given what raises LeaseLost when another owner took over, and is asked before a file goes."""
    open_remover: Callable[[Callable[[], Awaitable[object]]], EventRemover]
    """Likewise."""
    admin_key: Callable[[SealedBinding], str]
    """Opens a binding's admin key; empty where it has none. Raises MasterKeyError."""
    undertaker: Undertaker
    orgs: OrgStore
    erase: Callable[[Deletion], Awaitable[object]]
    """Takes what a deletion covers out of the journal."""
    seeding: Seeding | None
    """Claims for what others stored; None where equal memories are not looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlusherLimits:
    """Sizes and times, all in seconds unless named otherwise."""

    batch: BatchLimits = field(default_factory=BatchLimits)
    receive_count: int = 20_000
    receive_bytes: int = 8 << 20
    deliveries: int = 32
    """At most one an org."""
    probes: int = 8
    """Of these, at most so many to stores that did not take the batch before."""
    probe_count: int = 1_000
    probe_bytes: int = 256 << 10
    append_timeout: float = 60.0
    read_timeout: float = 60.0
    slow_after: float = 5.0
    """An org whose delivery takes longer than this no longer holds up the receiving."""
    unbound_retry: float = 5.0
    """How soon an org without a usable binding is looked at again, at least."""
    parkings: int = 8
    """Orgs whose memories are being given back to the journal at once."""
    park_retry: float = 1.0
    fresh_for: float = 60.0
    """How old a memory of a shared queue may be to be sent without asking the journal for it."""
    sweep_every: float = 1.0
    sweep_orgs: int = 16
    """Orgs that one step of the sweep looks at."""
    settle_every: float = 0.5
    strays_every: float = 60.0
    """How soon the journal is asked again for delivered rows that nobody watches."""
    shared_strays_every: float = 30.0
    """And where other flushers deliver too."""
    look_after: float = 2.5
    """How long after a delivery the store is asked for it: more than a directory listing is cached."""
    confirm: Literal["visible", "accepted"] = "visible"
    """Whether an Arc must show what it took before the journal lets go of it."""
    patience: float = 120.0
    """How long the store may not show what it took; no more than twice its `hides_for`."""
    rounds: int = 5
    """How often a memory is delivered again before it is a dead letter."""
    settle_rows: int = 20_000
    settle_tasks: int = 16
    noted_rows: int = 1_000_000
    """Delivered rows watched in memory; what is more waits in the journal."""
    lease: float = 15.0
    bindings_every: float = 2.0
    shared_bindings_every: float = 10.0
    """Where each of several flushers reads them, from a journal that is paid by the read."""
    check_every: float = 10.0
    shared_check_every: float = 25.0
    """Often enough for two looks within the minute after which readers call a store's health unknown."""
    check_timeout: float = 5.0
    checks: int = 8
    expire_every: float = 120.0
    expire_rows: int = 2_000
    window: float = 24 * 3600.0
    """How long a settled claim is kept."""
    merge_every: float = 30.0
    """How soon an org's files are looked at again where there was nothing to merge."""
    merge_on: float = 1.0
    """And where there was."""
    report_every: float = 5.0
    shared_report_every: float = 60.0
    """Where the flusher itself can be asked for its metrics."""
    gauge_every: float = 30.0
    tell_every: float = 60.0
    closing: float = 5.0
    """How long giving back what was received may take."""
    remove_every: float = 1.0
    """How soon deletions are looked for again."""
    removals: int = 2_000
    """Deletions taken up in one turn."""
    removal_timeout: float = 1_800.0
    restarts_every: float = 30.0
    """How soon each Arc is asked again for how long it runs."""
    retain_every: float = 300.0
    seed_every: float = 5.0
    """How soon stores that were not read for claims are looked for again."""
    seed_pause: float = 60.0
    """How long one that fails is left alone at most."""
    seedings: int = 4
