"""The split on one machine, as `memtrace dev --aws` runs it, and a look at its processes."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Final

import httpx

from local.arc.settings import ADMIN_TOKEN
from tests.e2e.installation import ROOT, Installation, Running, until, words_of

QUICK: Final = {
    "MEMTRACE_ARC_WRITE_FLUSH_INTERVAL_MS": "100",
    "MEMTRACE_DYNAMODB_TIMEOUT": "3",
    "MEMTRACE_FLUSHER_LEASE_SECONDS": "5",
}
STAND_INS: Final = ("local.cloud", "local.sqs", "local.arc")
EDGE: Final = "awslambdaric"
FLUSHER: Final = "flusher"
_QUICK: Final = ROOT / "tests" / "split" / "quick.py"


class Machine(Installation):
    """The product as it is."""

    async def dev(self, **env: str) -> Running:
        """Serving, on a free port."""
        running = await self.spawn("dev", "--aws", "--port", "0", "--data", self.data, env=env)
        await running.says("Ctrl-C stops it")
        return running

    def pids(self, part: str) -> list[int]:
        """The processes of the newest start that are this part."""
        pids = self.children(self.started[-1].pid) if self.started else []
        return [pid for pid in pids if part in words_of(pid)]

    def everyone(self) -> list[int]:
        """All that the newest start started."""
        return self.children(self.started[-1].pid)

    @property
    def arc(self) -> str:
        """The URL of what stands in for Arc."""
        ports = json.loads((self.data / "aws" / "ports.json").read_text())
        return f"http://127.0.0.1:{ports['arc']}"

    async def told(self, line: str) -> Any:
        """What a command answers."""
        done = await self.shell(f"memtrace {line} --json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    async def owes_nothing(self, seconds: float) -> dict[str, Any]:
        """Waits until the stores alone hold everything; what `status` says of `org_default` then."""
        seen: dict[str, Any] = {}

        async def settled() -> bool:
            status = await self.told("status")
            seen.update({org["org_id"]: org for org in status["orgs"]})
            return all(org["owed"] == org["delivered"] == 0 for org in seen.values())

        try:
            await until(settled, what="everything settled", seconds=seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen}\n{self.started[-1].printed[-4000:]}") from None
        found: dict[str, Any] = seen["org_default"]
        return found

    async def stored(self, org_id: str = "org_default") -> tuple[int, int]:
        """(rows, memories) of the org that the Arc shows."""
        sql = f"SELECT count(*), count(DISTINCT (time, dedup_key)) FROM events WHERE org_id = '{org_id}'"
        headers = {"authorization": f"Bearer {ADMIN_TOKEN}", "x-arc-database": "memory"}
        async with httpx.AsyncClient(base_url=self.arc, headers=headers, timeout=20) as http:
            answer = await http.post("/api/v1/query", json={"sql": sql})
            rows, memories = answer.json()["data"][0]
            return int(rows), int(memories)


class QuickMachine(Machine):
    """The same in a hurry."""

    def line(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, str(_QUICK), *map(str, arguments)]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
