"""Retention: whose memories go, when, and that the bound only moves on."""

from dataclasses import replace

from core.adapters.sqlite.orgs import SqliteOrgs
from core.adapters.sqlite.undertaker import SqliteUndertaker
from core.model.org_settings import OrgSettings
from flusher.service import Flusher
from tests.contract.journals import ACME
from tests.flushing.rig import Rig

DAY = 86_400
MICROS = 1_000_000
HOUR = 3_600 * MICROS


async def keep_for(mill: Rig, days: int | None) -> None:
    await SqliteOrgs(mill.shop.database).update_org_settings(ACME, {"retention_days": days})


async def test_an_org_with_a_retention_has_its_bound_moved_on(mill: Rig) -> None:
    await keep_for(mill, 90)
    await mill.turn(301)
    hour = mill.clock.micros() // HOUR * HOUR
    assert mill.undertaker.retained == {ACME: hour - 90 * DAY * MICROS}
    mill.undertaker.retained.clear()
    await mill.turn(301)
    assert mill.undertaker.retained == {}
    await mill.turn(3600)
    assert mill.undertaker.retained == {ACME: hour + HOUR - 90 * DAY * MICROS}


async def test_a_shorter_retention_holds_from_the_next_look_on(mill: Rig) -> None:
    await keep_for(mill, 90)
    await mill.turn(301)
    await keep_for(mill, 30)
    await mill.turn(301)
    assert mill.undertaker.retained == {ACME: mill.clock.micros() // HOUR * HOUR - 30 * DAY * MICROS}


async def test_orgs_without_a_retention_keep_everything(mill: Rig) -> None:
    await mill.turn(301)
    assert mill.undertaker.retained == {}
    await keep_for(mill, 1)
    await keep_for(mill, None)
    await mill.turn(301)
    assert mill.undertaker.retained == {}


async def test_the_journal_keeps_one_deletion_for_it(mill: Rig) -> None:
    undertaker = SqliteUndertaker(mill.shop.database, clock=mill.clock)
    ports = replace(mill.ports, undertaker=undertaker)
    flusher = Flusher(ports, mill.limits)
    await mill.flusher.close()
    await flusher.open()
    mill.flusher = flusher
    await keep_for(mill, 2)
    for _ in range(3):
        await mill.turn(3600)
    due = await undertaker.due_deletions(mill.clock.micros() + 10**12, 10)
    hour = mill.clock.micros() // HOUR * HOUR
    assert [d.exclusion.until for d in due if d.exclusion] == [hour - 2 * DAY * MICROS]


def test_settings_of_an_org_name_whole_days() -> None:
    assert OrgSettings(retention_days=3).members() == {"retention_days": 3}
