"""How the installation is doing, from what the flusher posted: reading it never touches a store."""

import asyncio
from dataclasses import dataclass
from typing import Final

from core.model.memory import OrgId
from core.ports import BindingStore, Clock, HealthBoard

STALE_AFTER: Final = 60.0
"""Seconds after which what the flusher saw counts no longer: it looks every ten."""
_CACHED: Final = 1.0
"""Seconds: a probe asks for no key, and must not become a way to keep the database busy."""
_MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class StoreState:
    """One bound org's store: whether it answers, and how old that knowledge is (None: never looked)."""

    org_id: OrgId
    ok: bool
    age_seconds: float | None


class Health:
    """Made when the process starts. Raises DatabaseError, and nothing else."""

    def __init__(self, *, board: HealthBoard, bindings: BindingStore, clock: Clock) -> None:
        self._board = board
        self._bindings = bindings
        self._clock = clock
        self._started = clock.monotonic()
        self._known: tuple[float, list[StoreState]] | None = None
        self._reading: asyncio.Task[list[StoreState]] | None = None

    def uptime(self) -> str:
        """As Go writes durations, in whole seconds: `2h30m15s`."""
        minutes, seconds = divmod(int(self._clock.monotonic() - self._started), 60)
        hours, minutes = divmod(minutes, 60)
        if hours:
            return f"{hours}h{minutes}m{seconds}s"
        return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"

    async def stores(self) -> list[StoreState]:
        """The state of every bound store, at most a second old; what is not known to be fresh is not ok."""
        if self._known is not None and self._clock.monotonic() - self._known[0] < _CACHED:
            return self._known[1]
        if self._reading is None:  # one look for all who ask meanwhile
            self._reading = asyncio.create_task(self._look(), name="memtrace-health")
            self._reading.add_done_callback(self._looked)
        return await asyncio.shield(self._reading)

    async def _look(self) -> list[StoreState]:
        now = self._clock.monotonic()
        states = await self._read()
        self._known = (now, states)
        return states

    def _looked(self, look: "asyncio.Task[list[StoreState]]") -> None:
        self._reading = None
        if not look.cancelled():
            look.exception()  # taken, in case everybody who waited has gone

    async def check_alive(self) -> None:
        """Returns when the database answers."""
        await self.stores()

    async def _read(self) -> list[StoreState]:
        seen = {health.org_id: health for health in await self._board.read_health()}
        now = self._clock.micros()
        states = []
        for binding in await self._bindings.list_bindings():
            health = seen.get(binding.org_id)
            if health is None:
                states.append(StoreState(binding.org_id, False, None))
                continue
            age = max(0.0, (now - health.checked_at) / _MICROS)
            states.append(StoreState(binding.org_id, health.ok and age < STALE_AFTER, age))
        return states
