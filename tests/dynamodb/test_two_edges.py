"""Two edges at one table: what one of them answered holds for the other, whatever their clocks say."""

import asyncio
from dataclasses import dataclass

import pytest

from core.adapters.dynamodb.deletions import DynamoDeletions
from core.bootstrap.dynamodb import DynamoBackend
from core.model.errors import IdempotencyConflict, NotFound, Unauthenticated
from core.model.memory import Exclusion, MemoryFilter, claim_key, parse_id
from core.model.tenant import Org
from core.model.timewindow import moment_of
from core.ports import IdempotencyKey, Journal, Receipt
from core.settings import ServerSettings, Settings
from core.settings_aws import DynamodbSettings, MetadataSettings
from core.telemetry import NoMetrics
from tests.clock import ManualClock
from tests.contract.journals import ACME, ALWAYS, WINDOW, draft
from tests.dynamodb.tables import LocalDynamodb, fresh_table

ONCE = IdempotencyKey(b"k" * 16, b"b" * 16)
EVER = 2**62
SHARDS = 3


class OneEdge:
    """A process with a journal, copies and a clock of its own."""

    def __init__(self, api: LocalDynamodb, table: str, clock: ManualClock) -> None:
        self.clock = clock
        settings = Settings(
            server=ServerSettings(),
            metadata=MetadataSettings(backend="dynamodb"),
            dynamodb=DynamodbSettings(table=table, shards=SHARDS, timeout=60),
        )
        self.backend = DynamoBackend(settings, clock, api)
        self.journal: Journal = self.backend.open_journal(NoMetrics())

    async def write(
        self, *contents: str, once: IdempotencyKey | None = None, session: str = ""
    ) -> list[Receipt]:
        drafts = [draft(content, key=content, session_id=session) for content in contents]
        return await self.journal.append(ACME, drafts, once)

    async def seen(self) -> list[str]:
        tail = await self.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 1_000)
        return [memory.content for memory in tail.memories]

    async def bury(self, content: str, receipt: Receipt) -> None:
        parsed = parse_id(receipt.id)
        assert parsed is not None
        await self.backend.deletions.bury(ACME, [(parsed[0], claim_key(content))])


@dataclass(frozen=True)
class Edges:
    here: OneEdge
    there: OneEdge
    deletions: DynamoDeletions
    """Of `here`; while it pauses, both clocks go on."""


@pytest.fixture(params=[0.0, 0.9, -0.9], ids=["in step", "the other ahead", "the other behind"])
async def edges(request: pytest.FixtureRequest, dynamodb: LocalDynamodb) -> Edges:
    """Both wrote and read before, so that each has copies that can be outdated."""
    dynamo = await fresh_table(dynamodb)
    here, there = (
        OneEdge(dynamodb, dynamo.table, ManualClock()),
        OneEdge(dynamodb, dynamo.table, ManualClock()),
    )
    there.clock.step_wall(request.param)

    async def pause(seconds: float) -> None:
        for edge in (here, there):
            edge.clock.advance(seconds)

    await here.backend.orgs.create_org(Org(ACME, "acme", moment_of(here.clock.micros())))
    deletions = DynamoDeletions(dynamo, clock=here.clock, pause=pause, shards=SHARDS, window=WINDOW)
    return Edges(here, there, deletions)


async def test_what_one_stored_the_other_reads_at_once(edges: Edges) -> None:
    assert await edges.there.seen() == []
    await edges.here.write("first")
    assert await edges.there.seen() == ["first"]
    await edges.there.write("second")
    assert sorted(await edges.here.seen()) == ["first", "second"]


async def test_of_equal_writes_to_both_one_wins_and_both_name_it(edges: Edges) -> None:
    answers = await asyncio.gather(*(edge.write("x") for edge in (edges.here, edges.there) for _ in range(4)))
    receipts = [receipt for (receipt,) in answers]
    assert len({receipt.id for receipt in receipts}) == 1
    assert sum(receipt.memory is not None for receipt in receipts) == 1
    assert await edges.here.seen() == await edges.there.seen() == ["x"]


async def test_a_request_that_is_repeated_to_the_other_gets_the_same_answer(edges: Edges) -> None:
    first = await edges.here.write("a", "b", once=ONCE)
    assert await edges.there.write("a", "b", once=ONCE) == first
    with pytest.raises(IdempotencyConflict):
        await edges.there.write("c", once=IdempotencyKey(ONCE.key, b"c" * 16))
    assert sorted(await edges.there.seen()) == ["a", "b"]


async def test_a_request_sent_to_both_at_once_is_stored_once(edges: Edges) -> None:
    here, there = await asyncio.gather(edges.here.write("x", once=ONCE), edges.there.write("x", once=ONCE))
    assert here == there
    assert await edges.here.seen() == ["x"]


async def test_what_one_deleted_the_other_shows_no_more_and_may_store_again(edges: Edges) -> None:
    (receipt,) = await edges.here.write("x")
    assert await edges.there.seen() == ["x"]
    await edges.here.bury("x", receipt)
    assert await edges.there.seen() == []
    (again,) = await edges.there.write("x")
    assert again.memory is not None
    assert again.id != receipt.id
    assert await edges.here.seen() == await edges.there.seen() == ["x"]


async def test_a_deleted_request_that_is_repeated_to_the_other_stores_nothing(edges: Edges) -> None:
    (receipt,) = await edges.here.write("x", once=ONCE)
    await edges.here.bury("x", receipt)
    (again,) = await edges.there.write("x", once=ONCE)
    assert again.id == receipt.id
    assert await edges.there.seen() == []


async def test_an_exclusion_covers_what_the_other_had_stored(edges: Edges) -> None:
    await edges.here.write("mine", session="s")
    await edges.there.write("theirs", session="s")
    deletion = await edges.deletions.exclude(ACME, Exclusion(until=EVER, session_id="s"))
    assert await edges.there.seen() == []
    await edges.deletions.erase(deletion)
    assert await edges.here.seen() == await edges.there.seen() == []


async def test_an_exclusion_covers_nothing_that_the_other_stores_afterwards(edges: Edges) -> None:
    await edges.there.write("before", session="s")
    deletion = await edges.deletions.exclude(ACME, Exclusion(until=EVER, session_id="s"))
    (again,) = await edges.there.write("before", session="s")
    assert again.memory is not None
    assert await edges.here.seen() == ["before"]
    await edges.deletions.erase(deletion)
    assert await edges.here.seen() == await edges.there.seen() == ["before"]


async def test_while_an_exclusion_comes_into_force_each_write_is_covered_or_kept_for_both(
    edges: Edges,
) -> None:
    await edges.there.write("before", session="s")

    async def writing() -> None:
        for number in range(8):
            await edges.there.write(f"during {number}", session="s")

    deletion, _ = await asyncio.gather(
        edges.deletions.exclude(ACME, Exclusion(until=EVER, session_id="s")), writing()
    )
    seen = await edges.there.seen()
    assert seen == await edges.here.seen()
    await edges.deletions.erase(deletion)
    assert await edges.here.seen() == await edges.there.seen() == seen
    assert "before" not in seen


async def test_once_an_org_is_deleted_the_other_stores_nothing_after_its_copy(edges: Edges) -> None:
    await edges.there.write("x")
    assert await edges.here.backend.orgs.delete_org(ACME)
    edges.there.clock.advance(2.1)
    with pytest.raises(Unauthenticated):
        await edges.there.write("y")
    with pytest.raises(NotFound):
        await edges.deletions.exclude(ACME, Exclusion(until=EVER, session_id="s"))
    assert await edges.there.seen() == []


async def test_an_org_that_is_made_again_has_nothing_of_what_it_was(edges: Edges) -> None:
    await edges.there.write("x")
    await edges.here.backend.orgs.delete_org(ACME)
    await edges.there.write("straggler")  # by a copy that is not outdated yet
    for edge in (edges.here, edges.there):
        edge.clock.advance(3)
    await edges.here.backend.orgs.create_org(Org(ACME, "acme", moment_of(edges.here.clock.micros())))
    await edges.there.write("new")
    assert await edges.here.seen() == await edges.there.seen() == ["new"]


async def test_a_key_revoked_by_one_is_found_revoked_by_the_other(edges: Edges) -> None:
    now = moment_of(edges.here.clock.micros())
    key = await edges.here.backend.keys.create_key(
        ACME, "k", "prefix", "hash", frozenset({"read"}), None, now
    )
    assert [one.enabled for one in await edges.there.backend.keys.find_keys("prefix")] == [True]
    assert await edges.there.backend.keys.revoke_key(key.id)
    assert [one.enabled for one in await edges.here.backend.keys.find_keys("prefix")] == [False]
