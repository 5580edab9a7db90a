"""Starting what was packaged, and the first write and read that prove that it works."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import httpx

from tests.e2e.installation import PATIENCE, Running, finished

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BUILDING: Final = 300.0
_OURS: Final = ("COVERAGE", "MEMTRACE_", "PYTHON")


def bare_environment(**more: str) -> dict[str, str]:
    """Nothing of the tests' own Python, so that what is packaged stands on its own feet."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, "PATH": f"{os.environ.get('PATH', '')}:{PATH}", **more}


def built(line: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path | None = None) -> str:
    """A step of building, done; what it printed. Fails with what it said."""
    done = subprocess.run(
        line, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BUILDING,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def base_python() -> Path:
    """The Python that the environment of the tests was made with."""
    return Path(getattr(sys, "_base_executable", sys.executable)).resolve()


async def spawned(
    line: Sequence[str | Path], *, env: Mapping[str, str], output: Path, started: list[Running]
) -> Running:
    """A process whose both outputs go to one file."""
    with output.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *map(str, line), env=dict(env), stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
    running = Running(process, output)
    started.append(running)
    return running


async def told(line: Sequence[str | Path], *, env: Mapping[str, str]) -> Any:
    """What a command of ours answers in JSON."""
    done = await finished([*line, "--json"], env=dict(env))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def bound_org(memtrace: Sequence[str | Path], store: Path, *, env: Mapping[str, str]) -> str:
    """An organization with a store, made before the first start; a key for it."""
    org = (await told([*memtrace, "org", "create", "Acme"], env=env))["id"]
    await told([*memtrace, "org", "add-arc", org, "--url", f"file:{store}"], env=env)
    made = await told([*memtrace, "key", "create", "--org", org, "--name", "first"], env=env)
    return str(made["key"])


async def serving(running: Running) -> str:
    """The URL that a server's log names, in JSON."""
    started = await running.says(r'"url":"(http://[^"]+)"[^\n]*"event":"server_started"|'
                                 r'"event":"server_started"[^\n]*"url":"(http://[^"]+)"')  # fmt: skip
    return started[1] or started[2]


async def first_memory(url: str, key: str) -> None:
    """Writes one and reads it; and the service can describe itself, which takes files that are no code."""
    async with httpx.AsyncClient(
        base_url=url, headers={"x-api-key": key}, timeout=PATIENCE, trust_env=False
    ) as client:
        written = await client.post("/api/v1/memories", json={"agent_id": "a", "content": "packed well"})
        assert written.status_code == 201, written.text
        read = (await client.get("/api/v1/memories")).json()
        described = [(await client.get(path)).status_code for path in ("/openapi.json", "/docs")]
    assert described == [200, 200]
    assert [memory["content"] for memory in read["memories"]] == ["packed well"]


def keys_in(text: str) -> list[str]:
    """API keys that stand in a text."""
    return re.findall(r"mtk_[\w=-]{20,}", text)
