"""What a buffered writer holds: memories that wait, that are on their way, and failures nobody was told of.

Together they are bounded. No I/O, no locks, and time comes in as an argument.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ._calls import Call, add_encoded, encoded, fields_of
from .exceptions import BufferedWriteError, MemtraceError
from .models import AddedMemories, AddMemoryRequest

_BATCH_BYTES: Final = 1024 * 1024
_SENT_WHOLE: Final = frozenset({400, 413, 422})
"""Statuses that a batch gets for one of its memories, or for its size."""


@dataclass(frozen=True)
class WriteResult:
    """What became of one memory.

    `created`: it is stored. `duplicate`: an equal one was there. `failed`: `error` says why; after a
    connection that broke it may be stored all the same. `id` is that of the stored memory, if known.
    """

    request: AddMemoryRequest
    status: Literal["created", "duplicate", "failed"]
    id: str | None = None
    error: Exception | None = None


@dataclass(frozen=True)
class WriteCounts:
    """How many memories a writer has settled so far."""

    created: int = 0
    duplicates: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Entry:
    """A memory as it was when it was taken; changing the request afterwards changes nothing."""

    request: AddMemoryRequest
    payload: bytes

    @classmethod
    def of(cls, request: AddMemoryRequest) -> Entry:
        """Raises ValueError or TypeError for what JSON cannot hold."""
        return cls(request.model_copy(deep=True), encoded(fields_of(request)))


class Buffer:
    """Bounded by number and by bytes; first in, first out."""

    def __init__(self, *, max_batch: int, max_delay: float, max_pending: int, max_pending_bytes: int) -> None:
        if min(max_batch, max_pending, max_pending_bytes) < 1 or max_delay < 0:
            raise ValueError("bounds of a buffer must be positive")
        self._max_batch = min(max_batch, 1_000)
        self._max_delay = max_delay
        self._max_pending = max_pending
        self._max_bytes = max_pending_bytes
        self._waiting: deque[Entry] = deque()
        self._taken: deque[Entry] = deque()
        self._bytes = 0
        self._failed_bytes = 0
        self._oldest = 0.0
        self._failures: list[WriteResult] = []
        self.put_so_far = 0
        self.settled_so_far = 0
        self.counts = WriteCounts()

    @property
    def pending(self) -> int:
        """How many memories are neither stored nor known to have failed."""
        return len(self._waiting) + len(self._taken)

    def has_room(self, entry: Entry) -> bool:
        """One memory always fits into an empty buffer, however large."""
        held = self.pending + len(self._failures)
        fits = self._bytes + len(entry.payload) <= self._max_bytes
        return held < self._max_pending and (fits or held == 0)

    def is_stuck(self, entry: Entry) -> bool:
        """Whether only telling of failures can make room."""
        return self.pending == 0 and not self.has_room(entry)

    def put(self, entry: Entry, now: float) -> None:
        """Takes it, room or not."""
        if not self._waiting:
            self._oldest = now
        self._waiting.append(entry)
        self._bytes += len(entry.payload)
        self.put_so_far += 1

    def due_in(self, now: float, hurry: bool) -> float | None:
        """Seconds until a batch should go; `None` while nothing waits."""
        if not self._waiting:
            return None
        if hurry or len(self._waiting) >= self._max_batch:
            return 0.0
        return max(0.0, self._oldest + self._max_delay - now)

    def take(self, now: float) -> list[Entry]:
        """The next batch, the oldest first; it counts as pending until it is settled."""
        batch: list[Entry] = []
        size = 0
        while self._waiting and len(batch) < self._max_batch:
            size += len(self._waiting[0].payload)
            if batch and size > _BATCH_BYTES:
                break
            batch.append(self._waiting.popleft())
        self._oldest = now
        self._taken.extend(batch)
        return batch

    def settle(self, results: Sequence[WriteResult], *, told: bool) -> None:
        """The results of the oldest memories that were taken. Failures are kept unless they were told."""
        made = {"created": 0, "duplicate": 0, "failed": 0}
        for result in results:
            size = len(self._taken.popleft().payload)
            made[result.status] += 1
            if result.status == "failed" and not told:
                self._failures.append(result)
                self._failed_bytes += size
            else:
                self._bytes -= size
        self.settled_so_far += len(results)
        self.counts = WriteCounts(
            self.counts.created + made["created"],
            self.counts.duplicates + made["duplicate"],
            self.counts.failed + made["failed"],
        )

    def abandon(self, error: Exception) -> list[WriteResult]:
        """What is pending becomes failures, as nobody will store it any more; settle them."""
        self._taken.extend(self._waiting)
        self._waiting.clear()
        return [WriteResult(entry.request, "failed", error=error) for entry in self._taken]

    def tell(self) -> list[WriteResult]:
        """The failures nobody was told of; they leave the buffer."""
        failures, self._failures = self._failures, []
        self._bytes -= self._failed_bytes
        self._failed_bytes = 0
        return failures


def not_sent() -> MemtraceError:
    """Why a memory failed that was left when time was up."""
    error = MemtraceError("not stored before the writer was closed")
    error.code = "not_sent"
    return error


def unwritten(failures: Sequence[WriteResult]) -> BufferedWriteError:
    """The error that tells of them."""
    return BufferedWriteError(f"{len(failures)} memories were not stored: {failures[0].error}", failures)


Outcome: TypeAlias = "AddedMemories | Exception"


class Delivery:
    """A batch on its way. A memory that the server refuses does not take the others of its batch with it."""

    def __init__(self, batch: Sequence[Entry]) -> None:
        self._rest = [list(batch)]

    @property
    def call(self) -> Call[AddedMemories] | None:
        """What to send next; `None` when all is settled."""
        return add_encoded([entry.payload for entry in self._rest[-1]]) if self._rest else None

    def answered(self, outcome: Outcome) -> list[WriteResult]:
        """What that came to, in the order of the batch; nothing where it has to be sent in smaller parts."""
        part = self._rest.pop()
        if isinstance(outcome, AddedMemories):
            return _stored(part, outcome)
        if smaller := _apart(part, outcome):
            self._rest.extend(reversed(smaller))
            return []
        return [WriteResult(entry.request, "failed", error=outcome) for entry in part]


def _apart(part: list[Entry], error: Exception) -> list[list[Entry]]:
    """Smaller batches, the refused memory alone where the server named it; none where that is of no use."""
    if len(part) < 2 or not isinstance(error, MemtraceError) or error.status_code not in _SENT_WHOLE:
        return []
    index = error.index
    if index is not None and 0 <= index < len(part):
        return [some for some in (part[:index], part[index : index + 1], part[index + 1 :]) if some]
    return [part[: len(part) // 2], part[len(part) // 2 :]]


def _stored(part: list[Entry], added: AddedMemories) -> list[WriteResult]:
    if added.results is not None and len(added.results) == len(part):
        # A status of a newer server is one of a memory that is stored.
        return [
            WriteResult(entry.request, "duplicate" if told.status == "duplicate" else "created", told.id)
            for entry, told in zip(part, added.results, strict=True)
        ]
    # A server without results leaves duplicates out, and keeps the order of the others.
    new = deque(added)
    results = []
    for entry in part:
        asked = entry.request
        if new and (new[0].agent_id, new[0].content) == (asked.agent_id, asked.content):
            results.append(WriteResult(asked, "created", new.popleft().id))
        else:
            results.append(WriteResult(asked, "duplicate"))
    return results
