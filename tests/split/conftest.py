"""Whole installations; nothing of them outlives a test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.conftest import sdk_python
from tests.e2e.installation import all_gone
from tests.split.machine import Machine, QuickMachine

__all__ = ["sdk_python"]


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    """An empty folder for the product as it is."""
    made = Machine(tmp_path)
    try:
        yield made
    finally:
        await made.close()
        await asyncio.sleep(0)  # lets the loop see the ends of the processes


@pytest.fixture
async def quick(tmp_path: Path) -> AsyncIterator[QuickMachine]:
    """An empty folder for one in a hurry."""
    made = QuickMachine(tmp_path)
    try:
        yield made
        left = [pid for running in made.started for pid in made.children(running.pid)]
    finally:
        await made.close()
        await asyncio.sleep(0)
    await all_gone(left)
