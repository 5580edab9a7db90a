"""The right to flush: taken, kept by a heartbeat, and looked at before anything irreversible."""

import asyncio
from typing import Final, Protocol

from core import telemetry
from core.model.errors import HeldByOther, LeaseLost
from core.ports import Lease
from flusher.ports import JOURNAL_FAILS, MICROS, FlusherPorts

_BEATS: Final = 3
"""Heartbeats in the lease's lifetime."""
_PROMPT: Final = 0.9
"""A timer may fire a little early; the beat must not wait for the next one then."""


class Right(Protocol):
    """What a step shows to the journal: the lease, or None where flushers share a queue."""

    @property
    def current(self) -> Lease | None: ...

    async def confirm(self) -> Lease | None: ...


class SharedRight:
    """The right of each of several flushers to deliver what a shared queue gave it."""

    current: Final = None

    async def confirm(self) -> None:
        """Nothing to find out: nobody else's delivery is in the way of ours."""


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

    @property
    def fence(self) -> int | None:
        """The lease's fence, as last seen; None when there is none."""
        return self._lease.fence if self._lease else None

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

    async def seek(self) -> None:
        """Takes the lease if it may be had now: its holder gave it back, died, or let it expire."""
        try:
            await self.acquire()
        except HeldByOther as other:
            telemetry.debug("flusher_standing_by", reason=other.message)

    async def beat(self) -> None:
        """Renews when a third of the lifetime has passed. Raises LeaseLost when it is not ours."""
        if self._age() >= self._seconds / _BEATS * _PROMPT:
            await self._renew()

    async def keep(self) -> None:
        """Until cancelled: takes the lease whenever it may be had, and renews it in time.

        A journal that fails is asked again; a lease that may have expired meanwhile is not ours.
        """
        while True:
            try:
                await (self.seek() if self._lease is None else self.beat())
            except LeaseLost:
                telemetry.debug("flusher_standing_by", reason="the lease was lost")
            except JOURNAL_FAILS as error:
                telemetry.error("step_failed", step="lease", reason=error.message)
                if self._age() >= self._seconds:
                    self.drop()
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
            self.drop()

    def drop(self) -> None:
        """Takes it for lost."""
        self._lease = None

    async def _renew(self) -> None:
        lease = self.current
        try:
            async with asyncio.timeout(self._seconds):
                await self._ports.leases.renew(lease, self._seconds)
        except (LeaseLost, TimeoutError):
            self.drop()
            raise LeaseLost() from None
        self._renewed = self._now()

    def _now(self) -> tuple[float, float]:
        return self._ports.clock.monotonic(), self._ports.clock.micros() / MICROS

    def _age(self) -> float:
        """Seconds since the last renewal by the clock that says more: a suspended host stops one."""
        return max(now - then for now, then in zip(self._now(), self._renewed, strict=True))
