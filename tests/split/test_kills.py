"""Any part of the split is killed at any moment, under load: nothing is lost, doubled or left owed."""

import asyncio
import random
import signal
from typing import Final

from tests.e2e.installation import Installation, until
from tests.faults.witness import everything, meanwhile, repeated
from tests.split.client import Steady
from tests.split.machine import EDGE, FLUSHER, QUICK, STAND_INS, QuickMachine, kill

_VICTIMS: Final = (*STAND_INS, EDGE, FLUSHER)
_WRITERS: Final = 2


async def writing(steady: Steady) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(_WRITERS):
            group.create_task(steady.run(f"agent_{number}"))


async def strike(machine: QuickMachine, part: str, dice: random.Random) -> None:
    """Kills one of these as soon as one is there."""

    async def some() -> bool:
        return bool(machine.pids(part))

    await until(some, what=f"a process of {part}")
    kill(dice.choice(machine.pids(part)))


async def check(steady: Steady, machine: Installation, *, also: int) -> None:
    """All that was acknowledged is there once, with its id."""
    async with machine.client() as client:
        rows = await everything(client)
    assert repeated(m["id"] for m in rows) == []
    assert repeated(m["content"] for m in rows) == []
    ids = {m["content"]: m["id"] for m in rows}
    assert {c: i for c, i in steady.acknowledged.items() if ids.get(c) != i} == {}
    assert len(rows) - len(steady.acknowledged) in range(also + 1)


async def test_everything_acknowledged_outlives_kills_of_any_part(quick: QuickMachine) -> None:
    dice = random.Random(20_261_121)
    running = await quick.dev(**QUICK)
    beside = await quick.spawn("flusher", env={**quick.env, **QUICK})
    await beside.says("flusher_joined")
    quick.started.reverse()  # the newest start is the machine
    async with quick.client() as client:
        steady = Steady(client)
        async with meanwhile(writing(steady)):
            await steady.acknowledges(30)
            for part in dice.sample(_VICTIMS, len(_VICTIMS)):
                await strike(quick, part, dice)
                await steady.acknowledges(dice.randrange(10, 30))
            await beside.kill()
            await steady.acknowledges(30)
    under_way = _WRITERS * 8
    await check(steady, quick, also=under_way)
    found = await quick.owes_nothing(80)
    assert found["dead"] == 0
    assert steady.repeats > 0
    await check(steady, quick, also=under_way)
    rows, memories = await quick.stored()
    assert memories - len(steady.acknowledged) in range(under_way + 1)
    assert rows >= memories
    assert await running.stop(signal.SIGINT) == 0
