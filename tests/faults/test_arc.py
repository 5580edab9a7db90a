"""An Arc that is killed and started again under load, and the flusher with it."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.faults.arcs import ArcProcess, bound_to
from tests.faults.faulty import FaultyInstallation, Journal
from tests.faults.witness import Witness, meanwhile

_SETTINGS = {"MEMTRACE_ARC_WRITE_FLUSH_INTERVAL_MS": "200"}
_WRITERS = 4
_LOST = _WRITERS * 20
"""What was under way when the writers were stopped."""


@pytest.fixture
async def arc_with(tmp_path: Path) -> AsyncIterator[Callable[..., ArcProcess]]:
    """Makes an Arc with these options; it ends with the test."""
    made: list[ArcProcess] = []

    def make(*options: str) -> ArcProcess:
        made.append(ArcProcess(tmp_path / "arc", *options))
        return made[-1]

    yield make
    for arc in made:
        await arc.kill()


@pytest.mark.parametrize("options", [("--buffer-age", "1"), ("--buffer-age", "0.1", "--wal")])
async def test_everything_acknowledged_outlives_an_arc_that_is_killed(
    faulty: FaultyInstallation, arc_with: Callable[..., ArcProcess], options: tuple[str, ...]
) -> None:
    arc, journal, witness = arc_with(*options), Journal(faulty), Witness()
    await arc.start()
    await faulty.dev(**faulty.faults, **_SETTINGS)
    tenant = await bound_to(faulty, arc)
    async with faulty.client() as server, tenant.of(server) as client:
        async with meanwhile(witness.load(client, _WRITERS)):
            for _ in range(2):
                await witness.acknowledges(200)
                await arc.kill()
                await witness.acknowledges(100)
                await arc.start()
            os.kill(await journal.flushing(), signal.SIGKILL)
            await witness.acknowledges(200)
        await witness.compare_rows(client, also=_LOST)
        await journal.settled(60)
        await witness.compare(client, also=_LOST)
        rows, memories = await arc.stored(tenant.org_id)
        assert memories - len(witness.acknowledged) in range(_LOST + 1)
        assert rows >= memories
