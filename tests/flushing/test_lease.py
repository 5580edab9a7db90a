"""The right to flush: one owner, who finds out when it is another."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.model.errors import DatabaseError, HeldByOther, LeaseLost, MemtraceError, MetadataBusy
from core.ports import Lease, Leases
from flusher.lease import LeaseKeeper
from tests.clock import ManualClock
from tests.contract.journals import ACME
from tests.flushing.rig import Rig, rig

ANSWERS_NOT = (DatabaseError("locked"), MetadataBusy())
"""As a file says it, and as a table does."""


async def test_a_second_flusher_is_told_who_holds_the_lease(mill: Rig) -> None:
    with pytest.raises(HeldByOther, match="a:1"):
        await mill.another().open()


async def test_a_lease_that_was_given_back_is_free(mill: Rig) -> None:
    await mill.flusher.close()
    second = mill.another()
    await second.open()
    assert second.lease.current.fence > 1


async def test_a_heartbeat_keeps_the_lease(mill: Rig) -> None:
    for _ in range(10):
        mill.clock.advance(5)
        await mill.flusher.lease.beat()
    with pytest.raises(HeldByOther):
        await mill.another().open()


async def test_a_heartbeat_before_its_time_writes_nothing(mill: Rig) -> None:
    counting = CountingLeases(mill.shop.leases)
    keeper = LeaseKeeper(replace(mill.ports, leases=counting), 15)
    await keeper.acquire()
    mill.clock.advance(1)
    await keeper.beat()
    await keeper.confirm()
    assert counting.renewals == 0
    mill.clock.advance(7)
    await keeper.confirm()
    assert counting.renewals == 1


async def test_a_paused_owner_finds_out_before_it_publishes(mill: Rig) -> None:
    await mill.write("a", "b", "c", "d", "e")
    mill.clock.advance(16)  # paused: no heartbeat, and the lease expires
    await mill.another().open()
    await mill.flusher.step()
    await mill.ends()
    assert mill.store.appends == []
    await mill.flusher.step()
    assert mill.flusher.tenure is None


async def test_a_suspended_host_is_noticed_by_the_wall_clock(mill: Rig) -> None:
    """The monotonic clock stands still while a host sleeps."""
    mill.clock.step_wall(3600)
    await mill.another().open()
    with pytest.raises(LeaseLost):
        await mill.flusher.lease.confirm()


async def test_an_owner_that_lost_the_lease_changes_nothing_in_the_journal(mill: Rig) -> None:
    await mill.write("a", "b", "c", "d", "e")
    await mill.turn()
    mill.clock.advance(16)
    await mill.another().open()
    with pytest.raises(LeaseLost):
        await mill.shop.outbox.settled(ACME, [1], mill.flusher.lease.current)


async def test_losing_the_lease_in_the_middle_of_a_batch_leaves_it_owed(mill: Rig) -> None:
    """The rows were sent, but the new owner does not know: it sends them again, and shows them once."""

    async def usurp() -> None:
        await mill.shop.database.write(lambda c: c.execute("UPDATE leases SET fence = fence + 1"))

    mill.store.after_append = usurp
    await mill.write("a", "b", "c", "d", "e")
    await mill.turn()
    await mill.flusher.step()
    assert mill.flusher.tenure is None
    assert await mill.states() == (5, 0, 0)


async def test_a_lost_lease_is_not_used_again(mill: Rig) -> None:
    await mill.shop.database.write(lambda c: c.execute("UPDATE leases SET fence = 99"))
    mill.clock.advance(6)
    with pytest.raises(LeaseLost):
        await mill.flusher.lease.beat()
    with pytest.raises(LeaseLost):
        _ = mill.flusher.lease.current
    await mill.flusher.lease.release()
    assert await mill.shop.leases.holder() == "a:1"


@pytest.mark.parametrize("error", ANSWERS_NOT)
async def test_a_keeper_that_cannot_renew_gives_up_when_the_lease_may_be_gone(
    tmp_path: Path, clock: ManualClock, error: MemtraceError
) -> None:
    async with rig(tmp_path, clock) as mill:
        broken = CountingLeases(mill.shop.leases, error, breaks=True)
        pauses = Pauses(clock, most=4)
        keeper = LeaseKeeper(replace(mill.ports, leases=broken, pause=pauses), 15)
        await keeper.acquire()
        with pytest.raises(Enough):
            await keeper.keep()
        assert (broken.renewals, keeper.fence) == (3, None)


async def test_a_keeper_seeks_the_lease_again_that_it_lost(mill: Rig) -> None:
    pauses = Pauses(mill.clock, most=2)
    keeper = LeaseKeeper(replace(mill.ports, owner="b:2", pause=pauses), 15)
    await mill.flusher.close()
    await keeper.acquire()
    await mill.shop.database.write(lambda c: c.execute("UPDATE leases SET owner = '', fence = 99"))
    mill.clock.advance(6)
    with pytest.raises(Enough):
        await keeper.keep()
    assert keeper.fence == 100


@pytest.mark.parametrize("error", ANSWERS_NOT)
async def test_a_journal_that_fails_is_asked_for_the_lease_again(mill: Rig, error: MemtraceError) -> None:
    broken = CountingLeases(mill.shop.leases, error, refuses=1)
    keeper = LeaseKeeper(replace(mill.ports, leases=broken, pause=Pauses(mill.clock, most=2)), 15)
    with pytest.raises(Enough):
        await keeper.keep()
    assert keeper.fence is not None


async def test_standing_by_takes_over_when_the_lease_is_free(mill: Rig) -> None:
    pauses = Pauses(ManualClock(), most=4, third=mill.flusher.close)
    keeper = LeaseKeeper(replace(mill.ports, owner="b:2", pause=pauses), 15)
    with pytest.raises(Enough):
        await keeper.keep()
    assert keeper.current.owner == "b:2"
    assert pauses.seconds == [5, 5, 5, 5]


class Enough(Exception):
    """The test has seen what it wanted."""


class Pauses:
    """Pauses that move the clock and take no time; the last one raises `Enough`."""

    def __init__(
        self, clock: ManualClock, *, most: int, third: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self.seconds: list[float] = []
        self._clock = clock
        self._most = most
        self._third = third

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._clock.advance(seconds)
        if len(self.seconds) == 3 and self._third is not None:
            await self._third()
        if len(self.seconds) == self._most:
            raise Enough


class CountingLeases:
    def __init__(
        self,
        leases: Leases,
        error: MemtraceError = ANSWERS_NOT[0],
        *,
        breaks: bool = False,
        refuses: int = 0,
    ) -> None:
        self._leases = leases
        self._error = error
        self._breaks = breaks
        self._refuses = refuses
        self.renewals = 0

    async def acquire(self, owner: str, seconds: float) -> Lease | None:
        self._refuses -= 1
        if self._refuses >= 0:
            raise self._error
        return await self._leases.acquire("a:1", seconds)

    async def renew(self, lease: Lease, seconds: float) -> None:
        self.renewals += 1
        if self._breaks:
            raise self._error
        await self._leases.renew(lease, seconds)

    async def release(self, lease: Lease) -> None:
        await self._leases.release(lease)

    async def holder(self) -> str | None:
        return await self._leases.holder()
