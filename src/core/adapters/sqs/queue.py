"""The flusher's end of an SQS queue: received ahead, hidden while in hand, deleted once that is safe."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from core import telemetry
from core.adapters.aws.api import AwsApi
from core.adapters.sqs.holding import Held, Holding
from core.adapters.sqs.receipts import Receipts
from core.adapters.sqs.receiving import Receiver
from core.model.envelope import Unpacked, unpack
from core.model.errors import MessageUnreadable
from core.model.memory import Micros, OrgId
from core.ports import Clock, Parcel
from core.telemetry import Metrics

_LONGEST: Final = 43_200.0
"""Seconds that SQS hides a message in all, by one receipt."""
_SPOILT: Final = 10.0
"""Seconds after which a message that nobody can read comes again, until it is a dead letter."""
OFTEN: Final = 3
"""Receives from which on a message that can be read is deleted at once, before the queue gives it up."""
_ASKED: Final = 5.0
"""Seconds without a question after which no more is received ahead."""
_TOLD: Final = 1_000
_AGAIN: Final = 1.0
"""Seconds until what the queue did not do is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """What may be in hand. A poll under way may exceed it by its ten messages."""

    ahead: int = 1_000
    """Messages received and not asked for yet."""
    ahead_bytes: int = 16 << 20
    """Of their bodies."""
    held: int = 20_000
    """Messages in all, those that wait for their memories or to be deleted among them; SQS allows 120,000."""
    closing: float = 4.0
    """Seconds that `close` takes at most."""


class SqsQueue:
    """Implements `Queue`: at least once. Lives on the loop that first asks it."""

    is_shared: Final = True

    def __init__(
        self,
        *,
        api: AwsApi,
        url: str,
        visibility: float,
        clock: Clock,
        metrics: Metrics,
        pause: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
        limits: QueueLimits | None = None,
    ) -> None:
        """`visibility` in seconds; it is extended at half time, for as long as a message is in hand."""
        self._visibility = visibility
        self._clock = clock
        self._pause = pause
        self._limits = limits or QueueLimits()
        self._receipts = Receipts(api=api, url=url)
        self.holding: Final = Holding()
        self.receiver: Final = Receiver(
            api=api,
            url=url,
            visibility=visibility,
            holding=self.holding,
            monotonic=clock.monotonic,
            metrics=metrics,
            pause=pause,
            may_receive=self._may_receive,
            came=self._came,
        )
        self._ahead: deque[tuple[Held, Unpacked | None]] = deque()
        self._ahead_bytes = 0
        self._asked_at = 0.0
        self._done: list[Held] = []
        self._spoilt: list[Held] = []
        self._told: OrderedDict[str, None] = OrderedDict()
        self._news = asyncio.Event()
        self._work = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._is_closed = False

    async def receive(self, max_count: int, max_bytes: int) -> list[Parcel]:
        self._asked()
        opened: dict[OrgId, list[Unpacked]] = {}
        count = size = 0
        while self._ahead:
            held, unpacked = self._ahead[0]
            unpacked = unpacked or self._opened(held)
            if unpacked is not None:
                count, size = count + len(unpacked.times), size + len(unpacked.lines)
                if opened and (count > max_count or size > max_bytes):
                    self._ahead[0] = (held, unpacked)
                    break
                self._take_up(held, unpacked)
                opened.setdefault(unpacked.org_id, []).append(unpacked)
            self._ahead.popleft()
        if not self._ahead:
            self._news.clear()
        self.receiver.nudge()
        return [_parcel(org_id, parts) for org_id, parts in opened.items()]

    async def ack(self, parcels: Sequence[Parcel]) -> None:
        """Returns at once: what is done with is deleted soon, and hidden until then."""
        for held in [held for p in parcels for held in self.holding.ack(p.org_id, p.times)]:
            self._finish(held)

    async def wait(self, seconds: float) -> None:
        self._asked()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return

    async def close(self) -> None:
        """Deletes what is done with, shows the rest to others; where time runs out they see it later."""
        if self._is_closed:
            return
        self._is_closed = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        share = self._limits.closing / 8
        await self.receiver.close(share)
        done = [held for held in self.holding.ours() if held.is_done]
        rest = [held for held in self.holding.ours() if not held.is_done]
        try:
            async with asyncio.timeout(6 * share):
                await asyncio.gather(
                    self._receipts.delete(done, 3 * share), self._receipts.hide(rest, 0, 3 * share)
                )
        except TimeoutError:
            return

    async def tidy(self) -> bool:
        """One turn: deletes what is done with, sends off what nobody can read. True: not all was deleted."""
        done, self._done = self._done, []
        spoilt, self._spoilt = self._spoilt, []
        # What is not sent off now comes again when its time is over.
        deleting, _ = await asyncio.gather(
            self._receipts.delete(done, self._patience),
            self._receipts.hide(spoilt, _SPOILT, self._patience),
        )
        for held in deleting.done + deleting.stale:
            self.holding.finish(held)
        self._done += deleting.failed
        self.receiver.nudge()
        return bool(self._done)

    async def extend(self) -> None:
        """One turn: what others would see before long is hidden anew, if it may be hidden any longer."""
        now = self._clock.monotonic()
        ending: list[Held] = []
        for held in self.holding.ending(now + self._visibility / 2):
            if held.received + _LONGEST >= now + self._visibility + self._patience:
                ending.append(held)
            elif held.hidden_until <= now:
                self._lose(held)
        outcome = await self._receipts.hide(ending, self._visibility, self._patience)
        for held in outcome.done:
            held.hidden_until = now + self._visibility
        for held in outcome.stale:
            self._lose(held)

    @property
    def _patience(self) -> float:
        """Seconds for one call: several of them fit between two turns of `extend`, and the end."""
        return max(2.0, self._visibility / 12)

    def _may_receive(self) -> bool:
        limits = self._limits
        return (
            self._clock.monotonic() - self._asked_at < _ASKED
            and len(self._ahead) < limits.ahead
            and self._ahead_bytes < limits.ahead_bytes
            and len(self.holding) < limits.held
        )

    def _came(self, held: Held) -> None:
        if held.is_done:
            self._finish(held)
            return
        self._ahead.append((held, None))
        self._ahead_bytes += len(held.body)
        self._news.set()

    def _opened(self, held: Held) -> Unpacked | None:
        """None: nobody can read it, or it is lost and comes again."""
        self._ahead_bytes -= len(held.body)
        if held.is_lost:
            self.holding.forget(held)
            return None
        try:
            return unpack(held.body)
        except MessageUnreadable as error:
            self._spoil(held, error.message)
            return None

    def _take_up(self, held: Held, unpacked: Unpacked) -> None:
        """One that nobody lived to deliver is left to the journal, before it is a dead letter."""
        if held.receives >= OFTEN:
            self.holding.open_done(held)
            self._finish(held)
        else:
            self.holding.open(held, unpacked.org_id, unpacked.times)

    def _spoil(self, held: Held, reason: str) -> None:
        self.holding.forget(held)
        self._spoilt.append(held)
        self._work.set()
        if held.id not in self._told:
            telemetry.error("message_unreadable", message_id=held.id, bytes=len(held.body), reason=reason)
        self._told[held.id] = None
        if len(self._told) > _TOLD:
            self._told.popitem(last=False)

    def _finish(self, held: Held) -> None:
        """Its memories are taken care of."""
        if held.is_lost:
            self.holding.finish(held)
        else:
            self._done.append(held)
            self._work.set()

    def _lose(self, held: Held) -> None:
        """Others may see it. What came of it is delivered all the same; it does no harm twice."""
        held.is_lost = True
        if held.is_done:
            self.holding.finish(held)

    def _asked(self) -> None:
        self._asked_at = self._clock.monotonic()
        if self._is_closed:
            return
        for name, work in (("tidy", self._tidy_on), ("extend", self._extend_on)):
            if name not in self._tasks or self._tasks[name].done():
                self._tasks[name] = asyncio.create_task(work(), name=f"memtrace sqs {name}")
        self.receiver.nudge()

    async def _tidy_on(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            if await self.tidy():
                self._work.set()
                await self._pause(_AGAIN)

    async def _extend_on(self) -> None:
        while True:
            await self._pause(self._visibility / 12)
            await self.extend()


def _parcel(org_id: OrgId, parts: Sequence[Unpacked]) -> Parcel:
    """All of one org as one parcel, in the order of time, each memory once."""
    if all(a.times[-1] < b.times[0] for a, b in pairwise(parts)):
        times = tuple(time for part in parts for time in part.times)
        return Parcel(org_id, times, b"\n".join(part.lines for part in parts))
    rows: dict[Micros, bytes] = {}
    for part in parts:
        rows.update(zip(part.times, part.lines.split(b"\n"), strict=True))
    return Parcel(org_id, tuple(sorted(rows)), b"\n".join(rows[time] for time in sorted(rows)))
