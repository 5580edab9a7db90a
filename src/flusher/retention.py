"""Keeps every org's retention: what is older than it is deleted, by one exclusion that moves on."""

from typing import Final

from core import telemetry
from core.model.memory import Micros, OrgId
from core.model.windows import DAY, HOUR
from flusher.crew import Crew
from flusher.lease import LeaseKeeper
from flusher.ports import FlusherLimits, FlusherPorts

_EVERYBODY: Final = ""


class Retention:
    """The bound moves on by whole hours, so that a memory is hidden an hour after its time at most,
    and files of hours go as a whole. A shorter retention holds from the next look on."""

    def __init__(self, *, ports: FlusherPorts, limits: FlusherLimits, crew: Crew, lease: LeaseKeeper) -> None:
        self._ports = ports
        self._limits = limits
        self._crew = crew
        self._lease = lease
        self._at = ports.clock.monotonic()
        self._moved: dict[OrgId, Micros] = {}

    def step(self) -> None:
        """Starts a look at all orgs when one is due."""
        now = self._ports.clock.monotonic()
        if now < self._at or self._crew.busy(("retain", _EVERYBODY)):
            return
        self._at = now + self._limits.retain_every
        self._crew.start(("retain", _EVERYBODY), self._move_on())

    async def _move_on(self) -> None:
        hour = self._ports.clock.micros() // HOUR * HOUR
        orgs = await self._ports.orgs.list_orgs()
        kept = {
            org.id: hour - days * DAY for org in orgs if (days := org.settings.retention_days) is not None
        }
        for org_id, until in kept.items():
            if self._moved.get(org_id) == until:
                continue
            if await self._ports.undertaker.retain(org_id, until, self._lease.current) is not None:
                telemetry.info("retention_moved", org_id=org_id)
        self._moved = kept
