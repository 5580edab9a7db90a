"""Fixtures of the embedded store's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.events.rig import Rig, rigged


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with rigged(tmp_path) as opened:
        yield opened
