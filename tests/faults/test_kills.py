"""Killed at any moment under load, again and again, and asked to stop under load."""

import os
import random
import signal

from tests.e2e.installation import Installation, Running
from tests.faults.faulty import Journal
from tests.faults.witness import Witness, meanwhile

_WRITERS = 8
_SETTINGS = {"MEMTRACE_ARC_WRITE_FLUSH_INTERVAL_MS": "200"}
_VICTIMS = (("server",), ("flusher",), ("server", "flusher"), ("flusher",))


async def test_everything_acknowledged_outlives_kills_at_any_moment(installation: Installation) -> None:
    """The product as it is, `hides_for` included, until the store alone holds everything."""
    journal, witness = Journal(installation), Witness()
    dice = random.Random(20_260_207)
    running: Running | None = None
    lost = 0
    for victims in _VICTIMS:
        if running is None:
            running = await installation.dev(**_SETTINGS)
        flusher = await journal.flushing()
        async with installation.client() as client, meanwhile(witness.load(client, _WRITERS)) as load:
            await witness.acknowledges(dice.randrange(200, 1_500))
            for victim in victims:
                os.kill(running.pid if victim == "server" else flusher, signal.SIGKILL)
            if "server" in victims:
                await running.ends()
                await load
                running, lost = None, lost + _WRITERS * 20
            else:
                await journal.flushing(but=flusher)
                await witness.acknowledges(200)
        lost += _WRITERS * 20  # what was under way when the writers were cancelled
    running = running or await installation.dev(**_SETTINGS)
    async with installation.client() as client:
        await witness.compare(client, also=lost)
        await journal.settled(60)
        await witness.compare(client, also=lost)
    assert running.process.returncode is None


async def test_asked_to_stop_under_load_it_ends_in_order_and_in_time(installation: Installation) -> None:
    running = await installation.dev(**_SETTINGS, MEMTRACE_SERVER_SHUTDOWN_TIMEOUT="8")
    witness = Witness()
    async with installation.client() as client, meanwhile(witness.load(client, _WRITERS)):
        await witness.acknowledges(500)
        running.process.send_signal(signal.SIGTERM)
        assert await running.ends(8) == 0
    assert installation.children(running.pid) == []
    await installation.dev(**_SETTINGS)
    async with installation.client() as client:
        # Whoever has no answer may have been written: one request a writer.
        await witness.compare(client, also=_WRITERS * 20)


async def test_asked_twice_under_load_it_ends_at_once_and_loses_nothing(installation: Installation) -> None:
    running = await installation.dev(**_SETTINGS)
    witness = Witness()
    async with installation.client() as client, meanwhile(witness.load(client, _WRITERS)):
        await witness.acknowledges(500)
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGINT)
        assert await running.ends(3) in (0, 1)
    await installation.dev(**_SETTINGS)
    async with installation.client() as client:
        await witness.compare(client, also=_WRITERS * 20)
