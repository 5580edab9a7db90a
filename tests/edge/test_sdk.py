"""The released client, unchanged, through the gateway and the function, in the real runtime of Lambda."""

import asyncio
import json
from pathlib import Path

import pytest

from local.arc.double import ArcDouble
from local.arc.settings import ArcSettings
from local.gateway.request import Stage
from tests.e2e.installation import environment, finished
from tests.edge.rig import code_of, deployed, published, running

SCRIPT = Path(__file__).parents[1] / "e2e" / "sdk_script.py"


@pytest.mark.parametrize(("kind", "version"), [("sync", 1), ("async", 2)])
async def test_the_released_client_runs_unchanged(
    tmp_path: Path, sdk_python: Path, kind: str, version: int
) -> None:
    stage = Stage(version=1 if version == 1 else 2)
    async with ArcDouble(ArcSettings(tmp_path / "arc")) as arc:
        deployment = await asyncio.to_thread(deployed, tmp_path, arc.url, arc.token())
        async with running(code_of(deployment)) as function, published(function, stage) as url:
            env = environment(MEMTRACE_URL=url, MEMTRACE_API_KEY=deployment.key)
            del env["PYTHONPATH"]
            done = await finished([sdk_python, SCRIPT, kind], env=env)
            assert done.returncode == 0, done.stderr
            told = json.loads(done.stdout)
            assert told["called"] == told["public"]
            assert function.cold_starts == 1
