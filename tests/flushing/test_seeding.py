"""The flusher reads stores for claims as soon as they answer, and leaves those alone that do not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.seeding import SqliteSeedings
from core.model.errors import MasterKeyError, StoreUnreachable
from core.model.memory import MemoryFilter, Micros, OrgId, Span, Tally, stamped
from core.model.tenant import Binding, Org, SealedBinding
from core.seeding import Seeding
from flusher.service import Flusher
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER, WINDOW, draft
from tests.flushing.fakes import ShelfStore
from tests.flushing.rig import SMALL, Rig, opened, rig


class CountedShelf(ShelfStore):
    """A shelf whose rows can be counted, as a start and a flusher do before they read."""

    async def tally(self, binding: Binding, filter: MemoryFilter, span: Span, recent_since: Micros) -> Tally:
        return Tally(total=len(await self.identities(binding, filter, span)))


@pytest.fixture
async def flushing(tmp_path: Path, clock: ManualClock) -> AsyncIterator[tuple[Rig, CountedShelf]]:
    """A flusher that seeds, over a store that others wrote to."""
    async with rig(tmp_path, clock) as made:
        store = CountedShelf()
        seeding = Seeding(
            seedings=SqliteSeedings(made.shop.database, clock=clock, most=1_000),
            store_for=lambda _: store,
            clock=clock,
            window=WINDOW,
            rows_a_turn=3,
        )
        await made.flusher.close()
        made.flusher = Flusher(replace(made.ports, seeding=seeding, store_for=lambda _: store), SMALL)
        await made.flusher.open()
        made.store = store
        for org in (ACME, OTHER):
            stored = stamped(draft("old"), org, clock.micros() - 60_000_000)
            store.rows[org] = [stored]
        yield made, store


async def is_duplicate(made: Rig, org: str = ACME) -> bool:
    (receipt,) = await made.write("old", org=org)  # type: ignore[arg-type]
    return receipt.memory is None


async def test_what_stores_hold_is_claimed(flushing: tuple[Rig, CountedShelf]) -> None:
    made, _ = flushing
    await made.turns(2)
    assert await is_duplicate(made)
    assert await is_duplicate(made, OTHER)


async def test_an_org_that_is_bound_later_is_found(flushing: tuple[Rig, CountedShelf]) -> None:
    made, _ = flushing
    await made.turns(3)
    await made.bind(ACME, id="arc_new")
    await made.turns(2, 6.0)
    seen = made.shop.database.writer.execute("SELECT again_at FROM seedings WHERE binding_id = 'arc_new'")
    assert seen.fetchone()[0] is not None


async def test_a_store_that_fails_is_left_alone_for_longer_and_longer(
    flushing: tuple[Rig, CountedShelf],
) -> None:
    made, store = flushing
    store.read_error = StoreUnreachable("it is away")
    with capture_logs() as logs:
        await made.turns(60, 5.0)
    postponed = [line for line in logs if line["event"] == "seeding_postponed" and line["org_id"] == ACME]
    assert 5 <= len(postponed) <= 9
    assert postponed[0]["reason"] == "store_unreachable: it is away"
    store.read_error = None
    await made.turns(14, 5.0)
    assert await is_duplicate(made)


async def test_a_key_that_does_not_open_is_told(
    tmp_path: Path, clock: ManualClock, flushing: tuple[Rig, CountedShelf]
) -> None:
    made, store = flushing

    def locked(sealed: SealedBinding) -> Binding:
        if sealed.org_id == ACME:
            raise MasterKeyError("it does not open")
        return opened(sealed)

    await made.flusher.close()
    made.flusher = Flusher(replace(made.ports, unseal=locked, seeding=_seeding_of(made, store)), SMALL)
    await made.flusher.open()
    with capture_logs() as logs:
        await made.turns(2)
    assert {"master_key_error: it does not open"} == {
        line["reason"] for line in logs if line["event"] == "seeding_postponed"
    }
    assert await is_duplicate(made, OTHER)


async def test_an_org_that_the_flusher_does_not_know_yet_waits(flushing: tuple[Rig, CountedShelf]) -> None:
    made, store = flushing
    await made.turns(2)
    store.reads.clear()
    late = OrgId("org_late")
    await SqliteOrgs(made.shop.database).create_org(Org(late, "late", datetime.now(UTC)))
    await made.bind(late, id="arc_late")
    made.clock.advance(6.0)
    await made.tenure.seeder.step()  # before anybody looked at the bindings
    await made.ends()
    assert store.reads == []
    await made.turns(2, 6.0)
    assert {org for org, _ in store.reads} == {late}


async def test_only_some_are_read_at_once(flushing: tuple[Rig, CountedShelf]) -> None:
    made, store = flushing
    await made.flusher.close()
    one = replace(SMALL, seedings=1)
    made.flusher = Flusher(replace(made.ports, seeding=_seeding_of(made, store)), one)
    await made.flusher.open()
    await made.turn()
    assert {org for org, _ in store.reads} == {ACME}
    await made.turns(2, 6.0)
    assert await is_duplicate(made, OTHER)


def _seeding_of(made: Rig, store: CountedShelf) -> Seeding:
    return Seeding(
        seedings=SqliteSeedings(made.shop.database, clock=made.clock, most=1_000),
        store_for=lambda _: store,
        clock=made.clock,
        window=WINDOW,
        rows_a_turn=3,
    )
