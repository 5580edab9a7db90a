"""What a cold start loads, and what serving adds: an import that grows shows here before it is felt."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.installation import ROOT
from tests.edge.rig import Deployed

START: Final = """
import json, os, sys
before = set(sys.modules)
import handlers.lambda_api as edge
class Context:
    aws_request_id = "1"
    def get_remaining_time_in_millis(self): return 20_000
statuses = [edge.handler(event, Context()).get("statusCode") for event in json.loads(sys.argv[1])]
new = set(sys.modules) - before
tops = {name.partition(".")[0] for name in new} - set(sys.stdlib_module_names)
print(json.dumps({"statuses": statuses, "tops": sorted(tops), "modules": sorted(new)}), file=sys.stderr)
sys.stderr.flush()
os._exit(0)
"""
OURS: Final = {"core", "handlers"}
EDGE: Final = OURS | {
    "_cffi_backend",
    "_openssl",
    "anyio",
    "bcrypt",
    "certifi",
    "cryptography",
    "h11",
    "httpcore",
    "mangum",
    "msgspec",
    "starlette",
    "structlog",
    "tenacity",
    "typing_extensions",
    "zstandard",
}
NEVER: Final = set(
    """attr boto3 botocore duckdb greenlet httptools httpx httpx2 importlib_metadata mcp mcp_types
    opentelemetry prometheus_client pydantic pydantic_core pydantic_settings pygments python_multipart
    rich sse_starlette typer uvicorn uvloop yoyo""".split()
)
"""Not even in the end, when everything of the REST API was asked for once."""


def loaded(deployment: Deployed, *events: str, **environ: str) -> Any:
    """What a process has loaded that started as a sandbox does and met these events."""
    sent = json.dumps([deployment.event(name) for name in events])
    kept = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    env = {**kept, "PATH": "/usr/bin", "PYTHONPATH": str(ROOT / "src"), **deployment.environ, **environ}
    done = subprocess.run(
        [sys.executable, "-c", START, sent], env=env, capture_output=True, text=True, timeout=30, check=True
    )
    return json.loads(done.stderr.splitlines()[-1])


@pytest.fixture
def in_aws() -> dict[str, str]:
    return {
        "MEMTRACE_METADATA_BACKEND": "dynamodb",
        "MEMTRACE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/memtrace",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "example",
    }


def test_a_cold_start_on_sqlite_loads_just_these(deployment: Deployed) -> None:
    assert set(loaded(deployment, "warm-up")["tops"]) == EDGE


def test_a_cold_start_on_dynamodb_loads_just_these(deployment: Deployed, in_aws: dict[str, str]) -> None:
    found = loaded(deployment, "warm-up", **in_aws)
    assert set(found["tops"]) == EDGE
    assert "_sqlite3" not in found["modules"]


def test_serving_loads_nothing_of_servers_and_commands(deployment: Deployed) -> None:
    events = ("v1-post-memory", "v1-list", "v2-context", "v1-options", "v1-head", "warm-up", "sqs")
    found = loaded(deployment, *events)
    assert found["statuses"] == [201, 200, 200, 204, 200, None, None]
    assert NEVER & set(found["tops"]) == set()


def test_the_first_message_of_mcp_loads_what_speaks_it(deployment: Deployed) -> None:
    found = loaded(deployment, "v2-mcp")
    assert found["statuses"] == [200]
    assert {"mcp", "pydantic"} <= set(found["tops"])
    assert {"duckdb", "httptools", "uvloop", "typer", "prometheus_client"} & set(found["tops"]) == set()


def test_where_something_unwanted_is_installed_it_is_left_alone(deployment: Deployed, tmp_path: Path) -> None:
    """Loading any of these would end the process."""
    for name in NEVER:
        (tmp_path / f"{name}.py").write_text("import os\nos._exit(9)\n")
    path = f"{ROOT / 'src'}:{tmp_path}"
    assert loaded(deployment, "v1-post-memory", PYTHONPATH=path)["statuses"] == [201]
