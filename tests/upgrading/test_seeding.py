"""Claims for what stores hold that others wrote: over a real journal, and stores that misbehave."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.restored import make_ready
from core.adapters.sqlite.seeding import SqliteSeedings, unseeded
from core.model.errors import (
    StoreAmbiguous,
    StoreError,
    StoreRefused,
    StoreTimeout,
    StoreUnreachable,
)
from core.model.memory import Draft, Exclusion, Memory, MemoryFilter, Micros, OrgId, Span, Tally, claim_key
from core.model.tenant import Binding, SealedBinding
from core.model.windows import HOUR, MINUTE
from core.ports import Receipt
from core.seeding import Seeding
from tests.clock import ManualClock
from tests.contract.event_stores import T0, memory
from tests.contract.journals import ACME, OTHER, WINDOW, Workshop, draft, workshop

NOW = T0 + 48 * HOUR + 10 * MINUTE


class Shelf:
    """What others stored of each org, and what is to go wrong when it is read."""

    hides_for = 95.0

    def __init__(self) -> None:
        self.rows: dict[OrgId, list[Memory]] = {}
        self.reads: list[Span] = []
        self.tallies: list[Span] = []
        self.errors: list[StoreError] = []
        """Raised by the next readings, one each."""
        self.away: set[OrgId] = set()
        """Whose store cannot be reached."""
        self.most = 10**9
        """It refuses to answer more at once."""
        self.total: int | None = None
        """What it says that it holds, instead of the truth."""
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        """Happens once, between a reading and its answer."""

    def put(self, *memories: Memory) -> None:
        for one in memories:
            self.rows.setdefault(OrgId(one.org_id), []).append(one)

    async def identities(
        self, binding: Binding, filter: MemoryFilter, span: Span
    ) -> list[tuple[Micros, str, str, str]]:
        self.reads.append(span)
        if binding.org_id in self.away:
            raise StoreUnreachable("it is away")
        if self.errors:
            raise self.errors.pop(0)
        found: list[tuple[Micros, str, str, str]] = [
            (m.time, m.dedup_key, m.memory_type, m.event_type)
            for m in self.rows.get(binding.org_id, [])
            if span.since <= m.time < span.until and filter.matches(m)
        ]
        if len(found) > self.most:
            raise StoreRefused("the answer is too large")
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        return found

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        self.tallies.append(span)
        if self.total is not None:
            if self.total < 0:
                raise StoreTimeout("too much")
            return Tally(total=self.total)
        rows = self.rows.get(binding.org_id, [])
        return Tally(total=sum(span.since <= m.time < span.until for m in rows))

    async def search(self, *_: object) -> list[Memory]:
        raise AssertionError("seeding asks for identities and counts alone")

    append = earliest = check = search


def equal_to(stored: Memory) -> Draft:
    return draft(stored.content, stored.dedup_key)


@dataclass
class Bench:
    shop: Workshop
    clock: ManualClock
    shelf: Shelf
    bindings: SqliteBindings
    seedings: SqliteSeedings
    seeding: Seeding
    bound: dict[OrgId, Binding] = field(default_factory=dict)

    async def bind(self, org: OrgId = ACME, id: str = "") -> Binding:
        id = id or f"arc_{org}"
        await self.bindings.put_binding(SealedBinding(id, org, "http://arc", "d", "events", T0, b"", b""))
        self.bound[org] = Binding(id, org, "http://arc", "d", "events", T0)
        return self.bound[org]

    async def seed(self) -> None:
        """One look at everything that is due."""
        for looking in await self.seeding.due():
            await self.seeding.seed(self.bound[looking.org_id], looking)

    async def write(self, *drafts: Draft, org: OrgId = ACME) -> list[Receipt]:
        return await self.shop.journal.append(org, drafts, None)

    async def is_duplicate(self, stored: Memory) -> bool:
        (receipt,) = await self.write(equal_to(stored), org=OrgId(stored.org_id))
        assert receipt.memory is not None or receipt.id == stored.id
        return receipt.memory is None

    def execute(self, statement: str, *values: object) -> list[Any]:
        return self.shop.database.writer.execute(statement, values).fetchall()

    def claims(self) -> tuple[int, int, int]:
        """Those there are, and how many the ledger knows of: of ACME and in all."""
        (there,) = self.execute("SELECT count(*) FROM claims")[0]
        counted = dict(self.execute("SELECT org_id, claims FROM ledger"))
        return there, counted.get(ACME, 0), counted[""]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock, shelf = ManualClock(NOW), Shelf()
    with contextlib.ExitStack() as stack:
        shop = stack.enter_context(workshop(tmp_path / "memtrace.db", clock))
        seedings = SqliteSeedings(shop.database, clock=clock, most=1_000)
        seeding = Seeding(
            seedings=seedings,
            store_for=lambda _: shelf,  # type: ignore[return-value, arg-type]
            clock=clock,
            window=WINDOW,
            rows_a_turn=3,
        )
        yield Bench(shop, clock, shelf, SqliteBindings(shop.database), seedings, seeding)


def at(hours: float, key: str = "", **fields: object) -> Memory:
    """A stored memory of so many hours ago."""
    time = round(NOW - T0 - hours * HOUR)
    return memory(time, key, **fields)  # type: ignore[arg-type]


# --- what is claimed


async def test_an_equal_write_is_a_duplicate_of_what_is_stored(bench: Bench) -> None:
    stored = [at(0.1), at(1.5), at(5), at(23.9)]
    bench.shelf.put(*stored)
    await bench.bind()
    await bench.seed()
    assert [await bench.is_duplicate(one) for one in stored] == [True] * 4
    assert bench.claims() == (4, 4, 4)


async def test_what_is_older_than_the_window_may_be_written_again(bench: Bench) -> None:
    old = at(24.1)
    bench.shelf.put(old)
    await bench.bind()
    await bench.seed()
    assert not await bench.is_duplicate(old)


async def test_of_equal_rows_the_newest_holds_the_claim(bench: Bench) -> None:
    older, newer = at(7, "same"), at(3, "same")
    bench.shelf.put(newer, older, at(7.001, "same"))
    await bench.bind()
    await bench.seed()
    assert await bench.is_duplicate(newer)
    assert bench.claims() == (1, 1, 1)


async def test_each_org_gets_its_own(bench: Bench) -> None:
    mine, theirs = at(1, "mine"), at(1, "theirs", org=OTHER)
    bench.shelf.put(mine, theirs)
    await bench.bind()
    await bench.bind(OTHER)
    await bench.seed()
    assert await bench.is_duplicate(mine)
    assert await bench.is_duplicate(theirs)
    assert not await bench.is_duplicate(at(1, "theirs"))


async def test_what_was_claimed_meanwhile_stays(bench: Bench) -> None:
    stored = at(1, "same")
    bench.shelf.put(stored)
    await bench.bind()
    (written,) = await bench.write(draft("first", "same"))
    await bench.seed()
    (again,) = await bench.write(draft("second", "same"))
    assert (again.memory, again.id) == (None, written.id)
    assert bench.claims() == (1, 1, 1)


async def test_a_claim_whose_window_is_over_gives_way(bench: Bench) -> None:
    stored = at(-2, "same")
    bench.shelf.put(stored)
    await bench.bind()
    await bench.write(draft("first", "same"))
    bench.execute("DELETE FROM journal")  # settled
    bench.clock.advance(25 * 3600)
    await bench.seed()
    assert await bench.is_duplicate(stored)
    assert bench.claims() == (1, 1, 1)


async def test_writes_go_on_while_it_works(bench: Bench) -> None:
    stored = [at(hours / 10, f"key-{hours}") for hours in range(1, 200)]
    bench.shelf.put(*stored)
    await bench.bind()
    seeding = asyncio.create_task(bench.seed())
    created = 0
    while not seeding.done():
        created += len(await bench.write(draft(f"new {created}")))
    await seeding
    assert created > 0
    assert bench.claims() == (199 + created, 199 + created, 199 + created)


async def test_two_at_once_do_no_harm(bench: Bench) -> None:
    stored = [at(hours / 10, f"key-{hours}") for hours in range(1, 50)]
    bench.shelf.put(*stored)
    await bench.bind()
    await asyncio.gather(bench.seed(), bench.seed())
    assert bench.claims() == (49, 49, 49)
    assert await bench.is_duplicate(stored[0])


async def test_no_more_claims_are_made_than_an_org_may_have(bench: Bench) -> None:
    few = SqliteSeedings(bench.shop.database, clock=bench.clock, most=5)
    seeding = Seeding(
        seedings=few,
        store_for=lambda _: bench.shelf,  # type: ignore[return-value, arg-type]
        clock=bench.clock,
        window=WINDOW,
        rows_a_turn=3,
    )
    newest = [at(hours / 10, f"key-{hours}") for hours in range(1, 20)]
    bench.shelf.put(*newest)
    binding = await bench.bind()
    for looking in await seeding.due():
        await seeding.seed(binding, looking)
    assert bench.claims() == (5, 5, 5)
    assert [await bench.is_duplicate(one) for one in newest[:6]] == [True] * 5 + [False]


# --- what was deleted


async def test_what_was_deleted_is_not_claimed(bench: Bench) -> None:
    gone, covered, there = at(1, "gone"), at(2, "covered", session_id="sess_9"), at(3, "there")
    bench.shelf.put(gone, covered, there)
    await bench.bind()
    await bench.shop.deletions.bury(ACME, [(gone.time, claim_key(gone.dedup_key))])
    await bench.shop.deletions.exclude(ACME, Exclusion(until=NOW, session_id="sess_9"))
    await bench.seed()
    assert bench.execute("SELECT key, time FROM claims WHERE time > 0") == [(claim_key("there"), there.time)]


async def test_what_is_deleted_while_it_reads_is_not_claimed(bench: Bench) -> None:
    gone, there = at(1, "gone"), at(1.1, "there")
    bench.shelf.put(gone, there)
    await bench.bind()
    grave = (gone.time, claim_key(gone.dedup_key))
    bench.shelf.meanwhile = lambda: bench.shop.deletions.bury(ACME, [grave])
    await bench.seed()
    (held,) = bench.execute("SELECT count(*) FROM claims WHERE time > 0")[0]
    assert held == 1
    assert await bench.is_duplicate(there)


async def test_deletions_without_end_end_the_look(bench: Bench) -> None:
    bench.shelf.put(at(1, "there"))
    await bench.bind()

    async def delete() -> None:
        bench.shelf.meanwhile = delete
        await bench.shop.deletions.bury(ACME, [(len(bench.shelf.reads), claim_key("other"))])

    bench.shelf.meanwhile = delete
    with pytest.raises(StoreError, match="deleted faster"):
        await bench.seed()
    bench.shelf.meanwhile = None
    await bench.seed()
    assert await bench.is_duplicate(at(1, "there"))


# --- how it reads


async def test_a_quiet_org_is_read_in_two_pieces(bench: Bench) -> None:
    bench.shelf.put(at(10))
    await bench.bind()
    await bench.seed()
    hour = NOW // HOUR * HOUR - HOUR
    assert bench.shelf.reads == [Span(hour, NOW), Span(NOW - WINDOW, hour)]


@pytest.mark.parametrize("total", [50_001, -1])
async def test_a_busy_org_is_read_hour_by_hour_the_newest_first(bench: Bench, total: int) -> None:
    bench.shelf.total = total
    await bench.bind()
    await bench.seed()
    reads = bench.shelf.reads
    assert reads[0] == Span(NOW // HOUR * HOUR - HOUR, NOW)
    assert all(a.since == b.until for a, b in pairwise(reads))
    assert [span.until - span.since for span in reads[1:-1]] == [HOUR] * 22
    assert reads[-1].since == NOW - WINDOW


async def test_an_answer_that_is_too_much_is_asked_for_in_parts(bench: Bench) -> None:
    stored = [at(hours / 10, f"key-{hours}") for hours in range(1, 40)]
    bench.shelf.put(*stored)
    bench.shelf.most = 4
    await bench.bind()
    await bench.seed()
    assert bench.claims() == (39, 39, 39)


async def test_what_is_too_much_within_a_minute_is_told(bench: Bench) -> None:
    bench.shelf.put(*(at(0.1, f"key-{number}") for number in range(5)))
    bench.shelf.most = 4
    await bench.bind()
    with pytest.raises(StoreRefused):
        await bench.seed()


async def test_an_answer_that_said_nothing_is_asked_for_once_more(bench: Bench) -> None:
    bench.shelf.put(at(0.1))
    bench.shelf.errors = [StoreAmbiguous()]
    await bench.bind()
    await bench.seed()
    assert await bench.is_duplicate(at(0.1))


async def test_it_goes_on_where_it_was_broken_off(bench: Bench) -> None:
    stored = at(20)
    bench.shelf.put(stored)
    bench.shelf.total = 10**6
    await bench.bind()

    async def stop() -> None:
        bench.shelf.errors = [StoreUnreachable()]

    bench.shelf.meanwhile = stop
    with pytest.raises(StoreUnreachable):
        await bench.seed()
    (looking,) = await bench.seeding.due()
    assert (looking.began, looking.reached) == (NOW, NOW // HOUR * HOUR - HOUR)
    bench.shelf.reads.clear()
    bench.clock.advance(600)
    await bench.seed()
    assert bench.shelf.reads[0].until == NOW // HOUR * HOUR - HOUR
    assert await bench.is_duplicate(stored)


# --- the second look


async def test_what_the_store_hid_from_the_first_look_is_claimed_at_the_second(bench: Bench) -> None:
    await bench.bind()
    await bench.seed()
    hidden, ahead = at(0.01, "hidden"), at(-0.01, "ahead")
    bench.shelf.put(hidden, ahead)
    bench.clock.advance(154)
    assert await bench.seeding.due() == []
    bench.clock.advance(1)
    await bench.seed()
    assert await bench.is_duplicate(hidden)
    assert await bench.is_duplicate(ahead)
    assert await bench.seedings.unseeded() == []


async def test_a_store_that_was_read_twice_is_never_read_again(bench: Bench) -> None:
    await bench.bind()
    await bench.seed()
    bench.clock.advance(155)
    await bench.seed()
    bench.shelf.reads.clear()
    bench.clock.advance(10**6)
    await bench.seed()
    assert bench.shelf.reads == []


async def test_an_org_that_wrote_nothing_gets_no_row(bench: Bench) -> None:
    await bench.bind()
    await bench.seed()
    assert bench.execute("SELECT org_id FROM ledger") == [("",)]


# --- bindings


async def test_a_new_binding_is_a_new_store(bench: Bench) -> None:
    await bench.bind()
    await bench.seed()
    bench.clock.advance(155)
    await bench.seed()
    await bench.bind(id="arc_other")
    (looking,) = await bench.seeding.due()
    assert (looking.binding_id, looking.began) == ("arc_other", None)


async def test_a_binding_that_is_replaced_meanwhile_ends_the_look(bench: Bench) -> None:
    bench.shelf.put(at(0.1))
    await bench.bind()
    bench.shelf.meanwhile = lambda: bench.bind(id="arc_other")
    await bench.seed()
    assert bench.execute("SELECT count(*) FROM claims") == [(0,)]
    (looking,) = await bench.seeding.due()
    assert looking.began is None


async def test_a_store_that_is_not_the_one_meant_is_not_read(bench: Bench) -> None:
    await bench.bind()
    (looking,) = await bench.seeding.due()
    await bench.seeding.seed(await bench.bind(id="arc_other"), looking)
    assert bench.shelf.reads == []


async def test_an_org_that_is_deleted_meanwhile_leaves_nothing(bench: Bench) -> None:
    bench.shelf.put(at(0.1))
    await bench.bind()
    bench.shelf.meanwhile = lambda: SqliteOrgs(bench.shop.database).delete_org(ACME)
    await bench.seed()
    assert bench.execute("SELECT count(*) FROM claims") == [(0,)]
    assert bench.execute("SELECT count(*) FROM seedings") == [(0,)]


# --- all at once, as a start does it


async def seed_all(bench: Bench, seconds: float = 10.0) -> list[dict[str, object]]:
    with capture_logs() as logs:
        await bench.seeding.seed_all(await bench.seeding.due(), bench.bound.__getitem__, seconds)
    return [dict(line) for line in logs]


async def test_one_orgs_store_that_fails_keeps_no_other_from_it(bench: Bench) -> None:
    bench.shelf.put(at(0.1, org=OTHER))
    bench.shelf.away = {ACME}
    await bench.bind()
    await bench.bind(OTHER)
    logs = {line["org_id"]: line for line in await seed_all(bench)}
    assert (logs[ACME]["event"], logs[OTHER]["event"]) == ("seeding_postponed", "claims_seeded")
    assert logs[ACME]["reason"] == "store_unreachable: it is away"
    assert await bench.is_duplicate(at(0.1, org=OTHER))


async def test_a_store_that_does_not_answer_is_left_in_time(bench: Bench) -> None:
    await bench.bind()
    bench.shelf.meanwhile = asyncio.Event().wait
    (line,) = await seed_all(bench, 0.05)
    assert (line["event"], line["reason"]) == ("seeding_postponed", "not done within 0.05 s")
    (looking,) = await bench.seeding.due()
    assert looking.began == NOW


async def test_a_restored_database_reads_its_stores_anew(bench: Bench) -> None:
    await bench.bind()
    await bench.seed()
    bench.clock.advance(155)
    await bench.seed()
    bench.shop.close()
    make_ready(bench.shop.database.path, {}, NOW)
    with closing(sqlite3.connect(bench.shop.database.path)) as connection:
        (looking,) = unseeded(connection)
    assert looking.began is None
