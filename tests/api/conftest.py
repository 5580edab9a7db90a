"""Fixtures of the API's tests."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.adapters.sqlite.migrate import migrate
from tests.api.rig import Api, opened


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database with all its tables, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "memtrace.db"
    migrate(path)
    return path


@pytest.fixture
async def api(migrated: Path, tmp_path: Path) -> AsyncIterator[Api]:
    database = tmp_path / "memtrace.db"
    shutil.copyfile(migrated, database)
    async with opened(database, tmp_path / "store") as api:
        yield api
