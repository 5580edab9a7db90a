"""The released client, unchanged, in a Python of its own, through all its methods; and ours in its place."""

import json
from pathlib import Path

import pytest

from tests.e2e.installation import ROOT, Installation, environment, finished

OURS = str(ROOT / "sdks" / "python" / "src")


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
    released = json.loads(done.stdout)
    assert released["called"] == released["public"]
    done = await finished([sdk_python, script, kind, "again"], env={**env, "PYTHONPATH": OURS})
    assert done.returncode == 0, done.stderr
    ours = json.loads(done.stdout)
    assert ours["called"] == released["called"]
    assert ours["version"] > released["version"]
