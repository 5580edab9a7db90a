"""Keeps every org's retention: what is older than it is deleted, by one exclusion that moves on."""

from typing import Final

from core import telemetry
from flusher.lease import LeaseKeeper
from flusher.ports import MICROS, FlusherLimits, FlusherPorts

_DAY: Final = 86_400


class Retention:
    """Looks every few minutes, so that a memory is hidden so long after its time is over at most."""

    def __init__(self, *, ports: FlusherPorts, limits: FlusherLimits, lease: LeaseKeeper) -> None:
        self._ports = ports
        self._limits = limits
        self._lease = lease
        self._at = ports.clock.monotonic()

    async def step(self) -> None:
        """Moves the exclusions on where they are due. A shorter retention holds from the next look on."""
        now = self._ports.clock.monotonic()
        if now < self._at:
            return
        self._at = now + self._limits.retain_every
        for org in await self._ports.orgs.list_orgs():
            days = org.settings.retention_days
            if days is None:
                continue
            until = self._ports.clock.micros() - days * _DAY * MICROS
            if await self._ports.undertaker.retain(org.id, until, self._lease.current) is not None:
                telemetry.info("retention_moved", org_id=org.id, days=days)
