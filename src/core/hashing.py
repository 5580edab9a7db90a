"""bcrypt off the event loop: a few threads of its own, and a bounded queue before them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar

import bcrypt

from core.model.errors import Overloaded, ShuttingDown

T = TypeVar("T")
DEFAULT_COST: Final = 10


class Bcrypt(Protocol):
    """The slow function itself, so that tests can count its calls. Both block."""

    def hash(self, key: bytes, cost: int) -> bytes: ...

    def matches(self, key: bytes, hash: bytes) -> bool:
        """Raises ValueError for a hash that is none, or a key beyond 72 bytes."""
        ...


class RealBcrypt:
    """The bcrypt library; 58 ms a call at cost 10, with the interpreter lock released."""

    def hash(self, key: bytes, cost: int) -> bytes:
        return bcrypt.hashpw(key, bcrypt.gensalt(cost))

    def matches(self, key: bytes, hash: bytes) -> bool:
        return bcrypt.checkpw(key, hash)


class Hasher:
    """Raises Overloaded when the queue is full, ShuttingDown once closed.

    `close` waits for what runs and leaves no thread; it may be called twice.
    """

    def __init__(
        self,
        *,
        cost: int = DEFAULT_COST,
        threads: int = 2,
        max_waiting: int = 64,
        bcrypt: Bcrypt | None = None,
    ) -> None:
        self._cost = cost
        self._bcrypt = bcrypt or RealBcrypt()
        self._pool = ThreadPoolExecutor(threads, "memtrace-bcrypt")
        self._room = threads + max_waiting
        self._taken = 0
        self._closed = False

    async def hash(self, key: str) -> str:
        """A salted hash of the key, different every time."""
        return (await self._run(lambda: self._bcrypt.hash(key.encode(), self._cost))).decode()

    async def matches(self, key: str, hash: str) -> bool:
        """Whether the hash is of this key; a stored text that is no hash matches nothing."""
        return await self._run(lambda: self._verify(key, hash))

    def _verify(self, key: str, hash: str) -> bool:
        try:
            return self._bcrypt.matches(key.encode(), hash.encode())
        except ValueError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise ShuttingDown()
        if self._taken >= self._room:
            raise Overloaded("too many API keys are being checked at once")
        self._taken += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(self._leave)
        await asyncio.wait([future])
        if future.cancelled():  # by `close`, while it waited for a thread
            raise ShuttingDown()
        return future.result()

    def _leave(self, future: "asyncio.Future[T]") -> None:
        self._taken -= 1
        if not future.cancelled():
            future.exception()  # taken, in case whoever waited has gone

    def close(self) -> None:
        self._closed = True
        self._pool.shutdown(wait=True, cancel_futures=True)
