"""A writer for threads that stores memories in batches, in the background."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, TypeVar

from typing_extensions import Self, Unpack

from ._buffer import Buffer, Delivery, Entry, Outcome, WriteCounts, WriteResult, not_sent, unwritten
from ._calls import Call
from ._retries import is_for_now, pause_after
from ._shortcuts import DecisionFields, MemoryFields, decided, remembered
from .exceptions import BufferFullError
from .models import AddedMemories, AddMemoryRequest

__all__ = ["BufferedWriter", "WriteCounts", "WriteResult"]

CLOSE_SECONDS: Final = 60.0
T = TypeVar("T")
Run = Callable[[Call[AddedMemories], Callable[[float], object]], AddedMemories]


class BufferedWriter:
    """Takes memories at once, stores them in order, and answers for each: stored, or told as failed.

    While the server cannot take them they wait, and a full buffer makes `add` wait. Failures go to
    `on_result`, or are raised by the next `flush` or `close`; until then they hold their room. Threads may
    share it. A program that ends without closing it closes it while it ends.
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

        Both in the writer's own thread; they must not call the writer.
        """
        self._run = run
        self._process = os.getpid()
        self._buffer = Buffer(
            max_batch=max_batch,
            max_delay=max_delay,
            max_pending=max_pending,
            max_pending_bytes=max_pending_bytes,
        )
        self._on_result = on_result
        self._on_retry = on_retry
        self._changed = threading.Condition()
        self._gave_up = threading.Event()
        self._hurry = 0
        self._urged = 0
        self._stuck: Exception | None = None
        self._misses = 0
        self._stalls = 0
        self._closed = False
        self._ended = False
        self._thread: threading.Thread | None = None
        self._callback_error: Exception | None = None

    @property
    def pending(self) -> int:
        """How many memories are neither stored nor known to have failed."""
        with self._changed:
            return self._buffer.pending

    @property
    def counts(self) -> WriteCounts:
        """What became of the others, so far."""
        with self._changed:
            return self._buffer.counts

    def add(self, request: AddMemoryRequest, *, timeout: float | None = None) -> None:
        """Takes a memory as it is now; waits while the buffer is full.

        It was not taken if this raises: BufferFullError after `timeout` seconds without room,
        BufferedWriteError where the room is full of failures, RuntimeError when closed, ValueError or
        TypeError for what JSON cannot hold.
        """
        self._refuse_other_process()
        entry = Entry.of(request)
        with self._changed:
            self._wait_for_room(entry, timeout)
            if self._closed:
                raise RuntimeError("the buffered writer is closed")
            if self._thread is None:
                self._thread = self._started()
            self._buffer.put(entry, time.monotonic())
            self._changed.notify_all()

    def remember(self, agent_id: str, content: str, **fields: Unpack[MemoryFields]) -> None:
        """`add` of what the client's `remember` stores."""
        self.add(remembered(agent_id, content, **fields))

    def decide(self, agent_id: str, decision: str, reasoning: str, **fields: Unpack[DecisionFields]) -> None:
        """`add` of what the client's `decide` stores."""
        self.add(decided(agent_id, decision, reasoning, **fields))

    def flush(self, timeout: float | None = None) -> WriteCounts:
        """Returns when all that was added before is settled.

        Raises what keeps the server from taking it for now, or TimeoutError: the memories wait on. Raises
        BufferedWriteError with the failures nobody was told of, or what a listener raised.
        """
        self._refuse_other_process()
        self._refuse_own_thread()
        with self._changed:
            until, stalls = self._buffer.put_so_far, self._stalls
            self._hurry += 1
            self._urge()
            try:
                self._changed.wait_for(
                    lambda: self._buffer.settled_so_far >= until or (self._stuck and self._stalls > stalls),
                    timeout,
                )
            finally:
                self._hurry -= 1
            if self._buffer.settled_so_far >= until:
                return self._tell()
            if self._stuck is not None and self._stalls > stalls:
                raise self._stuck
            message = f"{self._buffer.pending} memories are still to be stored after {timeout} seconds"
            raise TimeoutError(message) from self._stuck

    def close(self, timeout: float | None = CLOSE_SECONDS) -> WriteCounts:
        """Stores what is left, and takes nothing any more. May be called again.

        While the server cannot take it, it tries on for `timeout` seconds; then the request under way is
        awaited, and the rest has failed. Raises as `flush` does when all is settled.
        """
        self._refuse_own_thread()
        if os.getpid() != self._process:
            # A copy that a fork made: what it holds is stored by the process that took it.
            return self._buffer.counts
        self._finish(timeout)
        return self._tell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            self.close()
        else:
            # Nothing may stand in the way of an interrupt; a further `close` raises what failed.
            self._finish(CLOSE_SECONDS)

    def _finish(self, timeout: float | None) -> None:
        with self._changed:
            self._closed = True
            self._urge()
            if self._thread is None:
                return
            try:
                # Not by joining: a join that is interrupted takes the thread for ended from then on.
                self._changed.wait_for(lambda: self._ended, timeout)
            finally:
                # Also when this wait is interrupted: the thread ends after its request at the latest.
                self._gave_up.set()
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._ended)
        self._thread.join()
        atexit.unregister(self.close)

    def _tell(self) -> WriteCounts:
        with self._changed:
            failures, counts = self._buffer.tell(), self._buffer.counts
            error, self._callback_error = self._callback_error, None
            self._changed.notify_all()
        if failures:
            raise unwritten(failures) from failures[0].error
        if error is not None:
            raise error
        return counts

    def _wait_for_room(self, entry: Entry, timeout: float | None) -> None:
        def may_go_on() -> bool:
            return self._closed or self._buffer.is_stuck(entry) or self._buffer.has_room(entry)

        if threading.current_thread() is self._thread:
            timeout = 0.0
        if not self._changed.wait_for(may_go_on, timeout):
            raise BufferFullError(f"{self._buffer.pending} memories wait to be stored") from self._stuck
        if self._buffer.is_stuck(entry) and not self._closed:
            failures = self._buffer.tell()
            raise unwritten(failures) from failures[0].error

    def _urge(self) -> None:
        """Ends a pause between turns."""
        self._urged += 1
        self._changed.notify_all()

    def _refuse_own_thread(self) -> None:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a listener must not wait for the writer that calls it")

    def _refuse_other_process(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("the buffered writer was made before a fork; make a client in each process")

    def _started(self) -> threading.Thread:
        thread = threading.Thread(target=self._work, name="memtrace-buffer", daemon=True)
        thread.start()
        atexit.register(self.close)
        return thread

    def _work(self) -> None:
        try:
            while batch := self._next():
                delivery = Delivery(batch)
                while call := delivery.call:
                    self._settle(delivery.answered(self._attempt(call)))
        finally:
            # Nothing is left but where a listener ended this thread.
            with self._changed:
                self._closed = True
                left = self._buffer.abandon(self._stuck or not_sent())
            self._settle(left)
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _next(self) -> list[Entry]:
        """The next batch; none when closed and empty."""
        with self._changed:
            while True:
                now = time.monotonic()
                due = self._buffer.due_in(now, self._closed or self._hurry > 0)
                if due == 0.0:
                    return self._buffer.take(now)
                if due is None and self._closed:
                    return []
                self._changed.wait(due)

    def _attempt(self, call: Call[AddedMemories]) -> Outcome:
        """What comes of the call. It is sent again, as it is, while the server cannot take it for now."""
        while not self._gave_up.is_set():
            try:
                outcome: Outcome = self._run(call, self._pause)
            except Exception as e:  # noqa: BLE001 - whatever it is, it is told with each memory
                outcome = e
            if not (isinstance(outcome, Exception) and is_for_now(outcome)):
                self._stuck, self._misses = None, 0
                return outcome
            self._stall(outcome)
        return self._stuck or not_sent()

    def _stall(self, error: Exception) -> None:
        """Says that the server cannot take memories for now, and waits until it is worth another turn."""
        with self._changed:
            self._misses += 1
            self._stalls += 1
            self._stuck = error
            urged = self._urged
            self._changed.notify_all()
        self._tell_listener(self._on_retry, error)
        pause = pause_after(self._misses, error)
        with self._changed:
            self._changed.wait_for(lambda: self._gave_up.is_set() or self._urged != urged, pause)

    def _pause(self, seconds: float) -> None:
        if self._gave_up.wait(seconds):
            raise self._stuck or not_sent()

    def _settle(self, results: list[WriteResult]) -> None:
        try:
            self._call_back(results)
        finally:
            with self._changed:
                self._buffer.settle(results, told=self._on_result is not None)
                self._changed.notify_all()

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
