"""A queue that several flushers share, as SQS is one: at least once, in any order, hidden for a while."""

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from core.model.errors import QueueError
from core.model.memory import Micros, OrgId, encode
from core.ports import Parcel, Receipt
from tests.clock import ManualClock

VISIBILITY = 180.0


def parcel_of(receipts: Sequence[Receipt]) -> Parcel:
    """What the edge sends after an append: what was created."""
    memories = [r.memory for r in receipts if r.memory is not None]
    lines = b"\n".join(encode(m) for m in memories)
    return Parcel(OrgId(memories[0].org_id), tuple(m.time for m in memories), lines)


@dataclass
class Message:
    parcel: Parcel
    visible_at: float
    receives: int = 0
    holder: "LineEnd | None" = None


class Line:
    """The queue itself. `messages` are those that nobody has deleted."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.messages: dict[int, Message] = {}
        self._numbers = itertools.count()
        self.ends: list[LineEnd] = []
        self.broken = False
        """Whether every call fails."""
        self.order: Callable[[list[int]], Iterable[int]] = list

    def send(self, parcel: Parcel, *, delay: float = 0.0) -> int:
        number = next(self._numbers)
        self.messages[number] = Message(parcel, self.clock.monotonic() + delay)
        return number

    def end(self) -> "LineEnd":
        self.ends.append(LineEnd(self))
        return self.ends[-1]

    @property
    def in_flight(self) -> int:
        """Messages that somebody has received and not deleted, and nobody else may have now."""
        return sum(m.visible_at > self.clock.monotonic() and m.receives > 0 for m in self.messages.values())

    def check(self) -> None:
        if self.broken:
            raise QueueError("the queue does not answer")


class LineEnd:
    """One flusher's `Queue`. It keeps what it has received hidden for as long as it is asked for more."""

    is_shared = True

    def __init__(self, line: Line) -> None:
        self._line = line
        self._taken: dict[int, set[Micros]] = {}
        self.closed = 0
        self.close_hangs = False

    async def receive(self, max_count: int, max_bytes: int) -> list[Parcel]:
        self._line.check()
        self._extend()
        now = self._line.clock.monotonic()
        parcels: list[Parcel] = []
        visible = [n for n, m in self._line.messages.items() if m.visible_at <= now]
        for number in self._line.order(visible):
            message = self._line.messages[number]
            if parcels and sum(p.count for p in [*parcels, message.parcel]) > max_count:
                break
            message.visible_at, message.holder = now + VISIBILITY, self
            message.receives += 1
            self._taken[number] = set(message.parcel.times)
            parcels.append(message.parcel)
        return parcels

    def _extend(self) -> None:
        now = self._line.clock.monotonic()
        for number in self._taken:
            message = self._line.messages.get(number)
            if message is not None and message.holder is self and message.visible_at > now:
                message.visible_at = now + VISIBILITY

    async def ack(self, parcels: Sequence[Parcel]) -> None:
        self._line.check()
        for parcel in parcels:
            for number, left in list(self._taken.items()):
                message = self._line.messages.get(number)
                if message is None or message.parcel.org_id != parcel.org_id:
                    continue
                left.difference_update(parcel.times)
                if not left:
                    del self._taken[number]
                    if message.holder is self:  # a handle that is not the newest deletes nothing
                        del self._line.messages[number]

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(0.001)

    async def close(self) -> None:
        self.closed += 1
        if self.close_hangs:
            await asyncio.Event().wait()
        self._line.check()
        for number in self._taken:
            message = self._line.messages.get(number)
            if message is not None and message.holder is self:
                message.visible_at = self._line.clock.monotonic()
        self._taken.clear()
