"""What every test gets: a clean environment, a clock it moves itself, and a check for leftovers."""

import os
import threading
from collections.abc import Iterator
from typing import Final

import pytest

from tests.clock import ManualClock


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No MEMTRACE_* variable of the developer's shell reaches a test."""
    for name in list(os.environ):
        if name.startswith("MEMTRACE_") and not name.startswith("MEMTRACE_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    """A test that leaves a thread of ours running has not closed something."""
    before = set(threading.enumerate())
    yield
    left = [
        t for t in threading.enumerate() if t not in before and t.is_alive() and t.name.startswith("memtrace")
    ]
    assert not left, f"threads left behind: {[t.name for t in left]}"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


_LONGEST: Final = ("console", "split", "faults", "packaging", "contract", "dynamodb")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The folders that take longest begin, so that none of them runs on alone in the end."""
    places = {folder: place for place, folder in enumerate(_LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.split("/")[1], len(places)))
