"""Connections to allowed addresses only: a name is resolved here, judged, and that address connected to.

So a name that answers one thing when a binding is made and another thing later gains nothing.
TLS goes on to verify the name.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import httpcore
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

from core.adapters.arc.addresses import AllowedNetworks

_MOST_ADDRESSES: Final = 8
"""Of one name are tried."""
LookUp = Callable[[str], Awaitable[list[str]]]


class AddressRefused(Exception):
    """A host has no address that may be reached; it never leaves this adapter."""


class NameUnknown(httpcore.ConnectError):
    """The host's name does not resolve."""


class GuardedNetwork(AsyncNetworkBackend):
    """httpcore's hook for connecting. Raises AddressRefused, httpcore.ConnectError or ConnectTimeout."""

    def __init__(
        self, allowed: AllowedNetworks, look_up: LookUp, backend: AsyncNetworkBackend | None = None
    ) -> None:
        """`look_up` gives a host's addresses, or raises OSError."""
        self._allowed = allowed
        self._look_up = look_up
        self._backend = backend or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Tries the allowed addresses in the order of the resolver, all together within the timeout.

        One that does not answer leaves the others their share of it.
        """
        loop = asyncio.get_running_loop()
        ends = None if timeout is None else loop.time() + timeout
        addresses = await self._allowed_addresses(host, timeout)
        failed: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for tried, address in enumerate(addresses):
            share = None if ends is None else max(ends - loop.time(), 0.001) / (len(addresses) - tried)
            try:
                return await self._backend.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as e:
                failed = e
        raise failed or AddressRefused("no address of the host is in arc.allowed_networks")

    async def _allowed_addresses(self, host: str, timeout: float | None) -> list[str]:
        try:
            async with asyncio.timeout(timeout):
                found = await self._look_up(host)
        except TimeoutError as e:
            raise httpcore.ConnectTimeout("the host's name took too long to resolve") from e
        except OSError as e:
            raise NameUnknown("the host's name does not resolve") from e
        return [address for address in found if self._allowed.allows(address)][:_MOST_ADDRESSES]

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> AsyncNetworkStream:
        raise AddressRefused("a binding names no socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)
