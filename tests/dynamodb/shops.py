"""A journal in a table, with everything that works on it, as tests/contract/journals.py has it in a file."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from core.adapters.dynamodb.bindings import DynamoBindings
from core.adapters.dynamodb.client import Dynamo
from core.adapters.dynamodb.deletions import DynamoDeletions
from core.adapters.dynamodb.journal.attention import Attention
from core.adapters.dynamodb.journal.dead_letters import DynamoDeadLetters
from core.adapters.dynamodb.journal.expiry import DynamoExpiry
from core.adapters.dynamodb.journal.forgetting import forget_org
from core.adapters.dynamodb.journal.journal import DynamoJournal
from core.adapters.dynamodb.journal.leases import DynamoLeases
from core.adapters.dynamodb.journal.ledger import DynamoLedger
from core.adapters.dynamodb.journal.outbox import DynamoOutbox
from core.adapters.dynamodb.journal.recounting import Recount
from core.adapters.dynamodb.journal.rows import OWED, line_of, time_of
from core.adapters.dynamodb.journal.standing import all_standings
from core.adapters.dynamodb.keys import claim_partitions, org_key, row_partitions
from core.adapters.dynamodb.landing import DynamoLanding
from core.adapters.dynamodb.moves import DynamoMoves
from core.adapters.dynamodb.orgs import DynamoOrgs
from core.adapters.dynamodb.seedings import DynamoSeedings
from core.adapters.dynamodb.statements import Put
from core.adapters.dynamodb.table import PK, SK
from core.adapters.dynamodb.undertaker import DynamoUndertaker
from core.model.journal_limits import JournalLimits
from core.model.memory import Micros, OrgId
from core.ports import Backlog, Parcel
from core.telemetry import NoMetrics
from tests.clock import ManualClock
from tests.contract.journals import ACME, MOST_SEEDED, OTHER, WINDOW, Shop
from tests.dynamodb.scripted import Repeating, ScriptedAws
from tests.dynamodb.tables import LocalDynamodb, fresh_table

SHARDS: Final = 3
_dynamodb: list[LocalDynamodb] = []


@dataclass
class Follower:
    """A `Queue` over the rows of a table, in the order of their times."""

    dynamo: Dynamo
    cursor: Micros = 0
    is_shared = True

    async def receive(self, max_count: int, max_bytes: int) -> list[Parcel]:
        lines: dict[OrgId, dict[Micros, bytes]] = {}
        size = count = 0
        for time, org_id, line in sorted(await self._owed()):
            size += len(line)
            if count and (count == max_count or size > max_bytes):
                break
            lines.setdefault(org_id, {})[time] = line
            self.cursor, count = time, count + 1
        return [Parcel(org, tuple(each), b"\n".join(each.values())) for org, each in lines.items()]

    async def _owed(self) -> list[tuple[Micros, OrgId, bytes]]:
        return [
            (time_of(row), standing.org_id, line_of(row))
            for standing in await all_standings(self.dynamo)
            for partition in row_partitions(standing.org_id, standing.shards)
            async for row in self.dynamo.query(partition)
            if row["state"] == OWED and time_of(row) > self.cursor
        ]

    async def ack(self, parcels: Sequence[Parcel]) -> None:
        pass

    async def wait(self, seconds: float) -> None:
        pass

    async def close(self) -> None:
        pass


@dataclass(kw_only=True)
class TableShop(Shop):
    """A journal in a table."""

    dynamo: Dynamo
    journal: DynamoJournal

    pauses: list[float]
    """What those who delete waited, while the clock stood."""

    async def held(self) -> tuple[int, int, int]:
        rows: list[int] = []
        claims = 0
        for standing in await all_standings(self.dynamo):
            for partition in row_partitions(standing.org_id, standing.shards):
                rows += [row["size"] async for row in self.dynamo.query(partition)]
            for partition in claim_partitions(standing.org_id, standing.shards):
                claims += len([1 async for claim in self.dynamo.query(partition) if "freed" not in claim])
        return len(rows), sum(rows), claims

    async def total(self) -> Backlog:
        for standing in await all_standings(self.dynamo):
            if standing.gone_since is None:
                recount = Recount(self.dynamo, standing, self.clock.micros() - WINDOW)
                assert await recount.go_on(1_000_000)
        return await self.ledger.total()


def open_shop(
    dynamo: Dynamo, clock: ManualClock, limits: JournalLimits | None = None, *, shards: int = SHARDS
) -> TableShop:
    attention, pauses = Attention(), list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    return TableShop(
        clock=clock,
        dynamo=dynamo,
        journal=DynamoJournal(
            dynamo,
            clock=clock,
            metrics=NoMetrics(),
            limits=limits or JournalLimits(),
            window=WINDOW,
            grace=60_000_000,
            shards=shards,
        ),
        outbox=DynamoOutbox(dynamo, clock=clock, window=WINDOW, attention=attention),
        queue=Follower(dynamo),
        ledger=DynamoLedger(dynamo, clock=clock, attention=attention),
        leases=DynamoLeases(dynamo, clock=clock),
        letters=DynamoDeadLetters(dynamo, clock=clock),
        expiry=DynamoExpiry(dynamo, clock=clock, recount_every=0),
        orgs=DynamoOrgs(dynamo, forget_journal=lambda org_id: forget_org(dynamo, org_id, clock.micros())),
        deletions=DynamoDeletions(dynamo, clock=clock, pause=pause, shards=SHARDS, window=WINDOW),
        undertaker=DynamoUndertaker(dynamo, clock=clock, shards=SHARDS, window=WINDOW),
        bindings=DynamoBindings(dynamo),
        moves=DynamoMoves(dynamo, clock=clock),
        landing=DynamoLanding(dynamo, clock=clock, window=WINDOW, shards=SHARDS),
        seedings=DynamoSeedings(dynamo, clock=clock, window=WINDOW, most=MOST_SEEDED, shards=SHARDS),
        pauses=pauses,
        many=120,
    )


def scripted_shop(shop: TableShop, limits: JournalLimits | None = None) -> tuple[TableShop, ScriptedAws]:
    """Another process at the same table, and what decides on the fate of its calls."""
    script = ScriptedAws(_dynamodb[0])
    dynamo = Dynamo(Repeating(script), table=shop.dynamo.table, timeout=60)
    return open_shop(dynamo, shop.clock, limits), script


@dataclass(frozen=True)
class Tables:
    """An installation in a table."""

    dynamo: Dynamo
    clock: ManualClock

    @contextlib.asynccontextmanager
    async def open(self, limits: JournalLimits | None = None) -> AsyncIterator[Shop]:
        shop = open_shop(self.dynamo, self.clock, limits)
        try:
            yield shop
        finally:
            shop.journal.close()


async def make_tables(clock: ManualClock) -> Tables:
    """A table with two orgs; all tests of a process share one DynamoDB."""
    if not _dynamodb:
        _dynamodb.append(LocalDynamodb())
    dynamo = await fresh_table(_dynamodb[0])
    for org_id in (ACME, OTHER):
        pk, sk = org_key(org_id)
        await dynamo.write(Put({PK: pk, SK: sk}))
    return Tables(dynamo, clock)
