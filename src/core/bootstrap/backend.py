"""Metadata and journal of one process, whatever keeps them."""

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol

from core.ports import (
    AgentStore,
    BindingStore,
    Clock,
    DeadLetters,
    Deletions,
    Expiry,
    HealthBoard,
    Journal,
    JournalReader,
    KeyStore,
    Landing,
    Leases,
    Ledger,
    Moves,
    OrgStore,
    Outbox,
    Queue,
    Replies,
    Seedings,
    SessionStore,
    Undertaker,
)
from core.settings import Settings
from core.telemetry import Metrics

if TYPE_CHECKING:
    from core.adapters.aws.api import AwsApi


class Backend(Protocol):
    """Every port behind which metadata and journal are; each is made when it is first asked for."""

    @property
    def orgs(self) -> OrgStore: ...
    @property
    def keys(self) -> KeyStore: ...
    @property
    def bindings(self) -> BindingStore: ...
    @property
    def agents(self) -> AgentStore: ...
    @property
    def sessions(self) -> SessionStore: ...
    @property
    def replies(self) -> Replies: ...
    @property
    def board(self) -> HealthBoard: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def leases(self) -> Leases: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def expiry(self) -> Expiry: ...
    @property
    def dead_letters(self) -> DeadLetters: ...
    @property
    def deletions(self) -> Deletions: ...
    @property
    def undertaker(self) -> Undertaker: ...
    @property
    def moves(self) -> Moves: ...
    @property
    def seedings(self) -> Seedings: ...
    @property
    def landing(self) -> Landing: ...
    @property
    def journal(self) -> JournalReader:
        """Reads beside whoever appends."""
        ...

    @property
    def owner(self) -> str:
        """This process, as its leases name it."""
        ...

    def open_journal(self, metrics: Metrics) -> Journal:
        """The appending end; call it once, and where only one process may append, in that one."""
        ...

    def follow_journal(self) -> Queue:
        """The journal itself as the queue. Raises ConfigurationError where it cannot be one."""
        ...

    async def clean(self) -> bool:
        """Leaves nothing of what was deleted in logs of its own; False where another process has to."""
        ...


@contextlib.asynccontextmanager
async def open_backend(
    settings: Settings, clock: Clock, *, api: "AwsApi | None" = None, cache_kib: int | None = None
) -> AsyncIterator[Backend]:
    """The backend of a command or a flusher, brought up to date; closed when left.

    `cache_kib` is what an embedded database may keep in memory. Raises ConfigurationError.
    """
    if settings.metadata.backend == "sqlite":
        from core.bootstrap.sqlite import open_sqlite

        with contextlib.ExitStack() as closing:
            yield open_sqlite(settings, clock, closing, cache_kib=cache_kib)
        return
    yield await open_table(settings, clock, api)


async def open_table(settings: Settings, clock: Clock, api: "AwsApi | None") -> Backend:
    """The DynamoDB table, looked at first. Raises DatabaseError where it is missing or another one."""
    from core.adapters.dynamodb.table import check
    from core.bootstrap.dynamodb import DynamoBackend

    assert api is not None
    await check(api, settings.dynamodb.table, timeout=settings.dynamodb.timeout)
    return DynamoBackend(settings, clock, api)


@contextlib.asynccontextmanager
async def open_edge_backend(
    settings: Settings, clock: Clock, *, api: "AwsApi | None" = None
) -> AsyncIterator[Backend]:
    """That of one of many processes which answer requests: it brings nothing up to date; closed when left.

    A SQLite file is a shared one here, and is not opened before it is needed: requests are answered
    with DatabaseError until a flusher or a command has made it what it must be.
    """
    if settings.metadata.backend == "sqlite":
        from core.bootstrap.shared_sqlite import open_shared

        with contextlib.ExitStack() as closing:
            yield open_shared(settings, clock, closing)
        return
    from core.bootstrap.dynamodb import DynamoBackend

    assert api is not None
    yield DynamoBackend(settings, clock, api)
