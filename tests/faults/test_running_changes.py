"""Commands against a server under load: they take hold within ten seconds, and disturb nobody else."""

import httpx

from tests.e2e.installation import until
from tests.faults.faulty import QUICK, FaultyInstallation, Journal
from tests.faults.tenants import keyed, tenant, told
from tests.faults.witness import Witness, draft, meanwhile

_TAKES_HOLD = 11.0
"""The ten seconds of the promise, and the request that shows it."""


async def test_revoked_unbound_and_deleted_callers_are_refused_within_ten_seconds(
    faulty: FaultyInstallation,
) -> None:
    await faulty.dev(**faulty.faults, **QUICK)
    revoked = await keyed(faulty, "org_default")
    unbound, deleted = [await tenant(faulty, faulty.data / name) for name in ("b", "c")]
    witness = Witness()
    async with (
        faulty.client() as ours,
        revoked.of(ours) as first,
        unbound.of(ours) as second,
        deleted.of(ours) as third,
        meanwhile(witness.load(ours, 2, pause=0.02)),
    ):
        for client in (first, second, third):
            assert (await client.post("/memories", json=draft("still welcome"))).status_code == 201
        await told(faulty, "key", "revoke", str(revoked.key_id))
        await told(faulty, "org", "remove-arc", unbound.org_id, "--force")
        await told(faulty, "org", "delete", deleted.org_id, "--yes")

        async def in_force() -> bool:
            return [await _fate(client) for client in (first, second, third)] == [
                (401, "unauthenticated"),
                (503, "no_arc_instance"),
                (401, "unauthenticated"),
            ]

        await until(in_force, what="what the commands changed in force", seconds=_TAKES_HOLD)
        await witness.acknowledges(100)
        assert Journal(faulty).count(f"instr(payload, CAST('{deleted.org_id}' AS BLOB))") == 0
    async with faulty.client() as ours:
        await witness.compare_rows(ours, also=2 * 20 + 1)


async def _fate(client: httpx.AsyncClient) -> tuple[int, str]:
    reply = await client.get("/memories", params={"limit": "1"})
    return reply.status_code, reply.json().get("code", "")
