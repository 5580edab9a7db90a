"""What goes on beside the main road: health, expiry, merging, the report."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from core.adapters.sqlite.orgs import SqliteOrgs
from core.model.errors import ConfigurationError, MasterKeyError, StoreRefused, StoreUnreachable
from core.model.memory import OrgId
from core.model.tenant import Binding, Org, SealedBinding
from core.model.timewindow import moment_of
from core.ports import EventStore
from flusher.ports import FlusherPorts
from flusher.service import Flusher
from tests.clock import ManualClock
from tests.contract.journals import ACME, OTHER
from tests.flushing.rig import SMALL, Rig, rig


async def reopened(mill: Rig, ports: FlusherPorts) -> None:
    """The same rig with other collaborators."""
    await mill.flusher.close()
    mill.flusher = Flusher(ports, mill.limits)
    await mill.flusher.open()


async def test_a_bound_store_is_checked_soon_and_its_health_posted(mill: Rig) -> None:
    await mill.turns(2)
    assert [(h.org_id, h.ok, h.circuit) for h in await mill.board.read_health()] == [
        (ACME, True, "closed"),
        (OTHER, True, "closed"),
    ]


async def test_stores_are_checked_every_ten_seconds(mill: Rig) -> None:
    await mill.turns(35)
    assert mill.store.checks == 2 * 4


async def test_a_store_that_fails_its_check_is_reported_at_once(mill: Rig) -> None:
    await mill.turns(9)
    mill.store.check_error = StoreUnreachable("connection refused")
    await mill.turns(3)
    healths = await mill.board.read_health()
    assert [(h.ok, h.reason) for h in healths] == [(False, "store_unreachable: connection refused")] * 2


async def test_a_store_that_hangs_fails_its_check_in_time(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, replace(SMALL, check_timeout=0.001)) as mill:
        mill.store.hangs[ACME] = asyncio.Event()
        await mill.turns(2)
        acme, other = await mill.board.read_health()
        assert (acme.ok, acme.reason) == (False, "store_timeout: no answer within 0.001 s")
        assert other.ok


async def test_stores_that_hang_when_they_are_checked_leave_room_for_others(
    tmp_path: Path, clock: ManualClock
) -> None:
    third = OrgId("org_third")
    async with rig(tmp_path, clock, replace(SMALL, checks=2)) as mill:
        await SqliteOrgs(mill.shop.database).create_org(Org(third, "third", moment_of(clock.micros())))
        mill.store.check_error = StoreUnreachable("connection refused")
        await mill.turns(2)
        mill.store.check_error = None
        mill.store.hangs = dict.fromkeys((ACME, OTHER), asyncio.Event())
        await mill.bind(third, id="arc_third")
        await mill.turn(11)
        await mill.turn(1)
        assert {h.org_id: h.ok for h in await mill.board.read_health()}[third]


async def test_an_open_circuit_shows_on_the_board(mill: Rig) -> None:
    await mill.turns(2)
    mill.store.down.add(ACME)
    await mill.write("a", "b", "c", "d", "e")
    await mill.turn()
    await mill.turn()
    health = (await mill.board.read_health())[0]
    assert (health.circuit, health.reason) == ("open", "store_unreachable: connection refused")
    assert health.retry_at == mill.clock.micros() + 1_000_000
    assert mill.metrics.gauges["memtrace_open_circuits"] == 1


async def test_a_new_binding_is_noticed_within_two_seconds(mill: Rig) -> None:
    await mill.bindings.remove_binding(OTHER)
    await mill.turns(5)
    assert [h.org_id for h in await mill.board.read_health()] == [ACME]
    await mill.bind(OTHER, id="arc_new")
    await mill.turns(3)
    assert [h.org_id for h in await mill.board.read_health()] == [ACME, OTHER]


async def test_a_new_binding_gets_a_fresh_circuit(mill: Rig) -> None:
    mill.store.down.add(ACME)
    await mill.write("a", "b", "c", "d", "e")
    await mill.turns(30)
    assert mill.road.circuits.of(ACME).failures > 2
    await mill.bind(ACME, id="arc_new")
    mill.clock.advance(2)
    await mill.road.step()
    assert mill.road.circuits.of(ACME).failures == 0


async def test_a_key_that_does_not_open_keeps_the_org_waiting_and_is_reported(mill: Rig) -> None:
    def unseal(sealed: SealedBinding) -> Binding:
        if sealed.org_id == ACME:
            raise MasterKeyError("does not open")
        return mill.ports.unseal(sealed)

    await reopened(mill, replace(mill.ports, unseal=unseal))
    await mill.write("a", "b", "c", "d", "e")
    await mill.write("x", "y", "z", "v", "w", org=OTHER)
    await mill.turns(3)
    assert await mill.states() == (5, 0, 0)
    assert await mill.states(OTHER) == (0, 5, 0)
    assert (await mill.board.read_health())[0].reason == "master_key_error: does not open"


async def test_newer_master_keys_open_what_did_not_open_before(mill: Rig) -> None:
    newer: list[bool] = []
    told: list[bool] = []

    def unseal(sealed: SealedBinding) -> Binding:
        if sealed.org_id == ACME and not newer:
            raise MasterKeyError("does not open")
        return mill.ports.unseal(sealed)

    async def renew(in_vain: bool) -> bool:
        told.append(in_vain)
        if len(told) < 3:
            return False
        newer.append(True)
        return True

    await reopened(mill, replace(mill.ports, unseal=unseal, renew_keys=renew))
    await mill.write("a", "b", "c", "d", "e")
    await mill.turns(1)
    assert (told, await mill.states()) == ([True], (5, 0, 0))
    await mill.turns(60)
    assert told[:4] == [True, True, True, False]
    assert (await mill.states())[0] == 0


async def test_a_binding_without_an_adapter_keeps_the_org_waiting(mill: Rig) -> None:
    def store_for(binding: Binding) -> EventStore:
        raise StoreRefused("there is no adapter for https bindings")

    await reopened(mill, replace(mill.ports, store_for=store_for))
    await mill.write("a", "b", "c", "d", "e")
    await mill.turns(20)
    assert await mill.states() == (5, 0, 0)


async def test_a_binding_that_goes_between_choice_and_sending_costs_nothing(mill: Rig) -> None:
    await mill.turn()
    await mill.write("a")
    parcels = await mill.road.queue.receive(10, 1 << 20)
    await mill.bindings.remove_binding(ACME)
    mill.clock.advance(3)
    await mill.road.bindings.refresh()
    mill.road.dispatch.start(parcels[0])
    await mill.ends()
    assert mill.store.appends == []
    assert await mill.states() == (1, 0, 0)


async def test_claims_expire_after_the_window(mill: Rig) -> None:
    await mill.write("a", "b", "c", "d", "e")
    await mill.turns(20)
    await mill.turns(1, mill.limits.window)
    assert (await mill.backlog()).claims == 0


async def test_expiry_walks_through_many_claims_in_small_turns(tmp_path: Path, clock: ManualClock) -> None:
    async with rig(tmp_path, clock, replace(SMALL, expire_rows=2)) as mill:
        await mill.write("a", "b", "c", "d", "e")
        await mill.turns(20)
        await mill.turns(1, mill.limits.window)
        assert (await mill.backlog()).claims == 0


async def test_files_are_merged_one_org_at_a_time_and_not_for_a_remote_store(mill: Rig) -> None:
    await mill.bind(OTHER, url="https://arc.example", id="arc_far")
    await mill.turns(3)
    assert mill.merger.turns == [ACME]
    await mill.turns(31)
    assert mill.merger.turns == [ACME, ACME]


async def test_a_failing_merge_stops_nothing(mill: Rig) -> None:
    mill.merger.error = StoreUnreachable("the disk is full")
    await mill.write("a", "b", "c", "d", "e")
    await mill.turns(3)
    assert mill.merger.turns == [ACME, OTHER]
    assert mill.store.contents(ACME)


async def test_while_there_is_something_to_merge_the_next_turn_comes_soon(mill: Rig) -> None:
    await mill.bindings.remove_binding(OTHER)
    mill.merger.files = [0, 24, 60]
    await mill.turns(5)
    assert mill.merger.turns == [ACME] * 3
    assert mill.metrics.counts["memtrace_merged_files_total", ""] == 84


async def test_an_unbound_org_has_nothing_to_merge(mill: Rig) -> None:
    await mill.turn()
    await mill.tenure.housekeeping._merge(OrgId("org_nobody"))
    assert OrgId("org_nobody") not in mill.merger.turns


async def test_the_report_is_posted_every_five_seconds_when_it_changed(mill: Rig) -> None:
    texts = iter([b"1\n", b"1\n", b"2\n"])
    await reopened(mill, replace(mill.ports, report=lambda: next(texts)))
    await mill.turn()
    began = mill.clock.micros()
    assert await mill.board.read_report() == (b"1\n", began)
    await mill.turn(5)
    assert await mill.board.read_report() == (b"1\n", began)
    await mill.turn(5)
    assert await mill.board.read_report() == (b"2\n", mill.clock.micros())


@pytest.mark.parametrize("error", [ConfigurationError("no"), StoreRefused("no")])
async def test_a_store_that_cannot_be_had_is_unhealthy(mill: Rig, error: Exception) -> None:
    def store_for(binding: Binding) -> EventStore:
        raise error

    await reopened(mill, replace(mill.ports, store_for=store_for))
    await mill.turns(2)
    assert [h.ok for h in await mill.board.read_health()] == [False, False]
