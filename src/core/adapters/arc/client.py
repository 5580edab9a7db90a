"""HTTP to Arcs: bounded in all it takes, to allowed addresses only, and our errors only.

No proxy is asked and no redirect followed: what a binding names is where the key goes.
"""

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlsplit

import httpcore

from core.adapters.arc.addresses import AllowedNetworks
from core.adapters.arc.bodies import too_large, unpacked
from core.adapters.arc.names import Names
from core.adapters.arc.network import AddressRefused, GuardedNetwork, NameUnknown
from core.adapters.arc.pools import OrgPools
from core.adapters.arc.replies import Reply
from core.model.errors import StoreAmbiguous, StoreDenied, StoreError, StoreTimeout, StoreUnreachable
from core.model.tenant import Binding

_HARD_TO_UNPACK: Final = 256 * 1024
"""Bytes of a packed answer from which on it is unpacked in a thread."""
_LOST: Final = (
    httpcore.ReadError,
    httpcore.WriteError,
    httpcore.RemoteProtocolError,
    httpcore.LocalProtocolError,
    ssl.SSLError,
)
_IN_A_PATH: Final = "/%:@!$&'()*+,;=~-._"
_Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Seconds and bytes."""

    connect_timeout: float = 5.0
    response_bytes: int = 256 << 20
    schemes: tuple[str, ...] = ("https", "http")
    networks: tuple[str, ...] = ("loopback", "private", "public")


@dataclass(frozen=True, slots=True)
class Request:
    """What goes to one door of an Arc; `key` is shown to nobody."""

    method: str
    path: str
    key: str = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_harmless: bool = False
    """Whether it may be sent once more when its answer is lost. What writes is not: its caller decides."""


class ArcClient:
    """Lives on one event loop; `close` ends every connection.

    Raises StoreUnreachable when nothing was sent for certain, StoreAmbiguous when an answer was
    lost, StoreTimeout after `timeout` seconds, StoreDenied for what the settings forbid,
    StoreRefused for an answer that is too large.
    """

    def __init__(self, limits: ClientLimits) -> None:
        """Raises ConfigurationError for networks that are none."""
        self._limits = limits
        self._names = Names()
        network = GuardedNetwork(AllowedNetworks(limits.networks), self._names.addresses)
        self._pools = OrgPools(network)

    async def ask(self, binding: Binding, request: Request, timeout: float) -> Reply:
        """One request and its whole answer, whatever its status; a redirect is an answer too."""
        self._check(binding, request)
        is_tls = binding.url.startswith("https:")
        try:
            async with asyncio.timeout(timeout), self._pools.of(binding.org_id, is_tls=is_tls) as pool:
                return await self._answer(pool, binding, request)
        except TimeoutError:
            raise StoreTimeout(f"the Arc did not answer within {timeout:g} seconds") from None

    def _check(self, binding: Binding, request: Request) -> None:
        scheme = binding.url.partition(":")[0]
        if scheme not in self._limits.schemes:
            raise StoreDenied(
                f"bindings by {scheme}: are not allowed here", hint="see arc.allowed_schemes in the settings"
            )
        if not binding.key_opens:
            raise StoreDenied(
                "the stored Arc key does not open with this master key", hint=_store_again(binding)
            )
        if not (request.key.isascii() and request.key.isprintable()):
            raise StoreDenied("no header can carry the stored Arc key", hint=_store_again(binding))
        if not (binding.database.isascii() and binding.database.isprintable()):
            raise StoreUnreachable("no header can carry the database's name", hint=_store_again(binding))

    async def _answer(self, pool: httpcore.AsyncConnectionPool, binding: Binding, request: Request) -> Reply:
        """A harmless request goes out once more where its connection broke off: that may have been old."""
        try:
            return await self._exchange(pool, binding, request)
        except _LOST as e:
            # From None: the words of these errors may be a stranger's.
            if not request.is_harmless:
                raise _lost(e) from None
        try:
            return await self._exchange(pool, binding, request)
        except _LOST as e:
            raise _lost(e) from None

    async def _exchange(
        self, pool: httpcore.AsyncConnectionPool, binding: Binding, request: Request
    ) -> Reply:
        url, host = _target(binding.url, request.path)
        try:
            async with pool.stream(
                request.method,
                url,
                headers=_headers(host, binding.database, request),
                content=request.body,
                extensions={"timeout": {"connect": self._limits.connect_timeout}},
            ) as response:
                return await self._read(response)
        except AddressRefused:
            raise StoreDenied(
                "the binding's host is at an address that is not allowed here",
                hint="see arc.allowed_networks in the settings",
            ) from None
        except httpcore.ConnectTimeout as e:
            raise StoreTimeout("no connection to the Arc in time") from e
        except httpcore.ConnectError as e:
            raise StoreUnreachable(f"no connection to the Arc ({_cause(e)})") from e

    async def _read(self, response: httpcore.Response) -> Reply:
        """The body, unpacked, in memory; one larger than allowed is broken off."""
        came, limit = bytearray(), self._limits.response_bytes
        async for part in response.aiter_stream():
            came += part
            if len(came) > limit:
                raise too_large(limit)
        encoding = _header(response.headers, b"content-encoding").strip().lower()
        body = bytes(came)
        if encoding and len(body) > _HARD_TO_UNPACK:
            body = await asyncio.to_thread(unpacked, body, encoding, limit)
        else:
            body = unpacked(body, encoding, limit)
        return Reply(response.status, body, _seconds(_header(response.headers, b"retry-after")))

    async def hang_up(self) -> None:
        """Ends every connection; the next request opens its own."""
        await self._pools.close()

    async def close(self) -> None:
        """May be called twice."""
        self._names.close()
        await self._pools.close()


def _target(url: str, path: str) -> tuple[httpcore.URL, str]:
    """Where a request to this path behind the binding's URL goes, and the Host it names."""
    parts = urlsplit(url)
    try:
        host = (parts.hostname or "").encode("idna").decode()
    except UnicodeError:
        raise StoreUnreachable("the binding's host is no name", hint="bind the organization anew") from None
    named = f"[{host}]" if ":" in host else host
    target = quote(parts.path.rstrip("/"), safe=_IN_A_PATH) + path
    return (
        httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target),
        named if parts.port is None else f"{named}:{parts.port}",
    )


def _headers(host: str, database: str, request: Request) -> list[tuple[str, str]]:
    given = {"host": host, "user-agent": "memtrace", "x-arc-database": database, **request.headers}
    if request.key:
        given["authorization"] = f"Bearer {request.key}"
    return list(given.items())


def _header(headers: _Headers, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), "")


def _seconds(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _lost(error: Exception) -> StoreError:
    return StoreAmbiguous(f"the connection to the Arc broke off ({type(error).__name__})", retry_after=1)


def _cause(error: Exception) -> str:
    """A word for why, without addresses."""
    if isinstance(error, NameUnknown):
        return "its name does not resolve"
    text = str(error).lower()
    return "its certificate is not accepted" if "certificate" in text or "ssl" in text else "refused"


def _store_again(binding: Binding) -> str:
    return f"store it again with `memtrace org add-arc {binding.org_id}`"
