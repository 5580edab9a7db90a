"""Killed at a named point, every one of them in turn: nothing acknowledged is lost, nothing doubled."""

import asyncio
import signal

import httpx
import pytest

from tests.faults.faulty import QUICK, FaultyInstallation, Journal
from tests.faults.witness import Witness, draft, everything, meanwhile, repeated

_BATCH = {"memories": [draft(f"unanswered {n}") for n in range(1_000)]}
_TOKEN = {"idempotency-key": "once"}


async def unanswered(faulty: FaultyInstallation, witness: Witness, point: str) -> None:
    """A batch whose server dies at this point, and the server started again."""
    running = await faulty.dev(**faulty.faults)
    async with faulty.client() as client:
        await witness.write(client, 10)
        faulty.strike(point)
        with pytest.raises(httpx.TransportError):
            await client.post("/memories", json=_BATCH, headers=_TOKEN)
    assert await running.ends() == -signal.SIGKILL
    await faulty.dev(**faulty.faults)


async def test_killed_after_the_commit_the_server_has_the_batch_and_knows_it_again(
    faulty: FaultyInstallation,
) -> None:
    witness = Witness()
    await unanswered(faulty, witness, "commit.after")
    async with faulty.client() as client:
        await witness.compare(client, also=1_000)
        ids = {m["content"]: m["id"] for m in await everything(client)}
        again = await client.post("/memories", json=_BATCH, headers=_TOKEN)
        assert again.status_code == 201
        assert {m["content"]: m["id"] for m in again.json()["memories"]} == {
            d["content"]: ids[d["content"]] for d in _BATCH["memories"]
        }
        equal = await client.post("/memories", json=_BATCH["memories"][0])
        assert (equal.status_code, equal.json()["id"]) == (409, ids["unanswered 0"])
        witness.note(again.json()["memories"])
        await witness.compare(client)


async def test_killed_before_the_commit_the_server_has_nothing_of_the_batch(
    faulty: FaultyInstallation,
) -> None:
    witness = Witness()
    await unanswered(faulty, witness, "commit.before")
    async with faulty.client() as client:
        await witness.compare(client)
        again = await client.post("/memories", json=_BATCH, headers=_TOKEN)
        assert (again.status_code, again.json()["count"]) == (201, 1_000)
        witness.note(again.json()["memories"])
        await witness.compare(client)


async def test_a_delivery_killed_at_any_step_is_done_again_once(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults, **QUICK)
    journal, witness = Journal(faulty), Witness()
    async with faulty.client() as client:
        for point in ("staged", "renamed", "delivered.before", "chunk.committed", "delivered.after"):
            victim = await journal.flushing()
            faulty.strike(point)
            await witness.write(client, 600)
            await faulty.struck()
            await witness.compare(client)
            await journal.flushing(but=victim)
            await journal.all_delivered()
            await witness.compare(client)
        await journal.settled()
        await witness.compare(client)


async def test_settling_killed_at_any_step_goes_on(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults, **QUICK)
    journal, witness = Journal(faulty), Witness()
    async with faulty.client() as client:
        await witness.write(client, 1_000)
        await witness.write(client, 1_000)
        await journal.all_delivered()
        for point in ("settled.before", "settling.uncommitted", "chunk.committed", "settled.after"):
            victim = await journal.flushing()
            faulty.strike(point)
            await witness.write(client, 10)
            await faulty.struck()
            await witness.compare(client)
            await journal.flushing(but=victim)
        await journal.settled()
        await witness.compare(client)


_MERGE_POINTS = ("merge.written", "merge.listed", "merge.published", "merge.unlinking", "merge.unlinked")


async def test_a_merge_killed_at_any_step_disturbs_no_reader(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults, **QUICK)
    journal, witness = Journal(faulty), Witness()
    async with faulty.client() as client:
        async with meanwhile(_read_on(client, witness)):
            faulty.strike(_MERGE_POINTS[0])
            while not faulty.has_struck:  # a merge takes three files of one hour
                await witness.write(client, 5)
                await journal.all_delivered(unless=lambda: faulty.has_struck)
            for following in (*_MERGE_POINTS[1:], None):
                await faulty.struck()
                if following is not None:
                    faulty.strike(following)
                await witness.compare(client)
            await journal.settled()
            await witness.compare(client)
    assert len(list((faulty.data / "store").rglob("*_merged_*.parquet"))) > 0


async def _read_on(client: httpx.AsyncClient, witness: Witness) -> None:
    """Whatever happens meanwhile: no read misses or repeats anything."""
    while True:
        known = set(witness.acknowledged.values())
        found = [m["id"] for m in await everything(client)]
        assert known - set(found) == set()
        assert repeated(found) == []
        await asyncio.sleep(0.05)
