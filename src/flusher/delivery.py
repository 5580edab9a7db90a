"""One batch's way to its store: the one classification of what a store answers, and bisecting.

A fate is a value; whoever gets it decides about circuits and the journal, nobody else retries.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from core.model.errors import StoreError, StoreRefused
from core.model.tenant import Binding
from core.ports import EventStore, Parcel
from flusher.parcels import halves, joined

MAX_ATTEMPTS: Final = 256
"""Appends that one turn of bisecting may cost."""
MAX_REFUSED_IN_ROW: Final = 20
"""More single refusals than this without one success between: the fault is probably ours."""
_REASON_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Delivered:
    """The store has all of it."""


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """The store cannot take it now; not before `delay` seconds (0: as the circuit says)."""

    delay: float
    reason: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """The store refuses it for good."""

    reason: str


Fate = Delivered | RetryAfter | Rejected


def fate_of(error: StoreError) -> RetryAfter | Rejected:
    """What a store's error means for the batch."""
    reason = f"{error.code}: {error.message}"[:_REASON_LENGTH]
    if isinstance(error, StoreRefused):
        return Rejected(reason)
    return RetryAfter(float(error.retry_after or 0), reason)


async def deliver(store: EventStore, binding: Binding, parcel: Parcel, timeout: float) -> Fate:
    """Sends one parcel, at most `timeout` seconds long. Never raises for the store's faults."""
    try:
        async with asyncio.timeout(timeout):
            await store.append(binding, parcel)
    except StoreError as error:
        return fate_of(error)
    except TimeoutError:
        return RetryAfter(0.0, f"store_timeout: no answer within {timeout:g} s")
    return Delivered()


@dataclass(frozen=True, slots=True)
class Leftover:
    """What could not be delivered for now, and why."""

    parcel: Parcel
    fate: RetryAfter


class Delivery:
    """Sends one batch in as many pieces as its store's refusals make necessary."""

    def __init__(
        self,
        *,
        left_of: Callable[[Parcel], Awaitable[Parcel | None]],
        send: Callable[[Parcel], Awaitable[Fate]],
        accepted: Callable[[Parcel], Awaitable[None]],
        refused: Callable[[Parcel, str], Awaitable[None]],
        is_sound: Callable[[], Awaitable[RetryAfter | None]],
    ) -> None:
        """`left_of` says what of a piece is still to be sent. `accepted` is called for each piece as
        soon as the store has it, `refused` for each memory that stood alone, once that is
        trustworthy; `is_sound` is asked before a refusal is believed that no success contradicts.
        """
        self._left_of = left_of
        self._send = send
        self._accepted = accepted
        self._refused = refused
        self._is_sound = is_sound
        self._alone: list[tuple[Parcel, str]] = []
        self._any_success = False
        self.attempts = 0

    async def carry(self, parcel: Parcel) -> Leftover | None:
        """Every memory ends accepted, refused, left out, or in what is returned. Called once.

        A refused batch is halved until the bad memory stands alone. Too many refusals in a row
        are not believed: then nothing is wrong with the memories, but with us or the store.
        """
        todo = [parcel]
        while todo:
            part = await self._left_of(todo.pop())
            if part is None:
                continue
            fate = await self._try(part)
            if isinstance(fate, RetryAfter):
                return self._leftover([*todo, part], fate)
            if isinstance(fate, Rejected) and part.count > 1:
                todo += reversed(halves(part))
            elif isinstance(fate, Rejected):
                self._alone.append((part, fate.reason))
                if len(self._alone) > MAX_REFUSED_IN_ROW:
                    reason = f"{len(self._alone)} memories refused in a row, the last: {fate.reason}"
                    return self._leftover(todo, RetryAfter(0.0, reason[:_REASON_LENGTH]))
        if self._alone and not self._any_success and (unsound := await self._is_sound()):
            return self._leftover([], unsound)
        await self._bury()
        return None

    async def _try(self, part: Parcel) -> Fate:
        if self.attempts >= MAX_ATTEMPTS:
            return RetryAfter(0.0, f"still bisecting after {self.attempts} attempts")
        self.attempts += 1
        fate = await self._send(part)
        if isinstance(fate, Delivered):
            self._any_success = True
            await self._accepted(part)
            await self._bury()
        return fate

    async def _bury(self) -> None:
        alone, self._alone = self._alone, []
        for parcel, reason in alone:
            await self._refused(parcel, reason)

    def _leftover(self, todo: list[Parcel], fate: RetryAfter) -> Leftover:
        parts = [*todo, *(parcel for parcel, _ in self._alone)]
        return Leftover(joined(sorted(parts, key=lambda p: p.times[0])), fate)
