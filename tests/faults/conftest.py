"""Installations that faults are injected into, and plain ones; nothing of them outlives a test."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.installation import Installation
from tests.faults.faulty import FaultyInstallation


@pytest.fixture
async def faulty(tmp_path: Path) -> AsyncIterator[FaultyInstallation]:
    """An empty folder whose processes can be struck."""
    installed = FaultyInstallation(tmp_path)
    try:
        yield installed
    finally:
        await installed.close()
        await asyncio.sleep(0)  # lets the loop see the ends of the processes


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """An empty folder for the product as it is."""
    installed = Installation(tmp_path)
    try:
        yield installed
    finally:
        await installed.close()
        await asyncio.sleep(0)
