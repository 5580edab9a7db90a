"""What every test of the Python SDK gets: no MEMTRACE_* variable of the shell, no thread left behind."""

import os
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("MEMTRACE_"):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    yield
    left = [t.name for t in threading.enumerate() if t.name.startswith("memtrace")]
    assert not left, f"threads left behind: {left}"
