"""An Arc for each test: the double, and a live one where one is named."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.local.arcs import ARCS, Arc


@pytest.fixture(params=list(ARCS))
async def arc(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Arc]:
    async with ARCS[request.param](tmp_path) as it:
        yield it
