"""Imports over the embedded store and a real journal, and over stores that are slow to show things."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.adapters.sqlite.bindings import SqliteBindings
from core.adapters.sqlite.landing import SqliteLanding
from core.importing import Importer
from core.model import landing
from core.model.errors import Conflict, StoreAmbiguous, StoreUnreachable
from core.model.landing import Imported, batches, spans_of
from core.model.memory import Memory, MemoryFilter, Micros, Span, claim_key
from core.model.tenant import Binding, SealedBinding
from core.ports import Parcel
from tests.clock import ManualClock
from tests.contract.event_stores import ALWAYS, HOUR, T0, collapsed, embedded, memory
from tests.contract.journals import ACME, WINDOW, Workshop, draft, workshop

_Identities = list[tuple[Micros, str, str, str]]


class Recording:
    """A store over another one that notes what is asked of it and does what a test tells it to."""

    def __init__(self, store: object) -> None:
        self._store = store
        self.hides_for = 0.0
        self.parcels: list[int] = []
        self.hidden_asks = 0
        """So many of the next questions after an append are answered as if nothing had come."""
        self.ambiguous = 0
        self.fails_at: int | None = None

    async def append(self, binding: Binding, parcel: Parcel) -> None:
        if self.fails_at == len(self.parcels):
            raise StoreUnreachable("it is away")
        self.parcels.append(parcel.count)
        await self._store.append(binding, parcel)  # type: ignore[attr-defined]

    async def identities(self, binding: Binding, filter: MemoryFilter, span: Span) -> _Identities:
        if self.ambiguous:
            self.ambiguous -= 1
            raise StoreAmbiguous("columns: []")
        found: _Identities = await self._store.identities(binding, filter, span)  # type: ignore[attr-defined]
        if self.parcels and self.hidden_asks:
            self.hidden_asks -= 1
            return []
        return found

    async def search(self, *args: object) -> list[Memory]:
        raise AssertionError("an import asks for identities alone")

    tally = earliest = check = search


@dataclass
class Bench:
    """An importer and everything it works on."""

    shop: Workshop
    binding: Binding
    store: Recording
    importer: Importer
    clock: ManualClock
    told: list[int] = field(default_factory=list)
    _all: object = None

    async def run(self, memories: Iterable[Memory]) -> Imported:
        memories = list(memories)
        newest = max((m.time for m in memories), default=0)
        return await self.importer.run(self.binding, memories, newest, self.told.append)

    async def preview(self, memories: Iterable[Memory]) -> Imported:
        return await self.importer.preview(self.binding, memories, self.told.append)

    async def stored(self) -> list[str]:
        found = await self._all.search(self.binding, MemoryFilter(), ALWAYS, "asc", 1000, None)  # type: ignore[attr-defined]
        return [m.content for m in collapsed(found)]

    def execute(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return self.shop.database.writer.execute(statement, values).fetchall()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = ManualClock(T0 + 10 * HOUR)
    async with contextlib.AsyncExitStack() as stack:
        shelf = await stack.enter_async_context(embedded(tmp_path))
        shop = stack.enter_context(workshop(tmp_path / "memtrace.db", clock))
        binding = shelf.bind(ACME)
        bindings = SqliteBindings(shop.database)
        await bindings.put_binding(
            SealedBinding(binding.id, ACME, binding.url, "memories", "events", T0, b"x", b"x")
        )

        async def pause(seconds: float) -> None:
            clock.advance(seconds)

        store = Recording(shelf.store)
        importer = Importer(
            store=store,  # type: ignore[arg-type]
            landing=SqliteLanding(shop.database, clock=clock),
            bindings=bindings,
            clock=clock,
            pause=pause,
            window=WINDOW,
            most_claims=100,
        )
        yield Bench(shop, binding, store, importer, clock, _all=shelf.store)


async def test_imported_memories_are_in_the_store_as_they_were(bench: Bench) -> None:
    done = await bench.run([memory(2), memory(1), memory(HOUR)])
    assert (done.new, done.there, done.deleted) == (3, 0, 0)
    assert await bench.stored() == ["memory 1", "memory 2", f"memory {HOUR}"]
    assert sum(bench.told) == done.seen == 3


async def test_a_repeated_import_changes_nothing(bench: Bench) -> None:
    await bench.run([memory(1), memory(2)])
    done = await bench.run([memory(1), memory(2), memory(3)])
    assert (done.new, done.there) == (1, 2)
    assert bench.store.parcels == [2, 1]


async def test_equal_memories_of_one_file_are_one(bench: Bench) -> None:
    done = await bench.run([memory(1), memory(1)])
    assert (done.new, bench.store.parcels) == (1, [1])


async def test_a_preview_counts_and_changes_nothing(bench: Bench) -> None:
    await bench.run([memory(1)])
    claims = bench.execute("SELECT count(*) FROM claims")
    done = await bench.preview([memory(1), memory(2)])
    assert (done.new, done.there) == (1, 1)
    assert await bench.stored() == ["memory 1"]
    assert bench.execute("SELECT count(*) FROM claims") == claims


async def test_nothing_to_import_is_no_error(bench: Bench) -> None:
    assert await bench.run([]) == Imported()


async def test_readers_ask_the_store_for_what_came_while_something_is_unsettled(bench: Bench) -> None:
    bench.clock.step_wall(-5 * 3600)
    await bench.shop.journal.append(ACME, [draft("waits")], None)
    bench.clock.step_wall(5 * 3600)
    newest = memory(9 * HOUR)
    await bench.run([newest])
    tail = await bench.shop.journal.tail(ACME, MemoryFilter(), ALWAYS, "asc", 10)
    assert tail.settled_through >= newest.time
    assert [m.content for m in tail.memories] == ["waits"]


async def test_an_import_of_old_memories_takes_nothing_back(bench: Bench) -> None:
    await bench.shop.journal.append(ACME, [draft("waits")], None)
    (before,) = bench.execute("SELECT settled_through FROM ledger WHERE org_no > 0")
    await bench.run([memory(1)])
    assert bench.execute("SELECT settled_through FROM ledger WHERE org_no > 0") == [before]


# --- claims


async def test_memories_within_the_window_hold_their_dedup_keys(bench: Bench) -> None:
    old, young = memory(-20 * HOUR), memory(9 * HOUR, "the-key", content="equal")
    done = await bench.run([old, young])
    assert done.claimed == 1
    (receipt,) = await bench.shop.journal.append(ACME, [draft("equal", key="the-key")], None)
    assert (receipt.memory, receipt.id) == (None, young.id)


async def test_a_key_that_somebody_alive_holds_stays_theirs(bench: Bench) -> None:
    (written,) = await bench.shop.journal.append(ACME, [draft("one", key="the-key")], None)
    done = await bench.run([memory(9 * HOUR, "the-key")])
    assert (done.new, done.claimed) == (1, 0)
    (again,) = await bench.shop.journal.append(ACME, [draft("one", key="the-key")], None)
    assert again.id == written.id


async def test_a_claim_whose_window_is_over_gives_way(bench: Bench) -> None:
    await bench.run([memory(9 * HOUR, "other")])
    bench.execute(
        "UPDATE claims SET key = ?, time = ? WHERE key = ?", claim_key("k"), T0 - WINDOW, claim_key("other")
    )
    assert (await bench.run([memory(8 * HOUR, "k")])).claimed == 1
    assert bench.execute("SELECT claims FROM ledger WHERE org_no > 0") == [(1,)]


async def test_an_import_leaves_room_for_writers(bench: Bench) -> None:
    done = await bench.run(memory(9 * HOUR + i) for i in range(150))
    assert (done.new, done.claimed) == (150, 100)
    assert bench.execute("SELECT claims FROM ledger") == [(100,), (100,)]


async def test_claims_are_counted_once_however_often_an_import_runs(bench: Bench) -> None:
    for _ in range(2):
        await bench.run([memory(9 * HOUR)])
    assert bench.execute("SELECT claims FROM ledger") == [(1,), (1,)]


async def test_claims_of_an_org_that_is_gone_are_nobody_s(bench: Bench) -> None:
    landing_ = SqliteLanding(bench.shop.database, clock=bench.clock)
    bench.execute("DELETE FROM arc_instances")
    bench.execute("DELETE FROM organizations WHERE id = ?", ACME)
    assert await landing_.claim(ACME, [(b"k" * 16, 1)], 0, 10) == 0


# --- deletions

_EXCLUDE = (
    "INSERT INTO deletions (id, org_id, requested_at, state, exclusion) VALUES ('d1', ?, 1, 'closed', ?)"
)
_BURY = (
    "INSERT INTO deletions (id, org_id, requested_at, state, time, key) VALUES ('d2', ?, 1, 'closed', ?, ?)"
)


async def test_what_was_deleted_is_not_imported_again(bench: Bench) -> None:
    one, two, three = memory(1, session_id="gone"), memory(2), memory(3)
    bench.execute(_EXCLUDE, ACME, f'{{"until":{T0 + HOUR},"session_id":"gone"}}')
    bench.execute(_BURY, ACME, two.time, claim_key(two.dedup_key))
    done = await bench.run([one, two, three])
    assert (done.new, done.deleted) == (1, 2)
    assert await bench.stored() == ["memory 3"]


async def test_where_all_was_deleted_the_store_is_left_alone(bench: Bench) -> None:
    bench.execute(_EXCLUDE, ACME, f'{{"until":{T0 + HOUR}}}')
    assert (await bench.run([memory(1)])).deleted == 1
    assert bench.store.parcels == []


async def test_another_memory_of_the_same_microsecond_is_not_meant(bench: Bench) -> None:
    bench.execute(_BURY, ACME, T0 + 1, claim_key("another"))
    assert (await bench.run([memory(1)])).new == 1


# --- stores with a mind of their own


async def test_an_import_ends_only_when_the_store_shows_it(bench: Bench) -> None:
    bench.store.hidden_asks = 5
    started = bench.clock.monotonic()
    assert (await bench.run([memory(1)])).new == 1
    assert bench.clock.monotonic() - started == pytest.approx(0.2 + 0.4 + 0.8 + 1.6 + 3.2)


async def test_a_store_that_never_shows_what_it_took_is_an_error(bench: Bench) -> None:
    bench.store.hidden_asks = 1_000
    with pytest.raises(StoreUnreachable, match="took 1 memories and does not show them"):
        await bench.run([memory(1)])


async def test_an_answer_that_says_nothing_is_asked_for_again(bench: Bench) -> None:
    bench.store.ambiguous = 1
    assert (await bench.run([memory(1)])).new == 1


async def test_an_import_that_broke_off_goes_on_where_it_was(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "MOST", 10)
    many = [memory(i) for i in range(35)]
    bench.store.fails_at = 2
    with pytest.raises(StoreUnreachable):
        await bench.run(many)
    bench.store.fails_at = None
    done = await bench.run(many)
    assert (done.new, done.there) == (15, 20)
    assert len(await bench.stored()) == 35


async def test_many_batches_are_all_confirmed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "MOST", 2)
    assert (await bench.run(memory(i) for i in range(30))).new == 30
    assert bench.store.parcels == [2] * 15


# --- bindings that change


async def test_an_org_that_is_being_moved_takes_no_import(bench: Bench) -> None:
    bench.execute("INSERT INTO moves (org_id, token, until) VALUES (?, 't', ?)", ACME, 9 * 10**15)
    with pytest.raises(Conflict, match="bound anew"):
        await bench.run([memory(1)])
    assert bench.store.parcels == []


@pytest.mark.parametrize(
    "statement", ["UPDATE arc_instances SET id = 'arc_new'", "DELETE FROM arc_instances"], ids=str
)
async def test_an_org_that_was_bound_anew_meanwhile_is_told_so(bench: Bench, statement: str) -> None:
    def memories() -> Iterable[Memory]:
        yield memory(1)
        bench.execute(statement)

    with pytest.raises(Conflict, match="bound anew"):
        await bench.importer.run(bench.binding, memories(), T0 + 1, bench.told.append)


# --- batches


def test_batches_end_with_an_hour_once_they_are_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "ENOUGH", 3)
    hours = [0, 0, 1, 1, 1, 2, 3, 3, 3, 3, 4]
    cut = [
        [m.time // HOUR - T0 // HOUR for m in batch]
        for batch in batches(memory(h * HOUR + i) for i, h in enumerate(hours))
    ]
    assert cut == [[0, 0, 1, 1, 1], [2, 3, 3, 3, 3], [4]]


def test_batches_are_bounded_in_memories_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "MOST", 4)
    assert [len(b) for b in batches(memory(i) for i in range(10))] == [4, 4, 2]
    monkeypatch.setattr(landing, "MOST_BYTES", 100)
    large = [memory(i, content="x" * 60) for i in range(5)]
    assert [len(b) for b in batches(large)] == [2, 2, 1]


def test_a_batch_is_in_order_whatever_the_file_s_order(monkeypatch: pytest.MonkeyPatch) -> None:
    (batch,) = batches([memory(3), memory(1), memory(1, "a"), memory(2)])
    assert [m.identity for m in batch] == sorted(m.identity for m in batch)


def test_a_span_is_an_hour_at_most() -> None:
    assert spans_of([]) == []
    spans = spans_of([T0, T0 + 1, T0 + HOUR // 2, T0 + 2 * HOUR])
    assert all(span.until - span.since <= HOUR for span in spans)
    assert all(any(s.since <= t < s.until for s in spans) for t in (T0, T0 + 1, T0 + 2 * HOUR))
