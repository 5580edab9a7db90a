"""Many callers at once at the gate: what they share, and where it ends."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.model.errors import Overloaded, ShuttingDown, Unavailable
from tests.clock import ManualClock
from tests.contract.metadata import Metadata, sqlite
from tests.unit.auth_door import Door, door_to


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Metadata]:
    with sqlite(tmp_path) as metadata:
        yield metadata


@pytest.fixture
async def door(files: Metadata, clock: ManualClock) -> AsyncIterator[Door]:
    door = door_to(await files.with_orgs(), clock)
    yield door
    door.bcrypt.go.set()
    door.gate.close()


async def test_many_first_checks_of_a_key_share_one_bcrypt(door: Door) -> None:
    plain, _ = await door.new_key()
    callers = await asyncio.gather(*(door.gate.authenticate(plain) for _ in range(50)))
    assert len({id(caller) for caller in callers}) == 1
    assert (door.keys.lookups, door.bcrypt.calls) == (1, 1)


async def test_a_caller_that_goes_away_takes_nothing_from_the_others(door: Door) -> None:
    plain, _ = await door.new_key()
    door.bcrypt.go.clear()
    first, second = (asyncio.create_task(door.gate.authenticate(plain)) for _ in range(2))
    await asyncio.to_thread(door.bcrypt.started.wait, 10)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    door.bcrypt.go.set()
    assert (await second).key_name == "ci"
    assert door.bcrypt.calls == 1


async def test_when_everybody_has_gone_the_check_still_ends_quietly(door: Door) -> None:
    plain, _ = await door.new_key()
    door.keys.error = Unavailable("the database is busy")
    only = asyncio.create_task(door.gate.authenticate(plain))
    await asyncio.sleep(0)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    door.keys.error = None
    assert (await door.gate.authenticate(plain)).key_name == "ci"


async def test_memory_is_bounded_and_the_longest_unchecked_go_first(
    files: Metadata, clock: ManualClock
) -> None:
    door = door_to(await files.with_orgs(), clock, max_entries=2)
    first, second, third = [(await door.new_key(name=f"k{n}"))[0] for n in range(3)]
    for plain in (first, second):
        await door.gate.authenticate(plain)
    clock.advance(10)
    for plain in (first, third):
        await door.gate.authenticate(plain)
    assert [door.gate.peek(plain) is not None for plain in (first, second, third)] == [True, False, True]
    assert door.gate.remembered == 2
    door.gate.close()


async def test_too_many_new_keys_at_once_are_told_to_come_back(files: Metadata, clock: ManualClock) -> None:
    door = door_to(await files.with_orgs(), clock, max_waiting=1)
    keys = [(await door.new_key(name=f"k{n}"))[0] for n in range(4)]
    door.bcrypt.go.clear()
    checks = [asyncio.create_task(door.gate.authenticate(plain)) for plain in keys]
    finished = asyncio.as_completed(checks)
    for _ in range(2):
        with pytest.raises(Overloaded):
            await next(finished)
    door.bcrypt.go.set()
    assert len({(await check).key_name for check in finished}) == 2
    door.gate.close()


async def test_a_closed_gate_verifies_no_new_key(door: Door) -> None:
    plain, _ = await door.new_key()
    door.gate.close()
    door.gate.close()
    with pytest.raises(ShuttingDown):
        await door.gate.authenticate(plain)
