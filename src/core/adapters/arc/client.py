"""HTTP to Arcs: a pool an org, bounded in all it takes, and our errors only.

Nothing is sent twice here. A repeat is the caller's to decide, who knows whether it is harmless.
"""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import certifi
import httpcore
import httpx

from core.adapters.arc.addresses import AllowedNetworks
from core.adapters.arc.network import AddressRefused, GuardedNetwork
from core.adapters.arc.replies import Reply
from core.model.errors import (
    StoreAmbiguous,
    StoreDenied,
    StoreError,
    StoreRefused,
    StoreTimeout,
    StoreUnreachable,
)
from core.model.memory import OrgId
from core.model.tenant import Binding

_KEEP_ALIVE: Final = 50.0
"""Seconds; Arc closes an idle connection after 120, and one closed under us is a lost answer."""
_CONNECTIONS: Final = 16
"""Of one org at a time."""
_MOST_POOLS: Final = 1_000
_LOST: Final = (
    httpcore.ReadError,
    httpcore.WriteError,
    httpcore.RemoteProtocolError,
    httpcore.LocalProtocolError,
    httpx.DecodingError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Seconds and bytes."""

    connect_timeout: float = 5.0
    response_bytes: int = 256 << 20
    schemes: tuple[str, ...] = ("https", "http")
    networks: tuple[str, ...] = ("loopback", "private", "public")


@dataclass(slots=True)
class _Pool:
    client: httpx.AsyncClient
    users: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What goes to one door of an Arc; `key` is shown to nobody."""

    method: str
    path: str
    key: str = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class ArcClient:
    """Lives on one event loop; `close` ends every connection.

    Raises StoreUnreachable when nothing was sent for certain, StoreAmbiguous when an answer was
    lost, StoreTimeout after `timeout` seconds, StoreDenied for what the settings forbid.
    """

    def __init__(self, limits: ClientLimits) -> None:
        """Raises ConfigurationError for networks that are none."""
        self._limits = limits
        self._network = GuardedNetwork(AllowedNetworks(limits.networks))
        self._tls: ssl.SSLContext | None = None
        self._pools: OrderedDict[OrgId, _Pool] = OrderedDict()

    async def ask(self, binding: Binding, request: Request, timeout: float) -> Reply:
        """One request and its whole answer, whatever its status; a redirect is an answer too."""
        self._check(binding)
        try:
            async with asyncio.timeout(timeout), self._pool(binding.org_id) as client:
                return await self._exchange(client, binding, request)
        except TimeoutError:
            raise StoreTimeout(f"the Arc did not answer within {timeout:g} seconds") from None

    def _check(self, binding: Binding) -> None:
        scheme = binding.url.partition(":")[0]
        if scheme not in self._limits.schemes:
            raise StoreDenied(
                f"bindings by {scheme}: are not allowed here", hint="see arc.allowed_schemes in the settings"
            )
        if not binding.key_opens:
            raise StoreDenied(
                "the stored Arc key does not open with this master key",
                hint=f"store it again with `memtrace org add-arc {binding.org_id}`",
            )

    async def _exchange(self, client: httpx.AsyncClient, binding: Binding, request: Request) -> Reply:
        headers = {
            "authorization": f"Bearer {request.key}",
            "x-arc-database": binding.database,
            **request.headers,
        }
        url = binding.url.rstrip("/") + request.path
        try:
            async with client.stream(
                request.method, url, content=request.body or None, headers=headers
            ) as response:
                return await self._read(response)
        except AddressRefused as e:
            raise StoreDenied(
                "the binding's host is at an address that is not allowed here",
                hint="see arc.allowed_networks in the settings",
            ) from e
        except (httpcore.ConnectTimeout, httpcore.PoolTimeout) as e:
            raise StoreTimeout("no connection to the Arc in time") from e
        except (httpcore.ConnectError, httpx.InvalidURL, httpx.UnsupportedProtocol, ssl.SSLError) as e:
            raise StoreUnreachable(f"no connection to the Arc ({_cause(e)})") from e
        except _LOST as e:
            raise StoreAmbiguous("the connection to the Arc broke off", retry_after=1) from e

    async def _read(self, response: httpx.Response) -> Reply:
        """The body, decompressed, in memory; one larger than allowed is broken off."""
        size, parts = 0, []
        async for part in response.aiter_bytes():
            size += len(part)
            if size > self._limits.response_bytes:
                raise _too_large(self._limits.response_bytes)
            parts.append(part)
        wait = response.headers.get("retry-after", "")
        return Reply(
            response.status_code,
            b"".join(parts),
            int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 7 else None,
            response.headers.get("content-type", "").startswith("application/json"),
        )

    @asynccontextmanager
    async def _pool(self, org_id: OrgId) -> AsyncIterator[httpx.AsyncClient]:
        """The org's own connections: nobody else waits for one of them."""
        pool = self._pools.get(org_id)
        if pool is None:
            pool = self._pools[org_id] = _Pool(self._new_client())
            await self._close_idle()
        self._pools.move_to_end(org_id)
        pool.users += 1
        try:
            yield pool.client
        finally:
            pool.users -= 1

    def _new_client(self) -> httpx.AsyncClient:
        transport = _Transport(self._network, self._context, self._limits.connect_timeout)
        return httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False, timeout=None)

    def _context(self) -> ssl.SSLContext:
        """Made once: loading the certificates takes tens of milliseconds."""
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.load_verify_locations(certifi.where())
        return self._tls

    async def _close_idle(self) -> None:
        """The pools unused longest, beyond the bound; one in use is left alone."""
        spare = len(self._pools) - _MOST_POOLS
        idle = [org_id for org_id, pool in self._pools.items() if not pool.users][: max(spare, 0)]
        for pool in [self._pools.pop(org_id) for org_id in idle]:
            await pool.client.aclose()

    async def close(self) -> None:
        """May be called twice."""
        pools, self._pools = list(self._pools.values()), OrderedDict()
        for pool in pools:
            await pool.client.aclose()


class _Transport(httpx.AsyncBaseTransport):
    """httpx over a pool of httpcore's, which is where addresses can be judged."""

    def __init__(
        self, network: GuardedNetwork, context: Callable[[], ssl.SSLContext], connect_timeout: float
    ) -> None:
        self._network = network
        self._context = context
        self._connect_timeout = connect_timeout
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=self._context() if request.url.scheme == "https" else None,
                max_connections=_CONNECTIONS,
                max_keepalive_connections=_CONNECTIONS,
                keepalive_expiry=_KEEP_ALIVE,
                network_backend=self._network,
            )
        response = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions={"timeout": {"connect": self._connect_timeout, "pool": self._connect_timeout}},
            )
        )
        return httpx.Response(
            response.status, headers=response.headers, stream=_Stream(response), extensions={}
        )

    async def aclose(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._response.aiter_stream():
            yield part

    async def aclose(self) -> None:
        await self._response.aclose()


def _too_large(limit: int) -> StoreError:
    return StoreRefused(
        f"the Arc's answer is larger than {limit} bytes",
        hint="ask for fewer memories at once, or raise arc.max_response_bytes",
    )


def _cause(error: Exception) -> str:
    """A word for why, without addresses."""
    text = str(error).lower()
    if "certificate" in text or "ssl" in text:
        return "its certificate is not accepted"
    if "resolve" in text or "name or service" in text:
        return "its name does not resolve"
    return "refused"
