"""The split on one machine, as its users have it: by HTTP, by the released client, by commands."""

import signal
from pathlib import Path

import httpx

from local.arc.settings import ADMIN_TOKEN
from tests.e2e.installation import all_gone, environment, finished
from tests.split.machine import EDGE, FLUSHER, QUICK, STAND_INS, Machine, QuickMachine

SDK_SCRIPT = Path(__file__).parents[1] / "e2e" / "sdk_script.py"


async def post(client: httpx.AsyncClient, count: int, session: str) -> list[str]:
    """The ids of so many memories."""
    drafts = [{"agent_id": "a", "session_id": session, "content": f"{session} {n}"} for n in range(count)]
    answer = await client.post("/memories", json={"memories": drafts})
    assert answer.status_code == 201, answer.text
    return [memory["id"] for memory in answer.json()["memories"]]


async def shown(client: httpx.AsyncClient, **params: str) -> list[str]:
    answer = await client.get("/memories", params={"order": "asc", **params})
    assert answer.status_code == 200, answer.text
    return [memory["id"] for memory in answer.json()["memories"]]


async def door_answers(machine: Machine) -> None:
    """As a gateway does, and ours behind it."""
    async with machine.client() as client:
        assert (await client.head("/memories")).content == b""
        assert "POST" in (await client.options("/memories")).headers["allow"]
        unknown = await client.get("/nothing")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        large = await client.post("/memories", content=b"x" * 5_000_000)
        assert large.status_code == 413
        everyone = [len(machine.pids(part)) for part in (*STAND_INS, FLUSHER, EDGE)]
        assert everyone == [1, 1, 1, 1, 1]


async def test_memories_are_written_read_and_deleted_through_the_door_and_settle(
    quick: QuickMachine,
) -> None:
    await quick.dev(**QUICK)
    assert (quick.data / "dev.env").stat().st_mode & 0o077 == 0
    async with quick.client() as client:
        ids = await post(client, 5, "s")
        assert await shown(client) == ids
        found = (await client.post("/search", json={"content_contains": "s 3"})).json()
        assert [m["id"] for m in found["results"]] == [ids[3]]
        assert "s 4" in (await client.post("/sessions/s/context")).json()["context"]
        assert (await client.delete(f"/memories/{ids[0]}")).status_code == 200
        assert (await client.get(f"/memories/{ids[0]}")).status_code == 404
        assert await shown(client) == ids[1:]
        assert (await quick.owes_nothing(30))["claims"] == 4
        assert await shown(client) == ids[1:]
        assert (await quick.stored())[1] >= 4
        forgotten = await quick.told("forget --org org_default --session s --yes")
        assert await shown(client) == []
        assert forgotten["deletion_id"] in [d["deletion_id"] for d in await quick.told("deletions list")]
    assert (await quick.told("org show-arc org_default"))["admin_key"] != "", "no deletion would be done"


async def test_the_door_the_released_client_and_commands_work_on_it(
    machine: Machine, sdk_python: Path
) -> None:
    await machine.dev()
    await door_answers(machine)
    env = environment(**machine.env)
    del env["PYTHONPATH"]
    done = await finished([sdk_python, SDK_SCRIPT, "sync"], env=env)
    assert done.returncode == 0, done.stderr
    org = (await machine.told("org create Acme"))["id"]
    await machine.told(f"org add-arc {org} --url {machine.arc} --api-key {ADMIN_TOKEN}")
    key = await machine.told(f"key create --org {org} --name one")
    async with machine.client() as client:
        client.headers["x-api-key"] = key["key"]
        assert (await client.get("/me")).json()["org_id"] == org
    await machine.told(f"key revoke {key['id']}")
    assert await machine.told("dead list") is not None
    rekeyed = await machine.shell("memtrace rekey --dry-run")
    assert "0 would be sealed anew" in rekeyed.stdout
    doctor = await machine.shell("memtrace doctor")
    assert doctor.returncode == 0, doctor.stdout


async def test_started_again_it_is_the_same_and_no_process_outlives_it(machine: Machine) -> None:
    first = await machine.dev()
    key = machine.env["MEMTRACE_API_KEY"]
    async with machine.client() as client:
        ids = await post(client, 5, "s")
    parts = machine.everyone()
    assert len(parts) == 5
    assert await first.stop(signal.SIGINT) == 0
    await all_gone(parts)
    second = await machine.dev()
    assert machine.env["MEMTRACE_API_KEY"] == key
    async with machine.client() as client:
        assert await shown(client) == ids
    parts = machine.everyone()
    await second.kill()
    await all_gone(parts)
