"""The journal as the one process that appends keeps it: its index in memory, and its log."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.adapters.sqlite.deletions import SqliteDeletions
from core.adapters.sqlite.journal import SqliteJournal
from core.adapters.sqlite.orgs import SqliteOrgs
from core.model.errors import DatabaseError
from core.model.memory import Exclusion
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, Workshop, draft, workshop
from tests.contract.test_deletions import FOREVER, wrote
from tests.contract.test_journal import settle_all


@pytest.fixture
def shop(tmp_path: Path, clock: ManualClock) -> Iterator[Workshop]:
    with workshop(tmp_path / "m.db", clock) as opened:
        yield opened


@pytest.fixture
def journal(shop: Workshop) -> SqliteJournal:
    assert isinstance(shop.journal, SqliteJournal)
    return shop.journal


async def test_the_index_forgets_what_was_settled_and_keeps_the_stragglers(
    shop: Workshop, journal: SqliteJournal
) -> None:
    await shop.journal.append(ACME, [draft("dead one", session_id="s")], None)
    lease = await shop.leased()
    (parcel,) = await shop.queue.receive(10, 1 << 20)
    await shop.outbox.dead(ACME, parcel.times, "refused", lease)
    for start in range(0, 6_000, 1_000):
        await shop.journal.append(ACME, [draft(str(start + i)) for i in range(1_000)], None)
    await settle_all(shop)
    await shop.journal.append(ACME, [draft("fresh", session_id="s")], None)
    await journal.prune()
    assert journal.indexed(ACME) == 2
    assert await shop.contents() == ["dead one", "fresh"]
    assert await shop.contents(session_id="s") == ["dead one", "fresh"]


async def test_the_index_keeps_nothing_of_orgs_that_rest_or_are_gone(
    shop: Workshop, journal: SqliteJournal
) -> None:
    await shop.journal.append(ACME, [draft("settled")], None)
    await settle_all(shop)
    await shop.journal.append(OTHER, [draft("gone")], None)
    await SqliteOrgs(shop.database).delete_org(OTHER)
    await journal.prune()
    assert (journal.indexed(ACME), journal.indexed(OTHER)) == (0, 0)


async def test_what_is_appended_while_the_index_is_pruned_stays_in_it(
    shop: Workshop, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        await shop.journal.append(ACME, [draft(f"{number} {n}") for n in range(2_000)], None)
    deletions = SqliteDeletions(shop.database, clock=shop.clock)
    shop.clock.advance(1)
    await deletions.erase(await deletions.exclude(ACME, Exclusion(until=shop.clock.micros())))
    shop.clock.advance(1)
    read = shop.database.read

    late = iter(("first", "second", "third"))

    async def read_late(work: Callable[[sqlite3.Connection], object]) -> object:
        await shop.journal.append(ACME, [draft(next(late))], None)
        return await read(work)

    with monkeypatch.context() as patch:
        patch.setattr(shop.database, "read", read_late)
        await journal.prune()
    assert await shop.contents() == ["first", "second"]
    assert journal.indexed(ACME) == 2


async def test_a_disk_that_is_full_refuses_and_loses_nothing(shop: Workshop) -> None:
    await shop.journal.append(ACME, [draft("before")], None)
    pages = shop.database.writer.execute("PRAGMA page_count").fetchone()[0]
    shop.database.writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DatabaseError):
        await shop.journal.append(ACME, [draft("x" * 100_000)], None)
    shop.database.writer.execute("PRAGMA max_page_count = 1073741823")
    assert (await shop.journal.append(ACME, [draft("after")], None))[0].memory
    assert await shop.contents() == ["before", "after"]
    assert (await shop.ledger.total()).owed == 2


async def test_a_commit_that_fails_is_not_acknowledged(shop: Workshop) -> None:
    shop.database.writer.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    shop.database.writer.execute(
        "CREATE TABLE child (id REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    shop.database.writer.execute(
        "CREATE TRIGGER spoil AFTER INSERT ON journal BEGIN INSERT INTO child VALUES (7); END"
    )
    with pytest.raises(DatabaseError):
        await shop.journal.append(ACME, [draft("lost")], None)
    shop.database.writer.execute("DROP TRIGGER spoil")
    assert (await shop.journal.append(ACME, [draft("lost")], None))[0].memory
    assert await shop.contents() == ["lost"]


async def test_the_index_forgets_deleted_memories_that_never_settled(
    shop: Workshop, journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.sqlite.journal._WORTH_PRUNING", 4)
    for n in range(20):
        await wrote(shop, str(n), session_id="s" if n < 18 else "t")
    await shop.deletions.erase(await shop.deletions.exclude(ACME, Exclusion(until=FOREVER, session_id="s")))
    await journal.prune()
    assert journal.indexed(ACME) == 2
    assert await shop.contents() == ["18", "19"]
