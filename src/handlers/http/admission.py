"""Who is let in: bounds on requests at once, on one org's part of them, and on how long they wait."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.model.errors import Overloaded, ShuttingDown
from core.model.memory import OrgId
from core.telemetry import Metrics, Refusal
from handlers.arrival import QUEUED, SPARE
from handlers.http.queueing import QueueWatch
from handlers.http.shares import Lack, Shares
from handlers.http.visit import Visit

STRANGERS: Final = OrgId("")
"""Who asks without a key, or with one that is being looked up, holds the share of one org together."""
_RETRY_LATE_SECONDS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How much there is."""

    places: int
    held_bytes: int
    """Of bodies; and as much again of answers that their clients have not taken yet."""
    org_share: float
    queue_seconds: float


class Admission:
    """Lives on one event loop. Every refusal is an Overloaded or ShuttingDown, counted by its reason."""

    def __init__(self, *, room: Room, metrics: Metrics) -> None:
        self._places = Shares(room.places, room.org_share)
        self._bytes = Shares(room.held_bytes, room.org_share)
        self._answers = Shares(room.held_bytes, room.org_share)
        self._queue = QueueWatch(room.queue_seconds)
        self._metrics = metrics
        self._is_stopping = False

    def stop(self) -> None:
        """From now on nobody is let in."""
        self._is_stopping = True

    def check(self, visit: Visit, scope: Mapping[str, Any]) -> None:
        """Refuses while stopping, on a spare connection, and after too long a wait."""
        if self._is_stopping:
            raise ShuttingDown()
        if SPARE in scope:
            raise self._refusal("connections", "too many connections", "use fewer connections")
        if QUEUED in scope:
            return
        if self._queue.is_overdue(visit.spent, visit.started):
            error = self._refusal("queue", "requests wait too long here", "try again later")
            error.retry_after = _RETRY_LATE_SECONDS
            raise error

    def enter(self, org: OrgId) -> None:
        """Takes a place for a request of this org; `leave` gives it back."""
        lack = self._places.take(org)
        if lack is not None:
            raise self._no_room("places", lack, "send fewer requests at a time")

    def leave(self, org: OrgId) -> None:
        self._places.give_back(org)

    def hold(self, org: OrgId, size: int) -> None:
        """Takes room for a body of this size; `release` gives it back."""
        lack = self._bytes.take(org, size)
        if lack is not None:
            raise self._no_room("bytes", lack, "send fewer or smaller requests at a time")

    def release(self, org: OrgId, size: int) -> None:
        self._bytes.give_back(org, size)

    def hold_answer(self, org: OrgId, size: int) -> int:
        """Takes room for an answer of this size; `release_answer` gives back what it took.

        One that is larger than all the room is let through where nobody else holds any.
        """
        units = min(size, self._answers.total)
        lack = self._answers.take(org, units)
        if lack is not None:
            raise self._no_room("bytes", lack, "take answers faster, or ask for smaller pages")
        return units

    def release_answer(self, org: OrgId, units: int) -> None:
        self._answers.give_back(org, units)

    def note_probe(self, visit: Visit) -> None:
        """A probe is always let in; what it waited counts too."""
        self._queue.is_overdue(visit.spent, visit.started)
        if visit.endpoint is not None and visit.endpoint.path == "/metrics":
            self._metrics.gauge("memtrace_loop_lag_seconds", self._queue.longest())

    def _no_room(self, good: Refusal, lack: Lack, hint: str) -> Overloaded:
        if lack == "no share left":
            return self._refusal("org_share", "this organization has too much under way at once", hint)
        error = self._refusal(good, None, hint)
        if good == "places":
            error.fields["max_concurrent"] = self._places.total
        return error

    def _refusal(self, reason: Refusal, message: str | None, hint: str) -> Overloaded:
        self._metrics.count("memtrace_refused_total", 1, reason)
        return Overloaded(message, hint=hint)
