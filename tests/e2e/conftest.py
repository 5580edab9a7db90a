"""Real processes for the end-to-end tests."""

import asyncio
import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.installation import ROOT, Installation


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """An empty folder for an installation; everything started in it is killed in the end."""
    installed = Installation(tmp_path)
    try:
        yield installed
    finally:
        await installed.close()
        await asyncio.sleep(0)  # lets the loop see the ends of the processes


@pytest.fixture(scope="session")
def sdk_python() -> Path:
    """A Python in which the released SDK is installed, by hash; built once and kept."""
    requirements = Path(__file__).with_name("sdk-requirements.txt")
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    home = ROOT / ".sdk-venv"
    python, mark = home / "bin" / "python", home / "built-from"
    if not (mark.exists() and mark.read_text() == wanted):
        shutil.rmtree(home, ignore_errors=True)
        venv.create(home, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
        subprocess.run([*pip, "-r", str(requirements)], check=True, timeout=300)
        mark.write_text(wanted)
    return python
