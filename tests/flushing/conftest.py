"""The rig: a flusher over a real journal, on a clock that tests move."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.clock import ManualClock
from tests.flushing.rig import Rig, rig


@pytest.fixture
async def mill(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Rig]:
    async with rig(tmp_path, clock) as made:
        yield made
