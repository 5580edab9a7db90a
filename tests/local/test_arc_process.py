"""A double as a process of its own: `python -m local.arc`, its own doors, and how it ends."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from local.arc.settings import ADMIN_TOKEN
from tests.local.arcs import T0, Arc, reached

SRC = Path(__file__).parents[2] / "src"


@contextlib.asynccontextmanager
async def running(
    data: Path, *options: str, port: str = "0"
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Arc]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.arc", "--data", str(data), "--port", port, *options),
        env=os.environ | {"PYTHONPATH": str(SRC)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
    try:
        async with reached(url, ADMIN_TOKEN) as arc:
            yield process, arc
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def write(arc: Arc, number: int) -> None:
    body = {"m": "events", "columns": {"time": [T0 + number], "a": [number]}}
    assert (await arc.send(body)).status_code == 204


async def numbers(arc: Arc) -> list[int]:
    return [row[0] for row in await arc.rows("SELECT a FROM events ORDER BY a")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_and_loses_nothing(tmp_path: Path, number: signal.Signals) -> None:
    async with running(tmp_path, "--buffer-age", "60") as (process, arc):
        await write(arc, 1)
        assert (await arc.ask("SELECT a FROM events")).json()["columns"] == []
        process.send_signal(number)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        database = arc.database
    async with running(tmp_path) as (_, arc):
        arc.database = database
        assert await numbers(arc) == [1]


async def test_killed_it_replays_its_log(tmp_path: Path) -> None:
    async with running(tmp_path, "--wal", "--buffer-age", "60") as (process, arc):
        await write(arc, 1)
        await arc.flush()
        await write(arc, 2)
        process.kill()
        await process.wait()
        database = arc.database
    async with running(tmp_path, "--wal", "--buffer-age", "0") as (_, arc):
        arc.database = database
        assert await numbers(arc) == [1, 1, 2]


async def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path) -> None:
    async with running(tmp_path / "one") as (_, arc):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "local.arc", "--data", str(tmp_path / "two")),
            *("--port", str(arc.http.base_url.port)),
            env=os.environ | {"PYTHONPATH": str(SRC)},
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        assert process.returncode == 1
        assert said.decode().startswith("cannot serve ")


async def test_faults_are_asked_for_at_its_own_doors(tmp_path: Path) -> None:
    async with running(tmp_path, "--buffer-age", "60") as (_, arc):
        fault = {"kind": "status", "status": 503, "retry_after": 3, "flushes": 1, "rewrites": 2}
        asked = (await arc.http.post("/_double/faults", json=fault)).json()
        assert (len(asked["faults"]), asked["flushes"], asked["rewrites"]) == (1, 1, 2)
        assert (await arc.ask("SELECT 1")).headers["retry-after"] == "3"
        await write(arc, 1)
        flushed = await arc.http.post("/api/v1/write/line-protocol/flush")
        assert flushed.json()["error"] == "Flush failed: failed to write to storage: made to fail"
        assert (await arc.http.delete("/_double/faults")).json() == {
            "faults": [],
            "flushes": 0,
            "rewrites": 0,
        }
        assert (await arc.http.get("/_double/faults")).json()["faults"] == []


async def test_it_tells_what_goes_on_inside(tmp_path: Path) -> None:
    async with running(tmp_path, "--buffer-age", "60") as (_, arc):
        await write(arc, 1)
        state = (await arc.http.get("/_double/state")).json()
        assert (state["active_buffers"], state["buffered"], state["written"]) == (1, 1, 0)
        await arc.http.post("/_double/flush")
        assert (await arc.http.get("/_double/state")).json()["written"] == 1


async def test_it_crashes_on_demand_and_comes_back(tmp_path: Path) -> None:
    async with running(tmp_path, "--buffer-age", "60") as (_, arc):
        await write(arc, 1)
        await arc.http.post("/_double/crash", json={"down_for": 0.1})
        while await is_there(arc):
            pass
        while not await is_there(arc):
            pass
        assert (await arc.http.get("/_double/state")).json()["buffered"] == 0


async def is_there(arc: Arc) -> bool:
    try:
        return (await arc.http.get("/health")).status_code == 200
    except httpx.TransportError:
        return False


async def test_it_compacts_on_demand(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, arc):
        for number in (1, 2):
            await write(arc, number)
            await arc.flush()
        body = {"database": arc.database, "measurement": "events"}
        assert (await arc.http.post("/_double/compact", json=body)).json() == {"files": 2}
        assert await numbers(arc) == [1, 2]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", b"{"),
        ("faults", b'{"kind": "nothing"}'),
        ("compact", b"{}"),
        ("crash", b'{"unsynced": "x"}'),
    ],
)
async def test_its_doors_say_what_they_cannot_read(tmp_path: Path, path: str, body: bytes) -> None:
    async with running(tmp_path) as (_, arc):
        answer = await arc.http.post(f"/_double/{path}", content=body)
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("cannot read this: ")


async def test_its_doors_are_for_admins(tmp_path: Path) -> None:
    async with running(tmp_path) as (_, arc):
        answer = await arc.http.get("/_double/state", headers={"authorization": "Bearer x"})
        assert answer.status_code == 401
