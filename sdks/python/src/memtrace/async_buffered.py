"""A writer for asyncio that stores memories in batches, in the background."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TypeVar

from typing_extensions import Self, Unpack

from ._buffer import Buffer, Delivery, Entry, Outcome, WriteCounts, WriteResult, not_sent, unwritten
from ._calls import Call
from ._retries import is_for_now, pause_after
from ._shortcuts import DecisionFields, MemoryFields, decided, remembered
from .buffered import CLOSE_SECONDS
from .exceptions import BufferFullError
from .models import AddedMemories, AddMemoryRequest

Run = Callable[[Call[AddedMemories]], Awaitable[AddedMemories]]
T = TypeVar("T")


class AsyncBufferedWriter:
    """Takes memories at once, stores them in order, and answers for each: stored, or told as failed.

    While the server cannot take them they wait, and a full buffer makes `add` wait. Failures go to
    `on_result`, or are raised by the next `flush` or `close`; until then they hold their room. It belongs to
    one event loop, and has to be closed before that ends.
    """

    def __init__(
        self,
        run: Run,
        *,
        max_batch: int,
        max_delay: float,
        max_pending: int,
        max_pending_bytes: int,
        on_result: Callable[[WriteResult], object] | None = None,
        on_retry: Callable[[Exception], object] | None = None,
    ) -> None:
        """`on_result` is called for each memory, `on_retry` whenever the server could not take some for now.

        Both in the event loop.
        """
        self._run = run
        self._buffer = Buffer(
            max_batch=max_batch,
            max_delay=max_delay,
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
        )
        self._on_result = on_result
        self._on_retry = on_retry
        self._changed = asyncio.Event()
        self._hurry = 0
        self._urged = 0
        self._stuck: Exception | None = None
        self._misses = 0
        self._stalls = 0
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._callback_error: Exception | None = None

    @property
    def pending(self) -> int:
        """How many memories are neither stored nor known to have failed."""
        return self._buffer.pending

    @property
    def counts(self) -> WriteCounts:
        """What became of the others, so far."""
        return self._buffer.counts

    async def add(self, request: AddMemoryRequest, *, timeout: float | None = None) -> None:
        """Takes a memory as it is now; waits while the buffer is full.

        It was not taken if this raises: BufferFullError after `timeout` seconds without room,
        BufferedWriteError where the room is full of failures, RuntimeError when closed, ValueError or
        TypeError for what JSON cannot hold.
        """
        entry = Entry.of(request)
        if not self._has_to_wait(entry):
            timeout = None
        try:
            await asyncio.wait_for(self._take(entry), timeout)
        except asyncio.TimeoutError:
            raise BufferFullError(f"{self.pending} memories wait to be stored") from self._stuck

    async def remember(self, agent_id: str, content: str, **fields: Unpack[MemoryFields]) -> None:
        """`add` of what the client's `remember` stores."""
        await self.add(remembered(agent_id, content, **fields))

    async def decide(
        self, agent_id: str, decision: str, reasoning: str, **fields: Unpack[DecisionFields]
    ) -> None:
        """`add` of what the client's `decide` stores."""
        await self.add(decided(agent_id, decision, reasoning, **fields))

    async def flush(self, timeout: float | None = None) -> WriteCounts:
        """Returns when all that was added before is settled.

        Raises what keeps the server from taking it for now, or TimeoutError: the memories wait on. Raises
        BufferedWriteError with the failures nobody was told of, or what a listener raised.
        """
        until = self._buffer.put_so_far
        if self._buffer.settled_so_far >= until:
            timeout = None
        self._hurry += 1
        self._urge()
        try:
            await asyncio.wait_for(self._settled(until, self._stalls), timeout)
        except asyncio.TimeoutError:
            message = f"{self.pending} memories are still to be stored after {timeout} seconds"
            raise TimeoutError(message) from self._stuck
        finally:
            self._hurry -= 1
        return self._tell()

    async def close(self, timeout: float | None = CLOSE_SECONDS) -> WriteCounts:
        """Stores what is left, and takes nothing any more. May be called again.

        While the server cannot take it, it tries on for `timeout` seconds; what is not stored then has
        failed, what is on its way too. Raises as `flush` does when all is settled.
        """
        await self._finish(timeout)
        return self._tell()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            await self.close()
        else:
            # Nothing may stand in the way of a cancellation; a further `close` raises what failed.
            await self._finish(CLOSE_SECONDS)

    async def _finish(self, timeout: float | None) -> None:
        self._closed = True
        self._urge()
        task = self._task
        if task is None:
            return
        try:
            await asyncio.wait({task}, timeout=timeout)
        finally:
            # Also when this wait is cancelled: nothing goes on behind the caller's back.
            task.cancel()
        await asyncio.wait({task})

    def _tell(self) -> WriteCounts:
        failures, counts = self._buffer.tell(), self._buffer.counts
        error, self._callback_error = self._callback_error, None
        self._notify()
        if failures:
            raise unwritten(failures) from failures[0].error
        if error is not None:
            raise error
        return counts

    def _has_to_wait(self, entry: Entry) -> bool:
        return not (self._closed or self._buffer.has_room(entry) or self._buffer.is_stuck(entry))

    async def _take(self, entry: Entry) -> None:
        while self._has_to_wait(entry):
            await self._changed.wait()
        if self._closed:
            raise RuntimeError("the buffered writer is closed")
        if self._buffer.is_stuck(entry):
            failures = self._buffer.tell()
            raise unwritten(failures) from failures[0].error
        self._buffer.put(entry, time.monotonic())
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="memtrace-buffer")
        self._notify()

    async def _settled(self, until: int, stalls: int) -> None:
        while self._buffer.settled_so_far < until:
            if self._stuck is not None and self._stalls > stalls:
                raise self._stuck
            await self._changed.wait()

    def _urge(self) -> None:
        """Ends a pause between turns."""
        self._urged += 1
        self._notify()

    def _notify(self) -> None:
        """Wakes all who wait, and lets the next ones wait for the next change."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _work(self) -> None:
        try:
            while batch := await self._next():
                delivery = Delivery(batch)
                while call := delivery.call:
                    self._settle(delivery.answered(await self._attempt(call)))
        finally:
            if self._buffer.pending and not self._closed:
                # The loop ends, or a listener ended this task, and perhaps nobody will ask.
                message = (
                    f"{self._buffer.pending} memories were not stored: the buffered writer was not closed"
                )
                warnings.warn(message, RuntimeWarning, stacklevel=1)
            self._closed = True
            self._settle(self._buffer.abandon(self._stuck or not_sent()))

    async def _next(self) -> list[Entry]:
        """The next batch; none when closed and empty."""
        while True:
            now = time.monotonic()
            due = self._buffer.due_in(now, self._closed or self._hurry > 0)
            if due == 0.0:
                return self._buffer.take(now)
            if due is None and self._closed:
                return []
            await self._change_within(due)

    async def _attempt(self, call: Call[AddedMemories]) -> Outcome:
        """What comes of the call. It is sent again, as it is, while the server cannot take it for now."""
        while True:
            try:
                outcome: Outcome = await self._run(call)
            except Exception as e:  # noqa: BLE001 - whatever it is, it is told with each memory
                outcome = e
            if not (isinstance(outcome, Exception) and is_for_now(outcome)):
                self._stuck, self._misses = None, 0
                return outcome
            await self._stall(outcome)

    async def _stall(self, error: Exception) -> None:
        """Says that the server cannot take memories for now, and waits until it is worth another turn."""
        self._misses += 1
        self._stalls += 1
        self._stuck = error
        urged = self._urged
        self._notify()
        self._tell_listener(self._on_retry, error)
        until = time.monotonic() + pause_after(self._misses, error)
        while self._urged == urged:
            await self._change_within(max(0.0, until - time.monotonic()))
            if time.monotonic() >= until:
                return

    async def _change_within(self, seconds: float | None) -> None:
        """Until something changes, or for so long.

        Not by `wait_for`: before Python 3.12 it swallows a cancellation that comes with what it waits for.
        """
        timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._notify)
        try:
            await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def _settle(self, results: list[WriteResult]) -> None:
        try:
            self._call_back(results)
        finally:
            self._buffer.settle(results, told=self._on_result is not None)
            self._notify()

    def _call_back(self, results: list[WriteResult]) -> None:
        for result in results:
            self._tell_listener(self._on_result, result)

    def _tell_listener(self, listener: Callable[[T], object] | None, told: T) -> None:
        if listener is None:
            return
        try:
            listener(told)
        except Exception as e:  # noqa: BLE001 - the caller's code; raised by the next flush or close
            self._callback_error = self._callback_error or e
