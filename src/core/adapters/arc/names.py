"""Names to addresses, in threads of its own: a resolver that hangs holds up nothing else."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Final

from core.adapters.arc.flights import Flights

_THREADS: Final = 32
"""The resolver of the system cannot be told to stop: a name that hangs keeps its thread a while."""


class Names:
    """One lookup a name at a time, shared by all who wait for it. Lives on one event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="arc-names")
        self._running: Flights[str, list[str]] = Flights()

    async def addresses(self, host: str) -> list[str]:
        """Its addresses in the resolver's order, each once; an address is its own. Raises OSError.

        Nothing is kept: the next call asks the resolver anew.
        """
        if _is_address(host):
            return [host]
        return await self._running.join(host, partial(self._look_up, host))

    async def _look_up(self, host: str) -> list[str]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, resolve, host)

    def close(self) -> None:
        """Nobody waits any longer for what is still looked up."""
        self._running.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


def resolve(host: str) -> list[str]:
    """Blocking. Raises OSError, also for what cannot be a name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except UnicodeError as e:
        raise OSError("the host is no name") from e
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
