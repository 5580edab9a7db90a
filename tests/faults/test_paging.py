"""Paging while others write: what was there at the start comes once, in order, whoever else comes."""

import asyncio
from typing import Any

import httpx

from tests.faults.faulty import QUICK, FaultyInstallation, Journal
from tests.faults.witness import Witness, everything, meanwhile, repeated

_ROWS = 3_000


async def test_a_walk_sees_what_was_there_once_while_others_write(faulty: FaultyInstallation) -> None:
    """While what was there moves from the tail to the store, and its files are merged."""
    await faulty.dev(**faulty.faults, **QUICK)
    journal, witness = Journal(faulty), Witness()
    async with faulty.client() as client:
        for _ in range(_ROWS // 500):
            await witness.write(client, 500)
        there = list(witness.acknowledged.values())
        last = int(there[-1][len("mem_") :][:14], 16)
        async with meanwhile(witness.load(client, 2, pause=0.005)):
            while journal.count(f"time <= {last}"):
                await _walk_all_ways(client, there)
            await _walk_all_ways(client, there)
        assert len(witness.acknowledged) > _ROWS


async def _walk_all_ways(client: httpx.AsyncClient, there: list[str]) -> None:
    ways = (("desc", "100"), ("asc", "170"), ("desc", "1000"), ("asc", "990"))
    for order, found in await asyncio.gather(*(_walk(client, *way) for way in ways)):
        assert repeated(found) == []
        was_there = set(there)
        assert [m for m in found if m in was_there] == (there if order == "asc" else there[::-1])


async def _walk(client: httpx.AsyncClient, order: str, limit: str) -> tuple[str, list[str]]:
    """Page by page to the end; ascending, where the writers add to the end, only past what was there."""
    found: list[str] = []
    params = {"order": order, "limit": limit}
    while True:
        page = (await client.get("/memories", params=params)).json()
        found += [m["id"] for m in page["memories"]]
        if not page["has_more"] or (order == "asc" and len(found) > _ROWS):
            return order, found
        params["cursor"] = page["next_cursor"]


async def test_cursors_and_offsets_of_lists_and_searches_agree(faulty: FaultyInstallation) -> None:
    """Before and after everything settled."""
    await faulty.dev(**faulty.faults, **QUICK)
    witness = Witness()
    async with faulty.client() as client:
        await witness.write(client, 900)
        before = await _agreed(client)
        await Journal(faulty).settled()
        assert await _agreed(client) == before
        assert len(before) > 100


async def _agreed(client: httpx.AsyncClient) -> list[str]:
    """The ids of one session's memories, found in three ways."""
    listed = [m["id"] for m in await everything(client, limit="13", session_id="sess_1")]
    skipping: list[str] = []
    while len(skipping) < len(listed):
        params = {"session_id": "sess_1", "order": "asc", "limit": "50", "offset": str(len(skipping))}
        page = (await client.get("/memories", params=params)).json()
        skipping += [m["id"] for m in page["memories"]]
        assert page["has_more"] == (len(skipping) < len(listed))
    searched: list[str] = []
    body: dict[str, Any] = {"session_id": "sess_1", "content_contains": "memory", "order": "asc", "limit": 70}
    while len(searched) < len(listed):
        page = (await client.post("/search", json=body)).json()
        searched += [m["id"] for m in page["results"]]
        assert page["has_more"] == (len(searched) < len(listed))
        body["cursor"] = page.get("next_cursor")
    assert listed == skipping == searched
    return listed
