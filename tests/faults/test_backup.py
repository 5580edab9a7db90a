"""Backups of an installation that is written to, flushed and merged all the while."""

import asyncio
import shutil
from pathlib import Path

from tests.e2e.installation import Installation
from tests.faults.faulty import QUICK, FaultyInstallation
from tests.faults.witness import Witness, everything, meanwhile, repeated


async def backed_up(running: Installation, witness: Witness, name: str) -> tuple[Path, Witness]:
    """A backup made now, and what had been acknowledged when it began."""
    before = Witness()
    before.acknowledged = dict(witness.acknowledged)
    archive = running.folder / name
    done = await running.run("backup", archive, env=running.env)
    assert done.returncode == 0, done.stderr
    return archive, before


async def restored(running: Installation, archive: Path, name: str) -> Installation:
    """Another machine with nothing but the backup and the master key."""
    fresh = Installation(running.folder / name)
    fresh.data.mkdir(parents=True)
    shutil.copy(running.data / "master.key", fresh.data)
    env = {
        "MEMTRACE_MASTER_KEY_FILE": str(fresh.data / "master.key"),
        "MEMTRACE_AUTH_DB_PATH": str(fresh.data / "memtrace.db"),
    }
    root = fresh.data / "store"
    done = await fresh.run("restore", archive, "--store-root", root, env=env)
    assert done.returncode == 0, done.stderr
    return fresh


async def test_all_that_was_acknowledged_before_a_backup_is_in_it_under_load(
    faulty: FaultyInstallation,
) -> None:
    await faulty.dev(**faulty.faults, **QUICK)
    witness = Witness()
    backups = []
    async with faulty.client() as client, meanwhile(witness.load(client, writers=4, pause=0.005)):
        for number in range(3):
            await witness.acknowledges(300)
            backups.append(await backed_up(faulty, witness, f"{number}.tar"))
    for archive, before in backups:
        fresh = await restored(faulty, archive, f"{archive.stem}-fresh")
        try:
            await fresh.dev(**QUICK)
            async with fresh.client() as client:
                rows = await everything(client)
                assert repeated(m["id"] for m in rows) == []
                ids = {m["content"]: m["id"] for m in rows}
                assert {c: i for c, i in before.acknowledged.items() if ids.get(c) != i} == {}
                await before.compare(client, also=len(witness.acknowledged))
        finally:
            await fresh.close()
    await asyncio.sleep(0)


async def test_a_server_goes_on_where_the_backup_ended(faulty: FaultyInstallation) -> None:
    running = await faulty.dev(**faulty.faults, **QUICK)
    witness = Witness()
    async with faulty.client() as client:
        await witness.write(client, 50)
    archive, before = await backed_up(faulty, witness, "b.tar")
    refused = await faulty.run("restore", archive, "--yes", env=faulty.env)
    assert refused.returncode == 1
    assert "is served" in refused.stderr
    async with faulty.client() as client:
        await witness.write(client, 50)
    await running.stop()
    done = await faulty.run("restore", archive, "--yes", env=faulty.env)
    assert done.returncode == 0, done.stderr
    await faulty.dev(**faulty.faults, **QUICK)
    async with faulty.client() as client:
        await before.compare(client, also=50)
        await witness.write(client, 10)


async def test_a_flusher_that_runs_alone_keeps_a_restore_out(faulty: FaultyInstallation) -> None:
    running = await faulty.dev(**faulty.faults, MEMTRACE_FLUSHER_EMBEDDED="false")
    archive, _ = await backed_up(faulty, Witness(), "b.tar")
    flusher = await faulty.spawn("flusher", env={**faulty.env, **faulty.faults})
    await flusher.says("flusher_started")
    await running.stop()
    refused = await faulty.run("restore", archive, "--yes", env=faulty.env)
    assert refused.returncode == 1
    assert "in use by another process" in refused.stderr
    await flusher.stop()
    done = await faulty.run("restore", archive, "--yes", env=faulty.env)
    assert done.returncode == 0, done.stderr
