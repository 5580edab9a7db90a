"""Deleting on a real installation: by callers and commands, seen by all, found in no file of the journal."""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.installation import Installation, until

TEXT = "unforgettable"


async def remember(client: httpx.AsyncClient, count: int, session: str) -> list[str]:
    """The ids of so many memories that hold the text."""
    memories = [
        {"agent_id": "a", "session_id": session, "content": f"{TEXT} {session} {n}"} for n in range(count)
    ]
    answer = await client.post("/memories", json={"memories": memories})
    assert answer.status_code == 201, answer.text
    return [memory["id"] for memory in answer.json()["memories"]]


async def shown(client: httpx.AsyncClient) -> int:
    answer = await client.post("/search", json={"content_contains": TEXT, "limit": 1000})
    return int(answer.json()["count"])


def journal_files_with_text(folder: Path) -> list[str]:
    return [f.name for f in folder.glob("memtrace.db*") if TEXT.encode() in f.read_bytes()]


async def told(installation: Installation, line: str) -> Any:
    done = await installation.shell(f"memtrace {line} --json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_what_a_command_forgets_is_gone_for_the_running_server_at_once(
    installation: Installation,
) -> None:
    await installation.dev()
    async with installation.client() as client:
        await remember(client, 50, "s")
        await remember(client, 7, "t")
        receipt = await told(installation, "forget --org org_default --session s --yes")
        assert await shown(client) == 7
        seen = await client.get(f"/deletions/{receipt['deletion_id']}")
        assert seen.json()["session_id"] == "s"
        await remember(client, 3, "s")  # equal ones again
        assert await shown(client) == 10
        assert (await client.get("/sessions/s/memories")).json()["count"] == 3


async def test_a_deletion_that_was_answered_survives_a_killed_server_and_leaves_no_text(
    installation: Installation,
) -> None:
    running = await installation.dev()
    async with installation.client() as client:
        ids = await remember(client, 40, "s")
        for memory_id in ids[:20]:
            assert (await client.delete(f"/memories/{memory_id}")).status_code == 200
        assert (await client.delete("/sessions/s", params={"memories": "true"})).status_code == 200
    await running.kill()
    await installation.dev()
    async with installation.client() as client:
        assert await shown(client) == 0
        assert (await client.get(f"/memories/{ids[0]}")).status_code == 404
        assert (await client.get("/agents/a/stats")).json()["memory_count"] == 0
        assert (await client.get("/deletions")).json()["count"] == 21

        async def clean() -> bool:
            return not journal_files_with_text(installation.data)

        await until(clean, what="the journal's files without the text")
