"""A journal in a temporary file, with everything that works on it, for the suites of its ports."""

import contextlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.dead_letters import SqliteDeadLetters
from core.adapters.sqlite.deletions import SqliteDeletions
from core.adapters.sqlite.expiry import SqliteExpiry
from core.adapters.sqlite.journal import SqliteJournal
from core.adapters.sqlite.landing import SqliteLanding
from core.adapters.sqlite.leases import SqliteLeases
from core.adapters.sqlite.ledger import SqliteLedger
from core.adapters.sqlite.migrate import migrate
from core.adapters.sqlite.moves import SqliteMoves
from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.outbox import SqliteOutbox
from core.adapters.sqlite.prompt_road import JournalQueue
from core.adapters.sqlite.seeding import SqliteSeedings
from core.adapters.sqlite.shared import SharedDatabase
from core.adapters.sqlite.shared_journal import SharedJournal
from core.adapters.sqlite.sharing import make_shared
from core.adapters.sqlite.undertaker import SqliteUndertaker
from core.model.journal_limits import JournalLimits
from core.model.memory import Draft, MemoryFilter, OrgId, Span, default_dedup_key
from core.model.tenant import Org
from core.ports import (
    Backlog,
    BindingStore,
    DeadLetters,
    Deletions,
    Expiry,
    IdempotencyKey,
    Journal,
    Landing,
    Lease,
    Leases,
    Ledger,
    Moves,
    Outbox,
    Queue,
    Seedings,
    Undertaker,
)
from core.telemetry import NoMetrics
from tests.clock import ManualClock

ACME = OrgId("org_acme")
OTHER = OrgId("org_other")
ALWAYS = Span(0, 2**62)
HOUR = 3_600_000_000
WINDOW = 24 * HOUR
Mode = Literal["sqlite", "sqlite-shared"]
MODES: Final[tuple[Mode, ...]] = ("sqlite", "sqlite-shared")
PATIENCE = 20.0
MOST_SEEDED = 5
"""Claims of an org that seeding may bring it to."""


def draft(content: str = "hello", key: str = "", **fields: object) -> Draft:
    """A valid draft; its dedup key is the default one unless given."""
    values: dict[str, object] = {
        "agent_id": "crawler",
        "session_id": "",
        "memory_type": "episodic",
        "event_type": "general",
        "content": content,
        "metadata_json": "",
        "tags_csv": "",
        "importance": 0.0,
        "parent_id": "",
        **fields,
    }
    values["dedup_key"] = key or default_dedup_key(
        str(values["agent_id"]), str(values["event_type"]), content
    )
    return Draft(**values)  # type: ignore[arg-type]


def named(key: str, body: str = "body") -> IdempotencyKey:
    return IdempotencyKey(key.encode().ljust(16)[:16], body.encode().ljust(16)[:16])


class ClosableJournal(Journal, Protocol):
    def close(self) -> None: ...


class Orgs(Protocol):
    async def create_org(self, org: Org) -> None: ...

    async def delete_org(self, org_id: OrgId) -> bool: ...


@dataclass(kw_only=True)
class Shop(ABC):
    """One process's view of a journal: what the server and what the flusher would open."""

    clock: ManualClock
    journal: ClosableJournal
    outbox: Outbox
    queue: Queue
    ledger: Ledger
    leases: Leases
    letters: DeadLetters
    expiry: Expiry
    orgs: Orgs
    deletions: Deletions
    undertaker: Undertaker
    bindings: BindingStore
    moves: Moves
    landing: Landing
    seedings: Seedings
    many: int
    """Rows that no one transaction or call takes."""

    async def contents(self, org: OrgId = ACME, **filter: object) -> list[str]:
        tail = await self.journal.tail(org, MemoryFilter(**filter), ALWAYS, "asc", 1_000_000)  # type: ignore[arg-type]
        return [memory.content for memory in tail.memories]

    async def leased(self) -> Lease:
        lease = await self.leases.acquire("tester:0", 10)
        assert lease is not None
        return lease

    async def total(self) -> Backlog:
        """What the journal holds, exactly."""
        return await self.ledger.total()

    @abstractmethod
    async def held(self) -> tuple[int, int, int]:
        """Rows, their bytes and claims, counted where they are."""

    def close(self) -> None:
        self.journal.close()


@dataclass(kw_only=True)
class Workshop(Shop):
    """A journal in a file."""

    database: Database
    journal: SqliteJournal | SharedJournal
    deletions: SqliteDeletions
    undertaker: SqliteUndertaker

    async def held(self) -> tuple[int, int, int]:
        def count(connection: sqlite3.Connection) -> tuple[int, int, int]:
            rows, size = connection.execute(
                "SELECT count(*), coalesce(sum(length(payload)), 0) FROM journal"
            ).fetchone()
            return rows, size, connection.execute("SELECT count(*) FROM claims").fetchone()[0]

        return await self.database.read(count)

    def close(self) -> None:
        self.journal.close()
        self.database.close()


def make_file(path: Path) -> Path:
    """A migrated database with two orgs."""
    migrate(path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT OR IGNORE INTO organizations (id, name) VALUES (?, ?)", [(ACME, "acme"), (OTHER, "other")]
        )
    return path


def open_workshop(
    path: Path, clock: ManualClock, limits: JournalLimits | None = None, *, mode: Mode = "sqlite"
) -> Workshop:
    database, journal = (_shared if mode == "sqlite-shared" else _logged)(path, clock, limits)
    return Workshop(
        database=database,
        clock=clock,
        journal=journal,
        outbox=SqliteOutbox(database, clock=clock),
        queue=JournalQueue(database, clock=clock),
        ledger=SqliteLedger(database),
        leases=SqliteLeases(database, clock=clock),
        letters=SqliteDeadLetters(database, clock=clock),
        expiry=SqliteExpiry(database),
        orgs=SqliteOrgs(database),
        deletions=SqliteDeletions(database, clock=clock),
        undertaker=SqliteUndertaker(database, clock=clock),
        bindings=SqliteBindings(database),
        moves=SqliteMoves(database, clock=clock),
        landing=SqliteLanding(database, clock=clock),
        seedings=SqliteSeedings(database, clock=clock, most=MOST_SEEDED),
        many=1_200,
    )


def _logged(path: Path, clock: ManualClock, limits: JournalLimits | None) -> tuple[Database, SqliteJournal]:
    database = Database(path)
    return database, SqliteJournal(
        database,
        clock=clock,
        metrics=NoMetrics(),
        limits=limits or JournalLimits(),
        window=WINDOW,
        grace=60_000_000,
    )


def _shared(path: Path, clock: ManualClock, limits: JournalLimits | None) -> tuple[Database, SharedJournal]:
    make_shared(path)
    database = SharedDatabase(path, patience=PATIENCE)
    return database, SharedJournal(
        database,
        clock=clock,
        metrics=NoMetrics(),
        limits=limits or JournalLimits(),
        window=WINDOW,
        grace=60_000_000,
    )


@contextlib.contextmanager
def workshop(
    path: Path, clock: ManualClock, limits: JournalLimits | None = None, *, mode: Mode = "sqlite"
) -> Iterator[Workshop]:
    shop = open_workshop(make_file(path), clock, limits, mode=mode)
    try:
        yield shop
    finally:
        shop.close()


class Installation(Protocol):
    """A place where a journal is kept, with two orgs; it may be opened again, or by several at once."""

    def open(self, limits: JournalLimits | None = None) -> contextlib.AbstractAsyncContextManager[Shop]: ...


@dataclass(frozen=True)
class File:
    """An installation in a file."""

    path: Path
    clock: ManualClock
    mode: Mode

    @contextlib.asynccontextmanager
    async def open(self, limits: JournalLimits | None = None) -> AsyncIterator[Shop]:
        with workshop(self.path, self.clock, limits, mode=self.mode) as shop:
            yield shop
