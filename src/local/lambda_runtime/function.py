"""A function with its sandboxes: warm ones are used again, and new ones are started while they may be."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from local.lambda_runtime.outcome import MOST_EVENT_BYTES, EventTooLarge, Outcome, Throttled
from local.lambda_runtime.sandbox import Code, Sandbox


class LambdaFunction:
    """Invoked as Lambda is, synchronously. Lives on one event loop; `close` ends every process."""

    def __init__(self, code: Code, *, concurrency: int = 10, patience: float = 0.0) -> None:
        """`patience`: seconds that an invocation waits for a sandbox, where AWS would start another."""
        self._code = code
        self._places = asyncio.Semaphore(concurrency)
        self._patience = patience
        self._warm: list[Sandbox] = []
        self._busy: set[Sandbox] = set()
        self.cold_starts = 0

    @property
    def sandboxes(self) -> list[Sandbox]:
        """Those that are alive, at work or not."""
        return [*self._warm, *self._busy]

    async def invoke(self, payload: bytes, trace: str = "") -> Outcome:
        """The result, or the error that Lambda tells. Raises Throttled or EventTooLarge.

        A sandbox that could not be started fails this invocation; the next one starts another.
        """
        if len(payload) > MOST_EVENT_BYTES:
            raise EventTooLarge()
        async with self._place():
            return await self._invoked(payload, trace)

    async def _invoked(self, payload: bytes, trace: str) -> Outcome:
        started = await self._warm_one() or await self._cold_one()
        if isinstance(started, Outcome):
            return started
        self._busy.add(started)
        try:
            return await started.invoke(payload, trace)
        finally:
            self._busy.discard(started)
            if started.is_alive:
                self._warm.append(started)
            else:
                await started.kill()  # its API outlives it

    async def recycle(self) -> None:
        """Ends the sandboxes that wait, so that the next invocation is a cold one."""
        waiting, self._warm = self._warm, []
        for sandbox in waiting:
            await sandbox.kill()

    async def close(self) -> None:
        """Ends all of them; may be called twice."""
        await self.recycle()
        for sandbox in list(self._busy):
            await sandbox.kill()

    async def _warm_one(self) -> Sandbox | None:
        while self._warm:
            sandbox = self._warm.pop()
            if sandbox.is_alive:
                return sandbox
            await sandbox.kill()
        return None

    async def _cold_one(self) -> Sandbox | Outcome:
        sandbox = Sandbox(self._code)
        self.cold_starts += 1
        return await sandbox.start() or sandbox

    @contextlib.asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                await self._places.acquire()
        except TimeoutError:
            raise Throttled() from None
        try:
            yield
        finally:
            self._places.release()
