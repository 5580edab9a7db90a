"""The released client, unchanged, through the gateway and the function, in the real runtime of Lambda."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.adapters.aws.light import LightAws
from core.adapters.clock import SystemClock
from core.adapters.dynamodb.table import create
from local.arc.double import ArcDouble
from local.arc.settings import ArcSettings
from local.gateway.request import Stage
from tests.aws.moto_server import served_moto
from tests.e2e.installation import environment, finished
from tests.edge.rig import code_of, deployed, on_sqlite, published, running

SCRIPT = Path(__file__).parents[1] / "e2e" / "sdk_script.py"
TABLE = "memtrace-sdk"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A DynamoDB that this process and a sandbox find by their environment."""
    with served_moto() as reach:
        for name, value in reach.items():
            monkeypatch.setenv(name, value)
        yield reach


async def test_the_released_client_runs_unchanged_on_sqlite(tmp_path: Path, sdk_python: Path) -> None:
    await run("sync", Stage(version=1), tmp_path, sdk_python, on_sqlite(tmp_path))


async def test_the_released_client_runs_unchanged_on_dynamodb(
    tmp_path: Path, sdk_python: Path, aws: dict[str, str]
) -> None:
    api = LightAws(environ=aws, clock=SystemClock())
    await create(api, TABLE, timeout=30)
    await api.close()
    metadata = {**aws, "MEMTRACE_METADATA_BACKEND": "dynamodb", "MEMTRACE_DYNAMODB_TABLE": TABLE}
    await run("async", Stage(version=2), tmp_path, sdk_python, metadata)


async def run(kind: str, stage: Stage, folder: Path, python: Path, metadata: dict[str, str]) -> None:
    """All methods of the client, against one sandbox."""
    async with ArcDouble(ArcSettings(folder / "arc")) as arc:
        deployment = await asyncio.to_thread(deployed, folder, arc.url, arc.token(), metadata)
        async with running(code_of(deployment)) as function, published(function, stage) as url:
            env = environment(MEMTRACE_URL=url, MEMTRACE_API_KEY=deployment.key)
            del env["PYTHONPATH"]
            done = await finished([python, SCRIPT, kind], env=env)
            assert done.returncode == 0, f"{done.stderr}\n{(folder / 'lambda.log').read_text()[-3_000:]}"
            told = json.loads(done.stdout)
            assert told["called"] == told["public"]
            assert function.cold_starts == 1
