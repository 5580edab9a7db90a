"""Exports and imports beside a server that is written to, flushed and merged all the while."""

import json
from pathlib import Path

from tests.e2e.installation import Installation, until
from tests.faults.faulty import QUICK, FaultyInstallation, Journal
from tests.faults.witness import Witness, everything, meanwhile, repeated


async def exported(running: Installation, *options: str) -> str:
    done = await running.run("export", "--org", "org_default", *options, env=running.env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ids(text: str) -> dict[str, str]:
    found = [json.loads(line) for line in text.splitlines()]
    assert repeated(one["id"] for one in found) == []
    assert [one["time"] for one in found] == sorted(one["time"] for one in found)
    return {one["content"]: one["id"] for one in found}


async def test_an_export_has_all_that_was_acknowledged_before_it_under_load(
    faulty: FaultyInstallation,
) -> None:
    await faulty.dev(**faulty.faults, **QUICK)
    witness = Witness()
    async with faulty.client() as client, meanwhile(witness.load(client, writers=4, pause=0.005)):
        for _ in range(4):
            await witness.acknowledges(300)
            before = dict(witness.acknowledged)
            found = ids(await exported(faulty))
            assert {c: i for c, i in before.items() if found.get(c) != i} == {}


async def test_an_export_is_the_same_with_the_server_up_and_down(faulty: FaultyInstallation) -> None:
    running = await faulty.dev(**faulty.faults, **QUICK)
    witness = Witness()
    async with faulty.client() as client:
        await witness.write(client, 200)
    waiting = await exported(faulty)
    await Journal(faulty).all_delivered()
    delivered = await exported(faulty)
    await running.stop()
    assert waiting == delivered == await exported(faulty)
    assert ids(waiting) == witness.acknowledged


async def test_an_import_beside_a_busy_server_is_read_within_seconds(
    faulty: FaultyInstallation, tmp_path: Path
) -> None:
    await faulty.dev(**faulty.faults, **QUICK)
    witness, imported = Witness(), tmp_path / "x.jsonl"
    theirs = [
        {"agent_id": "agent_0", "content": f"imported {n}", "time": f"2026-01-01T00:00:{n:02d}Z"}
        for n in range(60)
    ]
    imported.write_text("".join(json.dumps(one) + "\n" for one in theirs))
    async with faulty.client() as client, meanwhile(witness.load(client, writers=4, pause=0.005)):
        await witness.acknowledges(200)
        line = ("import", imported, "--org", "org_default", "--json")
        done = await faulty.run(*line, env=faulty.env)
        assert json.loads(done.stdout)["new"] == 60, done.stderr

        async def seen() -> bool:
            rows = await everything(client, until="2026-01-02T00:00:00Z")
            return len(rows) == 60

        await until(seen, what="the imported memories in a list")
        assert json.loads((await faulty.run(*line, env=faulty.env)).stdout)["there"] == 60
        rows = await everything(client)
        assert repeated(m["id"] for m in rows) == []
