"""The released client, unchanged, in a Python of its own, through all its methods."""

import json
from pathlib import Path

import pytest

from tests.e2e.installation import Installation, environment, finished


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_the_released_client_runs_unchanged(
    installation: Installation, sdk_python: Path, kind: str
) -> None:
    await installation.dev()
    script = Path(__file__).with_name("sdk_script.py")
    env = environment(**installation.env)
    del env["PYTHONPATH"]
    done = await finished([sdk_python, script, kind], env=env)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["called"] == told["public"]
