"""An Arc as a process that is killed and started again: its double, on one folder and one port."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import httpx

from local.arc.settings import ADMIN_TOKEN
from tests.e2e.installation import environment
from tests.faults.faulty import FaultyInstallation
from tests.faults.tenants import Tenant, keyed, told


class ArcProcess:
    """Started with `start`, as often as it was killed."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._line = [sys.executable, "-m", "local.arc", "--data", str(folder), *options]
        self._port = "0"
        self._process: Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Returns when it answers."""
        line = [*self._line, "--port", self._port]
        self._process = await asyncio.create_subprocess_exec(*line, env=environment(), stdout=PIPE)
        assert self._process.stdout is not None
        said = await asyncio.wait_for(self._process.stdout.readline(), 30)
        self.url = said.decode().strip()
        self._port = self.url.rpartition(":")[2]

    async def kill(self) -> None:
        """As a power cut for the process; what it held in memory is gone."""
        if self._process is not None:
            self._process.kill()
            await self._process.wait()
            self._process = None

    async def stored(self, org_id: str) -> tuple[int, int]:
        """(rows, memories) of the org that it shows."""
        sql = f"SELECT count(*), count(DISTINCT (time, dedup_key)) FROM events WHERE org_id = '{org_id}'"
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}", "x-arc-database": "memory"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20) as http:
            answer = await http.post("/api/v1/query", json={"sql": sql})
            rows, memories = answer.json()["data"][0]
            return int(rows), int(memories)


async def bound_to(installation: FaultyInstallation, arc: ArcProcess) -> Tenant:
    """A new org whose memories go to this Arc."""
    org_id = (await told(installation, "org", "create", "Arcs"))["id"]
    bind = ("org", "add-arc", org_id, "--url", arc.url, "--api-key", ADMIN_TOKEN, "--database", "memory")
    await told(installation, *bind)
    return await keyed(installation, org_id)
