"""The flusher as a whole: running, stopping, stepping aside, and errors of our own."""

import asyncio
import os
import signal
from dataclasses import replace

import pytest

from core.adapters.sqlite.leases import SqliteLeases
from core.adapters.sqlite.ledger import SqliteLedger
from core.adapters.sqlite.outbox import SqliteOutbox
from core.model.errors import DatabaseError, HeldByOther, MemtraceError, MetadataBusy
from core.model.memory import Micros, OrgId
from core.ports import Lease, Parcel
from core.settings import Settings
from flusher.crew import Crew, Ended, judge
from flusher.process import Manner, limits_of, manner_of, serve
from flusher.service import Flusher
from flusher.stopping import Stop, on_parents_death, on_signals
from tests.contract.journals import ACME
from tests.flushing.rig import Rig, eventually

ABCDE = ("a", "b", "c", "d", "e")


async def soon(seconds: float) -> None:
    """A pause as short as a test needs it."""
    await asyncio.sleep(0.001)


async def test_running_delivers_until_it_is_asked_to_stop_and_then_drains(mill: Rig) -> None:
    await mill.flusher.close()
    stop = Stop(5)
    flusher = Flusher(replace(mill.ports, pause=soon), mill.limits)
    running = asyncio.create_task(flusher.run(stop, wait=False))
    await mill.write(*ABCDE)
    await eventually(lambda: mill.store.contents(ACME) == list(ABCDE))
    await mill.write("held")
    await eventually(lambda: flusher.road is not None and flusher.road.batcher.orgs() == [ACME])
    stop.ask()
    await running
    assert mill.store.contents(ACME) == [*ABCDE, "held"]
    assert await mill.shop.leases.holder() is None


async def test_a_second_flusher_ends_with_the_holders_name(mill: Rig) -> None:
    with pytest.raises(HeldByOther, match="a:1"):
        await mill.another().run(Stop(1), wait=False)


async def test_a_flusher_that_stands_by_can_be_stopped(mill: Rig) -> None:
    stop = Stop(1)
    running = asyncio.create_task(mill.another().run(stop, wait=True))
    await asyncio.sleep(0)
    stop.ask()
    async with asyncio.timeout(30):
        await running
    assert await mill.shop.leases.holder() == "a:1"


async def test_a_flusher_whose_lease_is_taken_steps_aside_and_comes_back(mill: Rig) -> None:
    await mill.flusher.close()
    stop = Stop(1)
    flusher = Flusher(replace(mill.ports, pause=soon), mill.limits)
    running = asyncio.create_task(flusher.run(stop, wait=True))
    await eventually(lambda: flusher.tenure is not None)
    first = flusher.tenure
    await mill.shop.database.write(lambda c: c.execute("UPDATE leases SET owner = 'b:2', fence = fence + 1"))
    mill.clock.advance(6)
    await eventually(lambda: flusher.tenure is None)
    mill.clock.advance(16)
    await eventually(lambda: flusher.tenure is not None)
    assert flusher.tenure is not first
    stop.ask()
    async with asyncio.timeout(30):
        await running


@pytest.mark.parametrize("error", [DatabaseError("the disk is full"), MetadataBusy()])
async def test_a_journal_that_cannot_be_asked_ends_no_flusher(mill: Rig, error: MemtraceError) -> None:
    class Away(SqliteLedger):
        async def orgs_owing(self, now: Micros) -> list[OrgId]:
            raise error

    mill.flusher = Flusher(replace(mill.ports, ledger=Away(mill.shop.database)), mill.limits)
    await mill.flusher.open()
    await mill.write(*ABCDE)
    await mill.turns(5)
    assert await mill.states() == (0, 5, 0)


async def test_an_error_of_the_journal_is_logged_and_tried_again(mill: Rig) -> None:
    class Full(SqliteOutbox):
        calls = 0

        async def delivered(self, parcel: Parcel, lease: Lease | None, check_at: Micros) -> int:
            self.calls += 1
            if self.calls == 1:
                raise DatabaseError("the disk is full")
            return await super().delivered(parcel, lease, check_at)

    mill.flusher = Flusher(
        replace(mill.ports, outbox=Full(mill.shop.database, clock=mill.clock)), mill.limits
    )
    await mill.flusher.open()
    await mill.write(*ABCDE)
    await mill.turns(5)
    assert await mill.states() == (0, 5, 0)


async def test_a_journal_that_cannot_park_what_a_delivery_dropped_is_asked_again(mill: Rig) -> None:
    class Full(SqliteOutbox):
        broken = True

        async def delivered(self, parcel: Parcel, lease: Lease | None, check_at: Micros) -> int:
            if self.broken:
                raise DatabaseError("the disk is full")
            return await super().delivered(parcel, lease, check_at)

        async def postpone(self, parcel: Parcel, lease: Lease | None, due_at: Micros) -> int:
            if self.broken:
                raise DatabaseError("the disk is full")
            return await super().postpone(parcel, lease, due_at)

    outbox = Full(mill.shop.database, clock=mill.clock)
    mill.flusher = Flusher(replace(mill.ports, outbox=outbox), mill.limits)
    await mill.flusher.open()
    await mill.write(*ABCDE)
    await mill.turns(3)
    outbox.broken = False
    await mill.turns(5)
    assert await mill.states() == (0, 5, 0)


async def test_a_fault_of_our_own_stays_with_its_org(mill: Rig) -> None:
    async def stumble() -> None:
        raise ZeroDivisionError("a bug")

    mill.store.after_append = stumble
    await mill.write(*ABCDE)
    await mill.turn()
    mill.store.after_append = None
    await mill.turns(5)
    assert await mill.states() == (0, 5, 0)


async def test_closing_a_crew_cancels_its_work_and_waits_for_it() -> None:
    crew, ended = Crew(), list[str]()

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    crew.start(("deliver", "a"), work("deliver"))
    crew.start(("check", "a"), work("check"))
    await asyncio.sleep(0)
    await crew.close(spare={"deliver"})
    assert ended == ["check"]
    await crew.close()
    await crew.close()
    assert ended == ["check", "deliver"]
    assert [e.error for e in crew.collect()] == [None, None]


async def test_the_first_signal_asks_to_end() -> None:
    stop = Stop(5)
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
    before = [signal.getsignal(s) for s in numbers]
    with on_signals(stop, seconds=60):
        os.kill(os.getpid(), signal.SIGTERM)
        async with asyncio.timeout(30):
            await stop.asked()
        assert callable(signal.getsignal(signal.SIGTERM))
        assert 50 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    assert [signal.getsignal(s) for s in numbers] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


async def test_the_parents_death_asks_to_end_soon() -> None:
    stop = Stop(30)
    mine, parents = os.pipe()
    try:
        with on_parents_death(stop, mine):
            os.write(parents, b"alive")
            await asyncio.sleep(0.01)
            assert not stop.is_asked
            os.close(parents)
            async with asyncio.timeout(30):
                await stop.asked()
        assert stop.drain_seconds == 2.0
    finally:
        os.close(mine)


async def test_serving_ends_with_a_signal(mill: Rig) -> None:
    await mill.flusher.close()
    before = signal.getsignal(signal.SIGTERM)
    serving = asyncio.create_task(serve(mill.ports, mill.limits, Manner(shutdown=5, drain=1)))
    await eventually(lambda: signal.getsignal(signal.SIGTERM) is not before)
    async with asyncio.timeout(30):
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
    assert await mill.shop.leases.holder() is None


def test_the_settings_reach_the_limits() -> None:
    settings = Settings()
    limits = limits_of(settings)
    assert (limits.batch.count, limits.batch.bytes, limits.batch.age) == (10_000, 4 << 20, 10.0)
    assert (limits.batch.largest_count, limits.batch.share) == (50_000, 16 << 20)
    assert limits.window == 24 * 3600
    alone = manner_of(settings, wait=False, child=False)
    assert (alone.shutdown, alone.drain, alone.wait, alone.health_port) == (100, 80, False, 0)
    beside = manner_of(settings, wait=False, child=True)
    assert (beside.shutdown, beside.drain, beside.wait, beside.is_child) == (30, 15, True, True)


async def test_a_heartbeat_that_stumbles_ends_the_flusher(mill: Rig) -> None:
    class Stumbling(SqliteLeases):
        async def acquire(self, owner: str, seconds: float) -> Lease | None:
            raise ZeroDivisionError("a bug")

    leases = Stumbling(mill.shop.database, clock=mill.clock)
    flusher = Flusher(replace(mill.ports, owner="b:2", leases=leases, pause=soon), mill.limits)
    with pytest.raises(ZeroDivisionError):
        await flusher.run(Stop(1), wait=True)


async def test_a_flusher_that_finds_out_while_it_drains_steps_aside(mill: Rig) -> None:
    await mill.write("a")
    await mill.turn()
    await mill.shop.database.write(lambda c: c.execute("UPDATE leases SET owner = 'b:2', fence = 99"))
    await mill.flusher.drain(5)
    assert mill.flusher.tenure is None
    assert await mill.states() == (1, 0, 0)


def test_a_cancel_of_the_process_is_not_taken_for_an_error_of_its_work() -> None:
    with pytest.raises(KeyboardInterrupt):
        judge([Ended(("deliver", "org_a"), KeyboardInterrupt())])
