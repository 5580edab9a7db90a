"""An edge for each test."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.edge.function import Function
from tests.e2e.conftest import sdk_python
from tests.edge.rig import Deployed, deployed, function_of

__all__ = ["sdk_python"]


@pytest.fixture
def deployment(tmp_path: Path) -> Deployed:
    """For tests without a loop of their own."""
    return deployed(tmp_path)


@pytest.fixture
async def served(tmp_path: Path) -> Deployed:
    """For tests with one."""
    return await asyncio.to_thread(deployed, tmp_path)


@pytest.fixture
def function(deployment: Deployed) -> Iterator[Function]:
    with function_of(deployment.environ) as function:
        yield function
