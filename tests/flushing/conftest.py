"""The rig: a flusher over a real journal, on a clock that tests move."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clock import ManualClock
from tests.flushing.line import Line
from tests.flushing.rig import Rig, rig


@pytest.fixture
async def mill(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Rig]:
    async with rig(tmp_path, clock) as made:
        yield made


@pytest.fixture
async def mills(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Rig]:
    """Two flushers that share a queue; the first holds the lease."""
    async with rig(tmp_path, clock, line=Line(clock)) as made:
        await made.another().open()
        yield made
