"""Connections to Arcs: a pool for each org, so that nobody waits for another's."""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import certifi
import httpcore

from core.model.memory import OrgId

_KEEP_ALIVE: Final = 50.0
"""Seconds; Arc closes an idle connection after 120, and one closed under us is a lost answer."""
_CONNECTIONS: Final = 16
"""Of one org at a time."""
_KEPT: Final = 4
"""Of them stay open while they are idle."""
_MOST_POOLS: Final = 1_000

_Key = tuple[OrgId, bool]


@dataclass(slots=True)
class _Pool:
    connections: httpcore.AsyncConnectionPool
    users: int = 0
    left_at: float = 0.0


class OrgPools:
    """Lives on one event loop. Pools that nobody uses are closed, the one left longest first."""

    def __init__(self, network: httpcore.AsyncNetworkBackend) -> None:
        self._network = network
        self._tls: ssl.SSLContext | None = None
        self._pools: OrderedDict[_Key, _Pool] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pools)

    @asynccontextmanager
    async def of(self, org_id: OrgId, *, is_tls: bool) -> AsyncIterator[httpcore.AsyncConnectionPool]:
        """The org's own connections."""
        key = (org_id, is_tls)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = _Pool(self._new(is_tls))
        self._pools.move_to_end(key)
        pool.users += 1
        try:
            await self._close_unused()
            yield pool.connections
        finally:
            pool.users -= 1
            pool.left_at = _now()

    def _new(self, is_tls: bool) -> httpcore.AsyncConnectionPool:
        return httpcore.AsyncConnectionPool(
            ssl_context=self._context() if is_tls else None,
            max_connections=_CONNECTIONS,
            max_keepalive_connections=_KEPT,
            keepalive_expiry=_KEEP_ALIVE,
            network_backend=self._network,
        )

    def _context(self) -> ssl.SSLContext:
        """One for all, of the system's and Mozilla's authorities: loading them takes a while."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.load_verify_locations(certifi.where())
        return self._tls

    async def _close_unused(self) -> None:
        """Those beyond the bound, and those whose connections would only wait for the Arc to close them."""
        spare, now = len(self._pools) - _MOST_POOLS, _now()
        closing: list[_Key] = []
        for key, pool in self._pools.items():
            if len(closing) >= spare and (pool.users or now - pool.left_at < _KEEP_ALIVE):
                break
            if not pool.users:
                closing.append(key)
        for key in closing:
            left = self._pools.get(key)
            if left is not None and not left.users:  # as it was before the others were closed
                del self._pools[key]
                await left.connections.aclose()

    async def close(self) -> None:
        """Ends every connection; may be called twice."""
        pools, self._pools = list(self._pools.values()), OrderedDict()
        for pool in pools:
            await pool.connections.aclose()


def _now() -> float:
    return asyncio.get_running_loop().time()
