"""What the tests of packages share; which of them this machine can run at all is said aloud."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.installation import Running
from tests.packaging.image import Image
from tests.packaging.lambdas import Sealed

_PYTHON: Final = Path("/usr/bin/python3").resolve().name.removeprefix("python3.")
_DEBIAN: Final = shutil.which("dpkg-deb") is not None and _PYTHON.isdigit() and int(_PYTHON) >= 11
_SYSTEMD: Final = shutil.which("systemd-analyze") is not None
collect_ignore = [
    *([] if _DEBIAN else ["test_deb.py"]),
    *([] if _SYSTEMD else ["test_systemd.py"]),
]


def pytest_collection_modifyitems(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    for file in collect_ignore:
        reporter.write_line(f"tests/packaging/{file} needs what this machine lacks; not collected")


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user may walk through, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="memtrace-packaging-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What the Dockerfile makes, in a folder instead of a container; built once for all workers."""
    made = Image(_shared(tmp_path_factory) / "image")
    _once(made.folder, made.build)
    return made


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    """What runs in Lambda, for this machine; built once for all workers."""
    made = Sealed(_shared(tmp_path_factory) / "lambda")
    _once(made.folder, made.build)
    return made


@pytest.fixture
async def started() -> AsyncIterator[list[Running]]:
    """Processes put in here are killed in the end."""
    running: list[Running] = []
    yield running
    for one in running:
        await one.kill()


def _shared(factory: pytest.TempPathFactory) -> Path:
    """The run's folder, for all of its workers."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def _once(folder: Path, build: Callable[[], None]) -> None:
    """Whoever comes first builds; the others wait for it."""
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            build()
