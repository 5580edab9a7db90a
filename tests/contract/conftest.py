"""Fixtures of the contract suites."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.clock import ManualClock
from tests.contract.journals import MODES, Mode, Workshop, workshop
from tests.contract.metadata import BACKENDS, Metadata


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    """Every way in which the journal can be kept."""
    kept: Mode = request.param
    return kept


@pytest.fixture
def shop(tmp_path: Path, clock: ManualClock, mode: Mode) -> Iterator[Workshop]:
    """A journal kept in each of these ways, in an empty installation with two orgs."""
    with workshop(tmp_path / "m.db", clock, mode=mode) as opened:
        yield opened


@pytest.fixture(params=BACKENDS)
async def metadata(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Metadata]:
    """Every backend's metadata ports in turn, with two orgs in them."""
    async with BACKENDS[request.param](tmp_path) as stores:
        yield await stores.with_orgs()
