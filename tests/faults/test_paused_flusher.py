"""A flusher that is paused, replaced, and wakes: it finds out before it does anything."""

import os
import signal

import httpx

from tests.e2e.installation import Running
from tests.faults.faulty import QUICK, FaultyInstallation, Journal
from tests.faults.witness import Witness, draft

_ALONE = {"MEMTRACE_FLUSHER_EMBEDDED": "false"}


async def flusher(faulty: FaultyInstallation) -> Running:
    """A flusher of its own, which waits while another one works."""
    env = {**faulty.env, **faulty.faults, **QUICK, "MEMTRACE_FLUSHER_LEASE_SECONDS": "2"}
    return await faulty.spawn("flusher", "--wait", env=env)


async def paused(faulty: FaultyInstallation, client: httpx.AsyncClient, witness: Witness, point: str) -> None:
    """Writes until the flusher at work pauses at this point."""
    faulty.strike(point, number=signal.SIGSTOP)
    while not faulty.has_struck:
        await witness.write(client, 20)
        await Journal(faulty).all_delivered(unless=lambda: faulty.has_struck)
    await faulty.struck()


async def test_it_steps_aside_whether_it_was_delivering_or_settling(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults, **_ALONE)
    journal, witness = Journal(faulty), Witness()
    first = await flusher(faulty)
    await first.says("flusher_started")
    second = await flusher(faulty)
    async with faulty.client() as client:
        for owner, heir, point in ((first, second, "renamed"), (second, first, "settled.before")):
            await paused(faulty, client, witness, point)
            assert await journal.flushing(but=owner.pid) == heir.pid
            await witness.write(client, 20)
            await journal.all_delivered()
            os.kill(owner.pid, signal.SIGCONT)
            await owner.says("flusher_stepped_aside")
            await witness.compare(client)
        await journal.settled()
        assert journal.flusher == first.pid
        await witness.compare(client)
    assert await first.stop() == 0
    assert await second.stop() == 0


async def test_it_publishes_no_merge_that_its_heir_has_done(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults, **_ALONE)
    journal, witness = Journal(faulty), Witness()
    first = await flusher(faulty)
    async with faulty.client() as client:
        await paused(faulty, client, witness, "merge.written")
        second = await flusher(faulty)
        assert await journal.flushing(but=first.pid) == second.pid
        await second.says("files_merged")
        os.kill(first.pid, signal.SIGCONT)
        await first.says("flusher_stepped_aside")
        await witness.compare(client)
        await journal.settled()
        await witness.compare(client)


_IMPATIENT = {
    "MEMTRACE_SERVER_WRITE_TIMEOUT": "1",
    "MEMTRACE_ARC_QUERY_TIMEOUT": "1",
    "MEMTRACE_ARC_CONNECT_TIMEOUT": "1",
}


async def test_paused_in_a_transaction_it_holds_up_writers_but_no_reader(
    faulty: FaultyInstallation,
) -> None:
    """Nobody can take the turn from it; writers are told so in time, and lose nothing."""
    await faulty.dev(**faulty.faults, **QUICK, **_IMPATIENT)
    journal, witness = Journal(faulty), Witness()
    async with faulty.client() as client:
        owner = await journal.flushing()
        faulty.strike("settling.uncommitted", number=signal.SIGSTOP)
        await witness.write(client, 20)
        await faulty.struck()
        token = {"idempotency-key": "held up"}
        held_up = await client.post("/memories", json=draft("held up"), headers=token)
        assert (held_up.status_code, held_up.json()["code"]) == (504, "deadline_exceeded")
        assert held_up.headers["retry-after"]
        await witness.compare_rows(client)
        os.kill(owner, signal.SIGCONT)
        again = await client.post("/memories", json=draft("held up"), headers=token)
        assert again.status_code == 201
        witness.note([again.json()])
        await journal.settled()
        await witness.compare(client)
