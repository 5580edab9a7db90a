"""An edge for each test."""

import asyncio
import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from core import logs
from handlers.edge.function import Function
from local.arc.settings import ADMIN_TOKEN
from tests.e2e.conftest import sdk_python
from tests.e2e.installation import environment
from tests.edge.rig import Deployed, deployed, function_of

__all__ = ["sdk_python"]


@pytest.fixture(scope="session")
def arc_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Arc in which nothing is stored: no flusher runs in these tests."""
    line = [sys.executable, "-m", "local.arc", "--data", str(tmp_path_factory.mktemp("arc"))]
    with subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """What is logged, as JSON lines; afterwards logging is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("info", "json", "command", stream)  # any other process keeps its stream for good
    yield stream
    logs.attach()
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def deployment(tmp_path: Path, arc_url: str) -> Deployed:
    """For tests without a loop of their own."""
    return deployed(tmp_path, arc_url, ADMIN_TOKEN)


@pytest.fixture
async def served(tmp_path: Path, arc_url: str) -> Deployed:
    """For tests with one."""
    return await asyncio.to_thread(deployed, tmp_path, arc_url, ADMIN_TOKEN)


@pytest.fixture
def function(deployment: Deployed) -> Iterator[Function]:
    with function_of(deployment.environ) as function:
        yield function
