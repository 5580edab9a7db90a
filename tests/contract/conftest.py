"""Fixtures of the contract suites."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.metadata import BACKENDS, Metadata


@pytest.fixture(params=BACKENDS)
async def metadata(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Metadata]:
    """Every backend's metadata ports in turn, with two orgs in them."""
    with BACKENDS[request.param](tmp_path) as stores:
        yield await stores.with_orgs()
