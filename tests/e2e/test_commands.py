"""Commands beside a running server, as `dev.env` and a shell make them work."""

import json
from typing import Any

from tests.e2e.installation import Installation, until


async def told(installation: Installation, line: str) -> Any:
    """What a `memtrace …` line answers in JSON."""
    done = await installation.shell(f"memtrace {line} --json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_sourcing_dev_env_makes_commands_and_curl_work_from_any_folder(
    installation: Installation,
) -> None:
    await installation.dev()
    assert [org["id"] for org in await told(installation, "org list")] == ["org_default"]
    line = 'curl -s "$MEMTRACE_URL/api/v1/me" -H "x-api-key: $MEMTRACE_API_KEY"'
    assert json.loads((await installation.shell(line)).stdout)["org_id"] == "org_default"


async def test_what_commands_change_takes_hold_on_the_running_server_within_seconds(
    installation: Installation,
) -> None:
    await installation.dev()
    org = (await told(installation, "org create Acme"))["id"]
    acme = {"x-api-key": (await told(installation, f"key create --org {org} --name app"))["key"]}
    short = await told(installation, "key create --org org_default --name short-lived")
    revoked = {"x-api-key": short["key"]}
    async with installation.client() as client:
        unbound = await client.get("/memories", headers=acme)
        assert (unbound.status_code, unbound.json()["code"]) == (503, "no_arc_instance")
        assert (await client.get("/me", headers=revoked)).status_code == 200
        await told(installation, f"org add-arc {org} --url file:{installation.data}/acme")
        await told(installation, f"key revoke {short['id']}")

        async def in_force() -> bool:
            bound = await client.get("/memories", headers=acme)
            refused = await client.get("/me", headers=revoked)
            return (bound.status_code, refused.status_code) == (200, 401)

        await until(in_force, what="the binding and the revocation in force", seconds=15)
        written = await client.post("/memories", json={"agent_id": "a", "content": "Acme's"}, headers=acme)
        assert written.json()["org_id"] == org
        assert (await client.get("/memories")).json()["count"] == 0


async def test_status_and_doctor_tell_of_the_running_installation(installation: Installation) -> None:
    running = await installation.dev()
    await installation.has_flusher()
    async with installation.client() as client:
        await client.post("/memories", json={"agent_id": "a", "content": "waits"})
    status = await told(installation, "status")
    assert status["server"]["pid"] == running.pid
    assert status["server"]["url"] == installation.env["MEMTRACE_URL"]
    assert status["flusher"]
    (org,) = status["orgs"]
    assert org["owed"] + org["delivered"] == 1
    findings = {f["what"]: f["verdict"] for f in await told(installation, "doctor")}
    assert findings["processes"] == findings["store of org_default"] == "ok"
    assert "fail" not in findings.values()
