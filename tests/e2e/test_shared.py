"""A whole installation on a file that is shared, as on a network file system; and back."""

import asyncio
from pathlib import Path

from tests.e2e.installation import Installation, all_gone, until
from tests.e2e.test_deleting import journal_files_with_text, remember, shown, told

SHARED = {"MEMTRACE_JOURNAL_MODE": "shared", "MEMTRACE_ARC_WRITE_FLUSH_INTERVAL_MS": "500"}


def logs(folder: Path) -> list[str]:
    return [f.name for f in folder.iterdir() if f.name.endswith(("-wal", "-shm"))]


def is_logged(folder: Path) -> bool:
    """Whether the database has a write-ahead log, by its header."""
    return (folder / "memtrace.db").read_bytes()[18:20] == b"\2\2"


async def test_all_that_an_installation_does_it_does_on_a_shared_file(installation: Installation) -> None:
    await installation.dev(**SHARED)
    async with installation.client() as client:
        await remember(client, 50, "s")
        assert await shown(client) == 50
        for session in "tuv":
            answers = await asyncio.gather(*(remember(client, 1, f"{session}{n}") for n in range(5)))
            assert len(answers) == 5
        await told(installation, "forget --org org_default --session s --yes")
        assert await shown(client) == 15
        backup = await installation.shell(f"memtrace backup {installation.folder}/copy.tar")
        assert backup.returncode == 0, backup.stderr

        async def is_delivered() -> bool:
            return bool(list(installation.data.rglob("*.parquet")))

        await until(is_delivered, what="delivered")
        assert await shown(client) == 15
    assert logs(installation.data) == []


async def test_a_deletion_leaves_no_text_in_a_shared_file(installation: Installation) -> None:
    await installation.dev(**SHARED)
    async with installation.client() as client:
        ids = await remember(client, 30, "s")
        for memory_id in ids[:5]:
            assert (await client.delete(f"/memories/{memory_id}")).status_code == 200
        assert (await client.delete("/sessions/s", params={"memories": "true"})).status_code == 200
        assert await shown(client) == 0
    assert journal_files_with_text(installation.data) == []


async def test_one_setting_leads_to_the_shared_file_and_back(installation: Installation) -> None:
    async def counted(count: int, **env: str) -> None:
        running = await installation.dev(**env)
        async with installation.client() as client:
            await remember(client, 10, f"s{count}")
            assert await shown(client) == count
        parts = installation.children(running.pid)
        await running.kill()
        await all_gone(parts)

    await counted(10)
    await counted(20, **SHARED)
    assert not is_logged(installation.data)
    await counted(30)  # as it was last
    assert not is_logged(installation.data)
    await counted(40, MEMTRACE_JOURNAL_MODE="wal")
    assert is_logged(installation.data)
