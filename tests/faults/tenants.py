"""More orgs on a running installation, made as an operator makes them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.installation import Installation


@dataclass(frozen=True, slots=True)
class Tenant:
    """An org, and one of its keys."""

    org_id: str
    key_id: int
    key: str

    def of(self, client: httpx.AsyncClient) -> httpx.AsyncClient:
        """A client with this key to the same server."""
        headers = {"x-api-key": self.key}
        return httpx.AsyncClient(base_url=client.base_url, headers=headers, timeout=20, trust_env=False)


async def told(installation: Installation, *line: str | Path) -> dict[str, Any]:
    """What a command answers."""
    done = await installation.run(*line, "--json", env=installation.env)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


async def keyed(installation: Installation, org_id: str) -> Tenant:
    """Another key of this org."""
    made = await told(installation, "key", "create", "--org", org_id, "--name", "app")
    return Tenant(org_id, made["id"], made["key"])


async def tenant(installation: Installation, store: Path) -> Tenant:
    """Another org, bound to this folder."""
    org_id = (await told(installation, "org", "create", "Other"))["id"]
    await told(installation, "org", "add-arc", org_id, "--url", f"file:{store}")
    return await keyed(installation, org_id)
