"""`memtrace org move` beside a running server."""

import json

from tests.e2e.installation import Installation
from tests.e2e.test_commands import told


async def test_an_organization_is_moved_while_its_memories_wait_in_the_journal(
    installation: Installation,
) -> None:
    await installation.dev()
    async with installation.client() as client:
        for n in range(5):
            assert (
                await client.post("/memories", json={"agent_id": "a", "content": f"memory {n}"})
            ).status_code == 201
        target = f"org_default --url file:{installation.data}/elsewhere"
        compared = await told(installation, f"org move {target} --compare")
        assert compared == {"org_id": "org_default", "memories": 0, "missing": 0, "extra": 0}
        assert (await told(installation, f"org move {target} --yes"))["moved"] is True
        bound = await told(installation, "org show-arc org_default")
        assert bound["url"] == f"file:{installation.data}/elsewhere"
        assert (await client.get("/memories")).json()["count"] == 5


async def test_a_move_to_where_it_is_or_without_a_yes_is_refused(installation: Installation) -> None:
    await installation.dev()
    url = (await told(installation, "org show-arc org_default"))["url"]
    same = await installation.shell(f"memtrace org move org_default --url {url} --yes")
    assert (same.returncode, "is there already" in same.stderr) == (1, True)
    unsure = await installation.shell("memtrace org move org_default --url file:/elsewhere")
    assert (unsure.returncode, "not confirmed" in unsure.stderr) == (1, True)
    org = json.loads((await installation.shell("memtrace org create Acme --json")).stdout)["id"]
    unbound = await installation.shell(f"memtrace org move {org} --url file:{installation.data}/x --yes")
    assert (unbound.returncode, "has no arc instance" in unbound.stderr) == (1, True)
