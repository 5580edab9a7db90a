"""Connections to allowed addresses only: a name is resolved here, judged, and that address connected to.

So a name that answers one thing when a binding is made and another thing later gains nothing.
TLS goes on to verify the name.
"""

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import httpcore
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

from core.adapters.arc.addresses import AllowedNetworks


class AddressRefused(Exception):
    """A host has no address that may be reached; it never leaves this adapter."""


class GuardedNetwork(AsyncNetworkBackend):
    """httpcore's hook for connecting. Raises AddressRefused, httpcore.ConnectError or ConnectTimeout."""

    def __init__(self, allowed: AllowedNetworks, backend: AsyncNetworkBackend | None = None) -> None:
        self._allowed = allowed
        self._backend = backend or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> AsyncNetworkStream:
        """Tries the allowed addresses in the order of the resolver, all together within the timeout."""
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(host, port, local_address, socket_options)
        except TimeoutError as e:
            raise httpcore.ConnectTimeout(f"no connection within {timeout} seconds") from e

    async def _connect(
        self, host: str, port: int, local_address: str | None, socket_options: Iterable[Any] | None
    ) -> AsyncNetworkStream:
        failed: Exception = AddressRefused("no address of the host is in arc.allowed_networks")
        for address in await _addresses(host, port):
            if not self._allowed.allows(address):
                continue
            try:
                return await self._backend.connect_tcp(
                    address, port, local_address=local_address, socket_options=socket_options
                )
            except httpcore.ConnectError as e:
                failed = e
        raise failed

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> AsyncNetworkStream:
        raise AddressRefused("a binding names no socket of this machine")

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


async def _addresses(host: str, port: int) -> list[str]:
    """What the resolver says, each address once."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as e:
        raise httpcore.ConnectError("the host's name does not resolve") from e
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
