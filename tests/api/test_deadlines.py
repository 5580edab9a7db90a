"""Work that takes too long is cancelled, by one timer for all."""

import asyncio

import pytest

from handlers.http.deadlines import Deadlines, TimeIsUp


async def test_work_in_time_gives_its_result() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await Deadlines(5).within(work()) == 7


async def test_work_out_of_time_is_cancelled() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(TimeIsUp):
        await Deadlines(0.02).within(work())
    assert ended.is_set()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "the task goes on as if nothing had been"


async def test_each_has_its_own_end() -> None:
    deadlines = Deadlines(0.05)
    release = asyncio.Event()

    async def short() -> str:
        await release.wait()
        return "done"

    late = asyncio.create_task(deadlines.within(asyncio.Event().wait()))
    await asyncio.sleep(0.03)
    second = asyncio.create_task(deadlines.within(short()))
    with pytest.raises(TimeIsUp):
        await late
    release.set()
    assert await second == "done"


async def test_a_cancellation_from_outside_goes_on() -> None:
    task = asyncio.create_task(Deadlines(5).within(asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_work_goes_on() -> None:
    async def work() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError):
        await Deadlines(5).within(work())


async def test_the_timer_stops_when_nobody_waits() -> None:
    deadlines = Deadlines(0.01)

    async def work() -> None: ...

    await deadlines.within(work())
    await asyncio.sleep(0.03)
    assert not deadlines.is_ticking
    await deadlines.within(work())
    assert deadlines.is_ticking
