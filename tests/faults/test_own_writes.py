"""Read your own write, at once and everywhere; and of many equal writes one wins."""

import asyncio
from typing import Any

import httpx

from tests.faults.faulty import FaultyInstallation, Journal
from tests.faults.witness import repeated

_READERS = 4
_EACH = 100
_SETTINGS = {"MEMTRACE_ARC_WRITE_FLUSH_INTERVAL_MS": "500"}


async def test_hundreds_of_writes_are_each_read_at_once_in_every_way(faulty: FaultyInstallation) -> None:
    """While what was written before is flushed, settled and merged."""
    await faulty.dev(**faulty.faults, **_SETTINGS)
    async with faulty.client() as client, asyncio.TaskGroup() as group:
        for number in range(_READERS):
            group.create_task(_write_and_read(client, f"reader_{number}"))
    assert Journal(faulty).count() < _READERS * _EACH, "nothing settled meanwhile"


async def _write_and_read(client: httpx.AsyncClient, name: str) -> None:
    for turn in range(_EACH):
        content = f"{name} writes no. {turn}."
        session = f"sess_{name}_{turn // 50}"
        body = {"agent_id": name, "session_id": session, "content": content}
        written = await client.post("/memories", json=body)
        assert written.status_code == 201, written.text
        await _read_everywhere(client, written.json(), turn + 1)


async def _read_everywhere(client: httpx.AsyncClient, memory: dict[str, Any], count: int) -> None:
    agent, session, content = memory["agent_id"], memory["session_id"], memory["content"]
    listed = (await client.get("/memories", params={"agent_id": agent, "limit": "3"})).json()
    assert listed["memories"][0] == memory
    assert listed["has_more"] == (count > 3)
    assert (await client.get(f"/memories/{memory['id']}")).json() == memory
    needle = {"agent_id": agent, "content_contains": content[-12:], "since": "1h"}
    found = (await client.post("/search", json={**needle, "limit": 5})).json()["results"]
    assert found[0] == memory
    context = (await client.post(f"/sessions/{session}/context")).json()
    assert f": {content}" in context["context"]
    assert context["memory_count"] == (count - 1) % 50 + 1
    stats = (await client.get(f"/agents/{agent}/stats")).json()
    assert stats["memory_count"] == stats["memories_24h"] == count


async def test_of_three_hundred_equal_writes_one_wins(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults)
    async with faulty.client() as client:
        body = {"agent_id": "a", "content": "said by everybody at once"}
        replies = await asyncio.gather(*(client.post("/memories", json=body) for _ in range(300)))
        won = [r.json()["id"] for r in replies if r.status_code == 201]
        lost = [r.json()["id"] for r in replies if r.status_code == 409]
        assert (len(won), len(lost)) == (1, 299)
        assert set(lost) == set(won)
        assert {r.json()["code"] for r in replies if r.status_code == 409} == {"duplicate_memory"}
        listed = (await client.get("/memories")).json()
        assert [m["id"] for m in listed["memories"]] == won
        assert (await client.get("/agents/a/stats")).json()["memory_count"] == 1


async def test_equal_memories_of_many_batches_are_created_once(faulty: FaultyInstallation) -> None:
    await faulty.dev(**faulty.faults)
    contents = [f"item {n}" for n in range(60)]
    async with faulty.client() as client:
        bodies = [
            {"memories": [{"agent_id": "a", "content": c} for c in contents[start:] + contents[:start] * 2]}
            for start in range(0, 60, 2)
        ]
        replies = await asyncio.gather(*(client.post("/memories", json=body) for body in bodies))
        created = [m["id"] for r in replies for m in r.json()["memories"]]
        assert len(created) == 60
        assert repeated(created) == []
        named = {fate["id"] for r in replies for fate in r.json()["results"]}
        assert named == set(created)


async def test_the_same_request_again_gets_the_same_answer(faulty: FaultyInstallation) -> None:
    """At the same time, after the flush, and after everything settled."""
    await faulty.dev(**faulty.faults, **_SETTINGS)
    body = {"memories": [{"agent_id": "a", "content": f"item {n}"} for n in range(5)]}
    token = {"idempotency-key": "b7e1"}
    async with faulty.client() as client:
        replies = await asyncio.gather(
            *(client.post("/memories", json=body, headers=token) for _ in range(20))
        )
        (answer,) = {r.text for r in replies}
        assert {r.status_code for r in replies} == {201}
        await Journal(faulty).settled()
        late = await client.post("/memories", json=body, headers=token)
        assert (late.status_code, late.text) == (201, answer)
        other = await client.post("/memories", json={"agent_id": "a", "content": "x"}, headers=token)
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
        assert (await client.get("/memories")).json()["count"] == 5
