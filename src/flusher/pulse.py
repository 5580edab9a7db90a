"""Whether a flusher lives: its main loop turns, and the journal answers. An orchestrator asks for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

from core.model.errors import MemtraceError
from core.ports import Clock

Role = Literal["lease", "deliveries", "standby", "stopping"]
"""It does everything; it delivers what a shared queue gives it; it waits for the lease; it ends."""
LONGEST_TURN: Final = 30.0
"""Seconds: a turn waits for the journal alone, and each of its calls has a bound far below."""
ANSWER_WITHIN: Final = 3.0
"""Below the timeout that a health check usually has, so that its log has our words."""


@dataclass(frozen=True, slots=True)
class Verdict:
    role: Role
    turned: float
    """Seconds since the main loop's last turn."""
    held_bytes: int
    reason: str = ""
    """Why it does not live; empty where it does."""

    @property
    def lives(self) -> bool:
        return not self.reason


class Pulse:
    """Told of every turn."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._turned_at = clock.monotonic()
        self.is_stopping = False
        """It turns no more, and ends in time by other means."""

    def turned(self) -> None:
        self._turned_at = self._clock.monotonic()

    def since_turn(self) -> float:
        return 0.0 if self.is_stopping else self._clock.monotonic() - self._turned_at


async def verdict(
    pulse: Pulse, *, role: Role, held_bytes: int, ask_journal: Callable[[], Awaitable[object]]
) -> Verdict:
    """Asks the journal, for `ANSWER_WITHIN` seconds at most. Never raises for its faults."""
    reason, turned = "", pulse.since_turn()
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            await ask_journal()
    except TimeoutError:
        reason = f"the journal did not answer within {ANSWER_WITHIN:g} s"
    except MemtraceError as error:
        reason = f"the journal does not answer: {error.message}"
    if turned > LONGEST_TURN:
        reason = f"the main loop has not turned for {turned:.0f} s"
    return Verdict(role, round(turned, 3), held_bytes, reason)
