"""Fixtures of the contract suites."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.clock import ManualClock
from tests.contract.journals import MODES, File, Installation, Mode, Workshop, workshop
from tests.contract.metadata import BACKENDS, Metadata
from tests.dynamodb.shops import make_tables


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    """Every way in which the journal can be kept."""
    kept: Mode = request.param
    return kept


@pytest.fixture(params=(*MODES, "dynamodb"))
async def installation(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Installation:
    """A journal's place of every kind, empty."""
    if request.param == "dynamodb":
        return await make_tables(clock)
    return File(tmp_path / "m.db", clock, request.param)


@pytest.fixture
def file_shop(tmp_path: Path, clock: ManualClock, mode: Mode) -> Iterator[Workshop]:
    """A journal in a file, kept in each of these ways, in an empty installation with two orgs."""
    with workshop(tmp_path / "m.db", clock, mode=mode) as opened:
        yield opened


@pytest.fixture
def shop(file_shop: Workshop) -> Workshop:
    """As `file_shop`; suites that hold for journals of every kind open an `installation` instead."""
    return file_shop


@pytest.fixture(params=BACKENDS)
async def metadata(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Metadata]:
    """Every backend's metadata ports in turn, with two orgs in them."""
    async with BACKENDS[request.param](tmp_path) as stores:
        yield await stores.with_orgs()
