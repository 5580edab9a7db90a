"""Two orgs: neither sees, disturbs or delays the other."""

import asyncio
import shutil
from typing import Any

import httpx

from tests.e2e.installation import until
from tests.faults.faulty import QUICK, FaultyInstallation, Journal
from tests.faults.tenants import tenant
from tests.faults.witness import Witness, everything, meanwhile

_PATIENCE = 10.0
"""Far less than any timeout of a store, far more than an answer takes."""


def at_root(client: httpx.AsyncClient, path: str) -> httpx.URL:
    """Probes stand outside of the API."""
    return client.base_url.copy_with(raw_path=path.encode())


async def test_no_id_of_one_org_opens_anything_of_another(faulty: FaultyInstallation) -> None:
    """Not even where both keep their memories in the same folder, in the same files' neighbours."""
    await faulty.dev(**faulty.faults, **QUICK)
    async with faulty.client() as ours, (await tenant(faulty, faulty.data / "store")).of(ours) as theirs:
        owned = await _belongings(ours, "ours")
        foreign = await _belongings(theirs, "theirs")
        await _meet_strangers(ours, owned, theirs, foreign)
        await Journal(faulty).settled()
        await _meet_strangers(ours, owned, theirs, foreign)


async def _belongings(client: httpx.AsyncClient, whose: str) -> dict[str, Any]:
    """Memories with the same agent, session and dedup keys as the other org's, an agent and a session."""
    memories = []
    for number in range(3):
        body = {
            "agent_id": "crawler",
            "session_id": "sess_shared",
            "content": f"{whose} {number}",
            "dedup_key": f"key {number}",
        }
        reply = await client.post("/memories", json=body, headers={"idempotency-key": f"token {number}"})
        assert reply.status_code == 201, reply.text
        memories.append(reply.json())
    agent = (await client.post("/agents", json={"name": "crawler", "description": whose})).json()
    session = (await client.post("/sessions", json={"agent_id": "crawler", "metadata": {"is": whose}})).json()
    return {"memories": memories, "agent": agent, "session": session}


async def _meet_strangers(
    ours: httpx.AsyncClient, owned: dict[str, Any], theirs: httpx.AsyncClient, foreign: dict[str, Any]
) -> None:
    for client, own, other in ((ours, owned, foreign), (theirs, foreign, owned)):
        assert await everything(client, limit="2") == own["memories"]
        await _names_are_ones_own(client, own)
        await _ids_of_others_are_unknown(client, other)
    await _cursors_of_others_give_nothing_away(ours, theirs, foreign)


async def _names_are_ones_own(client: httpx.AsyncClient, own: dict[str, Any]) -> None:
    newest = list(reversed(own["memories"]))
    found = await client.post("/search", json={"session_id": "sess_shared", "agent_id": "crawler"})
    assert found.json()["results"] == newest
    assert (await client.get("/memories/key%201")).json() == own["memories"][1]
    assert (await client.get("/agents/crawler")).json()["id"] == own["agent"]["id"]
    assert (await client.get("/agents/crawler/memories")).json()["memories"] == newest
    assert (await client.get("/agents/crawler/stats")).json()["memory_count"] == 3
    assert (await client.get("/sessions/sess_shared/memories")).json()["memories"] == newest
    assert (await client.post("/sessions/sess_shared/context")).json()["memory_count"] == 3
    assert [s["id"] for s in (await client.get("/sessions")).json()["sessions"]] == [own["session"]["id"]]
    assert [a["id"] for a in (await client.get("/agents")).json()["agents"]] == [own["agent"]["id"]]


async def _ids_of_others_are_unknown(client: httpx.AsyncClient, other: dict[str, Any]) -> None:
    agent, session = other["agent"]["id"], other["session"]["id"]
    for memory in other["memories"]:
        assert (await client.get(f"/memories/{memory['id']}")).status_code == 404
    for path in (f"/agents/{agent}", f"/sessions/{session}"):
        assert (await client.get(path)).status_code == 404
    assert (await client.delete(f"/agents/{agent}")).status_code == 404
    assert (await client.put(f"/sessions/{session}", json={"status": "closed"})).status_code == 404
    assert (await client.get(f"/agents/{agent}/stats")).json()["memory_count"] == 0
    assert (await client.get(f"/agents/{agent}/memories")).json()["count"] == 0
    assert (await client.get(f"/sessions/{session}/memories")).json()["count"] == 0
    assert (await client.post(f"/sessions/{session}/context")).json()["memory_count"] == 0
    for name, value in (("org_id", other["memories"][0]["org_id"]), ("x-org-id", "org_default")):
        filtered = await client.get("/memories", params={name: value}, headers={"x-org-id": value})
        assert {m["org_id"] for m in filtered.json()["memories"]}.isdisjoint({other["memories"][0]["org_id"]})


async def _cursors_of_others_give_nothing_away(
    ours: httpx.AsyncClient, theirs: httpx.AsyncClient, foreign: dict[str, Any]
) -> None:
    page = (await ours.get("/memories", params={"limit": "1", "order": "asc"})).json()
    taken = await theirs.get("/memories", params={"cursor": page["next_cursor"], "order": "asc"})
    if taken.status_code == 200:
        assert [m for m in taken.json()["memories"] if m not in foreign["memories"]] == []
    else:
        assert taken.json()["code"] == "invalid_cursor"


async def test_one_orgs_dead_store_is_its_own_problem(faulty: FaultyInstallation) -> None:
    """And not for long: what it owes is delivered as soon as the store is there."""
    await faulty.dev(**faulty.faults, **QUICK)
    parent = faulty.folder / "stores"
    async with faulty.client() as ours:
        other = await tenant(faulty, parent / "other")
        shutil.rmtree(parent)
        parent.write_text("a file where a folder was")
        async with other.of(ours) as theirs:
            ids = await _write_to_the_dead(theirs)
            await _health(ours, {"org_default": True, other.org_id: False})
            async with meanwhile(_write_on(theirs)):
                await _live_well(ours, Journal(faulty))
            parent.unlink()
            (parent / "other").mkdir(parents=True)
            await _health(ours, {"org_default": True, other.org_id: True})
            await Journal(faulty).settled()
            assert [m["id"] for m in await everything(theirs)][: len(ids)] == ids


async def _write_to_the_dead(client: httpx.AsyncClient) -> list[str]:
    """Writes are taken, and what the tail alone can answer is answered; what it cannot is an error."""
    ids = []
    async with asyncio.timeout(_PATIENCE):
        for number in range(5):
            body = {"agent_id": "a", "session_id": "sess_1", "content": f"to the dead {number}"}
            reply = await client.post("/memories", json=body)
            assert reply.status_code == 201, reply.text
            ids.append(reply.json()["id"])
            assert (await client.get(f"/memories/{ids[-1]}")).status_code == 200
        page = (await client.get("/memories", params={"limit": "4"})).json()
        assert [m["id"] for m in page["memories"]] == ids[:0:-1]
        assert page["has_more"]
        rest = await client.get("/memories", params={"limit": "4", "cursor": page["next_cursor"]})
        assert (rest.status_code, rest.json()["code"]) == (502, "store_unreachable")
        since = (await client.get(f"/memories/{ids[0]}")).json()["time"]
        recent = await client.post("/search", json={"session_id": "sess_1", "since": since})
        assert [m["id"] for m in recent.json()["results"]] == ids[::-1]
        counted = await client.get("/agents/a/stats")
        assert (counted.status_code, counted.json()["code"]) == (502, "store_unreachable")
    return ids


async def _write_on(client: httpx.AsyncClient) -> None:
    number = 0
    while True:
        number += 1
        reply = await client.post("/memories", json={"agent_id": "a", "content": f"more {number}"})
        assert reply.status_code == 201, reply.text


async def _live_well(client: httpx.AsyncClient, journal: Journal) -> None:
    """Everything of the org with the living store is prompt, and its memories are delivered."""
    witness = Witness()
    for _ in range(20):
        async with asyncio.timeout(_PATIENCE):
            await witness.write(client, 10)
            assert (await client.get("/memories", params={"limit": "5"})).status_code == 200
            assert (await client.post("/search", json={"content_contains": "memory 7"})).status_code == 200
            for probe in ("/health", "/livez", "/metrics", "/ready"):
                await client.get(at_root(client, probe))
    await journal.all_delivered(of="org_default")
    await witness.compare(client)


async def _health(client: httpx.AsyncClient, arc: dict[str, bool]) -> None:
    """`/ready` comes to say so, `/health` lists it and stays 200, and `/livez` does not mind."""

    async def is_told() -> bool:
        ready = await client.get(at_root(client, "/ready"))
        told = ready.json()
        assert (ready.status_code == 200) == (told["status"] == "ready")
        return (told.get("arc"), ready.status_code) == (arc, 200 if all(arc.values()) else 503)

    await until(is_told, what=f"/ready tells {arc}")
    health = await client.get(at_root(client, "/health"))
    assert (health.status_code, health.json()["status"], health.json()["arc"]) == (200, "ok", arc)
    assert (await client.get(at_root(client, "/livez"))).status_code == 200
