"""A database that is shared, and another process's view of it."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.adapters.sqlite.shared import SharedDatabase
from core.adapters.sqlite.sharing import make_shared
from tests.contract.journals import make_file

PATIENCE = 0.2
"""Seconds: who waits in vain here does so for the whole of it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = make_file(tmp_path / "m.db")
    make_shared(made)
    return made


@pytest.fixture
def database(path: Path) -> Iterator[SharedDatabase]:
    with contextlib.closing(SharedDatabase(path, patience=PATIENCE)) as opened:
        yield opened


@pytest.fixture
def stranger(path: Path) -> Iterator[sqlite3.Connection]:
    """Locks in one process are shared by its connections, yet SQLite keeps them apart as if they were not."""
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=PERSIST")
        yield connection
