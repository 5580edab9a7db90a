"""The right to flush: taken, kept by a heartbeat, and looked at before anything irreversible."""

import asyncio
from typing import Final

from core import telemetry
from core.model.errors import DatabaseError, HeldByOther, LeaseLost
from core.ports import Lease
from flusher.ports import MICROS, FlusherPorts

_BEATS: Final = 3
"""Heartbeats in the lease's lifetime."""
_PROMPT: Final = 0.9
"""A timer may fire a little early; the beat must not wait for the next one then."""


class LeaseKeeper:
    def __init__(self, ports: FlusherPorts, seconds: float) -> None:
        self._ports = ports
        self._seconds = seconds
        self._lease: Lease | None = None
        self._renewed = self._now()

    @property
    def current(self) -> Lease:
        """The lease as last seen; the journal checks its fence. Raises LeaseLost when there is none."""
        if self._lease is None:
            raise LeaseLost()
        return self._lease

    async def acquire(self) -> None:
        """Takes the lease. Raises HeldByOther, naming the holder."""
        lease = await self._ports.leases.acquire(self._ports.owner, self._seconds)
        if lease is None:
            holder = await self._ports.leases.holder()
            raise HeldByOther(
                f"another flusher works on this data: {holder or 'it just gave the lease back'}",
                hint="stop that process, or let this one stand by with --wait",
            )
        self._lease, self._renewed = lease, self._now()

    async def stand_by(self) -> None:
        """Takes the lease as soon as its holder gives it back, dies, or lets it expire."""
        while True:
            try:
                return await self.acquire()
            except HeldByOther as other:
                telemetry.debug("flusher_standing_by", reason=other.message)
            await self._ports.pause(self._seconds / _BEATS)

    async def beat(self) -> None:
        """Renews when a third of the lifetime has passed. Raises LeaseLost when it is not ours."""
        if self._age() >= self._seconds / _BEATS * _PROMPT:
            await self._renew()

    async def keep(self) -> None:
        """Beats until cancelled. Raises LeaseLost as soon as the lease is lost or may be."""
        while True:
            try:
                await self.beat()
            except DatabaseError as error:
                telemetry.error("step_failed", step="lease", reason=error.message)
                if self._age() >= self._seconds:
                    self._lose()
            await self._ports.pause(self._seconds / _BEATS)

    async def confirm(self) -> Lease:
        """The lease, known to be ours not long ago: to be asked before what cannot be undone.

        A process that was paused meanwhile finds the heartbeat late and asks the journal.
        """
        if self._age() >= self._seconds / 2:
            await self._renew()
        return self.current

    async def release(self) -> None:
        """Gives it back, so that a successor need not wait."""
        if self._lease is not None:
            await self._ports.leases.release(self._lease)
            self._lease = None

    async def _renew(self) -> None:
        lease = self.current
        try:
            async with asyncio.timeout(self._seconds):
                await self._ports.leases.renew(lease, self._seconds)
        except (LeaseLost, TimeoutError):
            self._lose()
        self._renewed = self._now()

    def _lose(self) -> None:
        self._lease = None
        raise LeaseLost()

    def _now(self) -> tuple[float, float]:
        return self._ports.clock.monotonic(), self._ports.clock.micros() / MICROS

    def _age(self) -> float:
        """Seconds since the last renewal by the clock that says more: a suspended host stops one."""
        return max(now - then for now, then in zip(self._now(), self._renewed, strict=True))
