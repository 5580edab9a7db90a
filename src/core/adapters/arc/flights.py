"""One run of a question at a time, shared by all who ask it meanwhile."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Flights(Generic[K, T]):
    """Lives on one event loop. Who gives up waiting ends nothing for the others."""

    def __init__(self) -> None:
        self._running: dict[K, asyncio.Task[T]] = {}

    def __len__(self) -> int:
        return len(self._running)

    async def join(self, key: K, run: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the run under this key answers or raises; `run` is begun where there is none."""
        return await asyncio.shield(self.begin(key, run))

    def begin(self, key: K, run: Callable[[], Coroutine[Any, Any, T]]) -> "asyncio.Task[T]":
        """Likewise, without waiting."""
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(run())
            task.add_done_callback(lambda done: self._ended(key, done))
        return task

    def _ended(self, key: K, task: "asyncio.Task[T]") -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            task.exception()  # taken note of, should nobody wait any more

    def close(self) -> None:
        """Whoever still waits is cancelled."""
        for task in list(self._running.values()):
            task.cancel()
