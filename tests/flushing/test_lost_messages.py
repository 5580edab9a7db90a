"""What the sweep finds in a SQLite journal whose queue is another one: also rows that were never received."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.adapters.sqlite.ledger import SqliteLedger
from core.adapters.sqlite.outbox import SqliteOutbox
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, Workshop, draft, workshop

MUCH = 1 << 30


@pytest.fixture
def shop(tmp_path: Path, clock: ManualClock) -> Iterator[Workshop]:
    with workshop(tmp_path / "m.db", clock) as opened:
        opened.outbox = SqliteOutbox(opened.database, clock=clock, sweeps_all=True)
        opened.ledger = SqliteLedger(opened.database, sweeps_all=True)
        yield opened


async def test_a_row_is_left_to_the_queue_for_a_while_and_swept_then(shop: Workshop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    assert await shop.ledger.orgs_owing(shop.clock.micros()) == []
    assert await shop.outbox.due(ACME, shop.clock.micros(), 10, MUCH) is None
    shop.clock.advance(61)
    assert await shop.ledger.orgs_owing(shop.clock.micros()) == [ACME]
    assert await shop.outbox.due(OTHER, shop.clock.micros(), 10, MUCH) is None
    parcel = await shop.outbox.due(ACME, shop.clock.micros(), 10, MUCH)
    assert parcel is not None
    assert parcel.count == 1


async def test_the_whole_journal_is_looked_at_every_fifteen_seconds_only(shop: Workshop) -> None:
    await shop.journal.append(ACME, [draft("a")], None)
    shop.clock.advance(61)
    assert await shop.ledger.orgs_owing(shop.clock.micros()) == [ACME]
    shop.clock.advance(14)
    assert await shop.ledger.orgs_owing(shop.clock.micros()) == []
    shop.clock.advance(1)
    assert await shop.ledger.orgs_owing(shop.clock.micros()) == [ACME]


async def test_what_was_postponed_comes_first_and_an_org_is_named_once(shop: Workshop) -> None:
    await shop.journal.append(ACME, [draft("parked"), draft("lost")], None)
    parcel = await shop.outbox.due(ACME, shop.clock.micros() + 61_000_000, 1, MUCH)
    assert parcel is not None
    await shop.outbox.postpone(parcel, None, shop.clock.micros() + 70_000_000)
    shop.clock.advance(71)
    assert await shop.ledger.orgs_owing(shop.clock.micros()) == [ACME]
    assert await shop.outbox.due(ACME, shop.clock.micros(), 10, MUCH) == parcel
    await shop.outbox.delivered(parcel, None, 0)
    lost = await shop.outbox.due(ACME, shop.clock.micros(), 10, MUCH)
    assert lost is not None
    assert lost.times[0] > parcel.times[0]


async def test_where_the_journal_is_the_queue_such_rows_come_by_it(
    tmp_path: Path, clock: ManualClock
) -> None:
    with workshop(tmp_path / "m.db", clock) as shop:
        await shop.journal.append(ACME, [draft("a")], None)
        clock.advance(61)
        assert await shop.ledger.orgs_owing(clock.micros()) == []
        assert await shop.outbox.due(ACME, clock.micros(), 10, MUCH) is None
