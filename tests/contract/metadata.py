"""The metadata ports over each backend: one suite, whatever keeps the rows."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from core.adapters.dynamodb.agents import DynamoAgents
from core.adapters.dynamodb.api_keys import DynamoKeys
from core.adapters.dynamodb.bindings import DynamoBindings
from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.health_board import DynamoHealthBoard
from core.adapters.dynamodb.orgs import DynamoOrgs
from core.adapters.dynamodb.replies import DynamoReplies
from core.adapters.dynamodb.sessions import DynamoSessions
from core.adapters.sqlite.agents import SqliteAgents
from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.database import Database
from core.adapters.sqlite.health_board import SqliteHealthBoard
from core.adapters.sqlite.keys import SqliteKeys
from core.adapters.sqlite.migrate import migrate
from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.replies import SqliteReplies
from core.adapters.sqlite.sessions import SqliteSessions
from core.adapters.sqlite.shared import SharedDatabase
from core.adapters.sqlite.sharing import make_shared
from core.model.memory import OrgId
from core.model.tenant import Org
from core.ports import AgentStore, BindingStore, HealthBoard, KeyStore, OrgStore, Replies, SessionStore
from tests.dynamodb.tables import LocalDynamodb, fresh_table

ACME = OrgId("org_acme")
OTHER = OrgId("org_other")
START = datetime(2026, 11, 21, 0, 43, 16, 123456, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@dataclass(frozen=True)
class Metadata:
    """All metadata ports over one database."""

    orgs: OrgStore
    keys: KeyStore
    bindings: BindingStore
    agents: AgentStore
    sessions: SessionStore
    replies: Replies
    health: HealthBoard

    async def with_orgs(self) -> "Metadata":
        """Two orgs to work in."""
        for org_id in (ACME, OTHER):
            await self.orgs.create_org(Org(org_id, str(org_id), START))
        return self


def metadata_over(database: Database) -> Metadata:
    return Metadata(
        orgs=SqliteOrgs(database),
        keys=SqliteKeys(database),
        bindings=SqliteBindings(database),
        agents=SqliteAgents(database),
        sessions=SqliteSessions(database),
        replies=SqliteReplies(database),
        health=SqliteHealthBoard(database),
    )


@contextmanager
def sqlite(folder: Path) -> Iterator[Metadata]:
    path = folder / "memtrace.db"
    migrate(path)
    database = Database(path)
    try:
        yield metadata_over(database)
    finally:
        database.close()


@contextmanager
def sqlite_shared(folder: Path) -> Iterator[Metadata]:
    path = folder / "memtrace.db"
    migrate(path)
    make_shared(path)
    database = SharedDatabase(path, patience=5)
    try:
        yield metadata_over(database)
    finally:
        database.close()


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Metadata]:
    with sqlite(folder) as stores:
        yield stores


@asynccontextmanager
async def _sqlite_shared(folder: Path) -> AsyncIterator[Metadata]:
    with sqlite_shared(folder) as stores:
        yield stores


@cache
def _dynamodb() -> LocalDynamodb:
    return LocalDynamodb()


@asynccontextmanager
async def _in_dynamodb(folder: Path) -> AsyncIterator[Metadata]:
    yield metadata_in(await fresh_table(_dynamodb()))


def metadata_in(dynamo: Dynamo) -> Metadata:
    async def forget(org_id: OrgId) -> None:
        """There is no journal here."""

    return Metadata(
        orgs=DynamoOrgs(dynamo, forget_journal=forget),
        keys=DynamoKeys(dynamo),
        bindings=DynamoBindings(dynamo),
        agents=DynamoAgents(dynamo),
        sessions=DynamoSessions(dynamo),
        replies=DynamoReplies(dynamo, window=86_400_000_000),
        health=DynamoHealthBoard(dynamo),
    )


BACKENDS = {"sqlite": _sqlite, "sqlite-shared": _sqlite_shared, "dynamodb": _in_dynamodb}
