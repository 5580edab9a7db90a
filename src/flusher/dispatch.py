"""Starts deliveries, at most one an org, and writes down how each one ended.

What cannot be delivered goes back to the journal with the time of the circuit's next try.
"""

import asyncio
from array import array
from collections.abc import Callable, Set
from dataclasses import dataclass
from functools import cached_property, partial

from core import telemetry
from core.model.errors import ConfigurationError, MemtraceError, NoArcInstance, StoreError
from core.model.memory import Micros, OrgId
from core.ports import Parcel, Queue
from flusher.bindings import Bindings, Place
from flusher.circuit import Circuits
from flusher.crew import Crew
from flusher.delivery import Delivery, Fate, Leftover, RetryAfter, deliver
from flusher.lease import Right
from flusher.owing import Owing
from flusher.parcels import facts, weight
from flusher.parking import Parking
from flusher.ports import FlusherLimits, FlusherPorts

Witness = Callable[[Parcel, "array[int]", Place], None]
"""Told of each piece that a store took, with the fingerprints of its keys."""


@dataclass(frozen=True)
class _Sent:
    parcel: Parcel
    since: float

    @cached_property
    def times(self) -> Set[Micros]:
        return frozenset(self.parcel.times)


class Dispatch:
    def __init__(
        self,
        *,
        ports: FlusherPorts,
        limits: FlusherLimits,
        queue: Queue,
        crew: Crew,
        circuits: Circuits,
        bindings: Bindings,
        parking: Parking,
        right: Right,
    ) -> None:
        self._ports = ports
        self._limits = limits
        self._queue = queue
        self._crew = crew
        self._circuits = circuits
        self._bindings = bindings
        self._parking = parking
        self._right = right
        self._sent: dict[OrgId, _Sent] = {}
        self.bytes = 0
        """Under way in all."""
        self.witness: Witness | None = None
        """Whoever settles, while that is here."""

    def can_take(self, org_id: OrgId) -> bool:
        """Whether a batch of this org may go now. Opens the circuit of an org that has no store."""
        now = self._ports.clock.monotonic()
        circuit = self._circuits.of(org_id)
        if self._crew.busy(("deliver", org_id)) or not circuit.allows(now):
            return False
        if self._crew.running("deliver") >= self._limits.deliveries:
            return False
        if circuit.failures and self._probes() >= self._limits.probes:
            return False
        return self._place(org_id) is not None

    def is_open(self, org_id: OrgId) -> bool:
        """Whether the org's store did not take the last batch."""
        return self._circuits.of(org_id).failures > 0

    def is_slow(self, org_id: OrgId) -> bool:
        """Whether the org's delivery takes longer than one normally does."""
        now = self._ports.clock.monotonic()
        return org_id in self._sent and now - self._sent[org_id].since >= self._limits.slow_after

    def is_moving(self, org_id: OrgId) -> bool:
        """Whether a delivery of the org is under way that is not slow."""
        return org_id in self._sent and not self.is_slow(org_id)

    def start(self, parcel: Parcel, *, owed_at: Micros | None = None) -> None:
        """Sends it off; `can_take` has said yes. `owed_at` is when the journal itself gave it."""
        self._circuits.begin(parcel.org_id)
        self._sent[parcel.org_id] = _Sent(parcel, self._ports.clock.monotonic())
        self.bytes += weight(parcel)
        self._crew.start(("deliver", parcel.org_id), self._carry(parcel, owed_at))

    def on_its_way(self, org_id: OrgId) -> Set[Micros]:
        """The times of the org's batch under way."""
        return self._sent[org_id].times if org_id in self._sent else frozenset()

    def oldest(self, org_id: OrgId) -> Micros | None:
        """The oldest time of the org's batch under way; None when nothing is."""
        return self._sent[org_id].parcel.times[0] if org_id in self._sent else None

    def newest(self, org_id: OrgId) -> Micros:
        """The newest time of the org's batch under way; 0 when nothing is."""
        return self._sent[org_id].parcel.times[-1] if org_id in self._sent else 0

    async def _carry(self, parcel: Parcel, owed_at: Micros | None) -> None:
        org_id, ended = parcel.org_id, False
        try:
            leftover = await self._attempt(parcel, owed_at)
            if leftover is None:
                self._close(org_id)
            else:
                self._postpone(leftover)
            ended = True
        finally:
            # An error of our own, or a cancel: the rows must not be forgotten, nor sent at once again.
            if not ended:
                self._open(org_id, "the delivery broke off", 0.0)
                self._parking.add(parcel)
            self.bytes -= weight(parcel)
            del self._sent[org_id]

    async def _attempt(self, parcel: Parcel, owed_at: Micros | None) -> Leftover | None:
        place = self._place(parcel.org_id)
        if place is None:
            return Leftover(parcel, RetryAfter(0.0, "the binding is gone"))
        delivery = self._delivery(place, owed_at)
        leftover = await delivery.carry(parcel)
        if delivery.attempts > 1:
            telemetry.warning("batch_bisected", org_id=parcel.org_id, attempts=delivery.attempts)
        return leftover

    def _delivery(self, place: Place, owed_at: Micros | None) -> Delivery:
        async def send(parcel: Parcel) -> Fate:
            await self._right.confirm()
            began = self._ports.clock.monotonic()
            fate = await deliver(place.store, place.binding, parcel, self._limits.append_timeout)
            took = self._ports.clock.monotonic() - began
            self._ports.metrics.observe("memtrace_arc_latency_seconds", took, "append")
            return fate

        async def is_sound() -> RetryAfter | None:
            try:
                async with asyncio.timeout(self._limits.check_timeout):
                    await place.store.check(place.binding)
            except StoreError as error:
                return RetryAfter(0.0, _reason(error))
            except TimeoutError:
                return RetryAfter(0.0, "store_timeout: the check was not answered")
            return None

        owing = Owing(
            ports=self._ports, queue=self._queue, fresh_for=self._limits.fresh_for, asked_at=owed_at
        )
        return Delivery(
            left_of=owing.left_of,
            send=send,
            accepted=partial(self._accepted, place),
            refused=self._refused,
            is_sound=is_sound,
        )

    async def _accepted(self, place: Place, parcel: Parcel) -> None:
        ports, now = self._ports, self._ports.clock.micros()
        known = facts(parcel)
        await ports.outbox.delivered(parcel, self._right.current, now)
        if self.witness is not None:
            self.witness(parcel, known.fingerprints, place)
        await self._queue.ack([parcel])
        await ports.agents.touch_agents(parcel.org_id, known.newest)
        ports.metrics.count("memtrace_flushed_total", parcel.count)
        ports.metrics.count("memtrace_flushes_total", label="delivered")
        ports.metrics.observe("memtrace_batch_memories", parcel.count)
        telemetry.info(
            "batch_delivered", org_id=parcel.org_id, memories=parcel.count, bytes=len(parcel.lines)
        )

    async def _refused(self, parcel: Parcel, reason: str) -> None:
        await self._ports.outbox.dead(parcel.org_id, parcel.times, reason, self._right.current)
        await self._queue.ack([parcel])
        self._ports.metrics.count("memtrace_flushes_total", label="rejected")
        telemetry.error("memory_died", org_id=parcel.org_id, time=parcel.times[0], reason=reason)

    def _postpone(self, leftover: Leftover) -> None:
        parcel, fate = leftover.parcel, leftover.fate
        self._open(parcel.org_id, fate.reason, fate.delay)
        self._parking.add(parcel)
        self._ports.metrics.count("memtrace_flushes_total", label="postponed")
        telemetry.info("batch_postponed", org_id=parcel.org_id, memories=parcel.count, reason=fate.reason)

    def _place(self, org_id: OrgId) -> Place | None:
        try:
            return self._bindings.place(org_id)
        except (NoArcInstance, ConfigurationError, StoreError) as error:
            self._open(org_id, _reason(error), self._limits.unbound_retry)
            return None

    def _open(self, org_id: OrgId, reason: str, at_least: float) -> None:
        now = self._ports.clock.monotonic()
        circuit = self._circuits.fail(org_id, now, reason, at_least)
        if circuit.failures == 1:
            telemetry.warning(
                "circuit_opened", org_id=org_id, reason=reason, retry_in=round(circuit.retry_at - now, 1)
            )

    def _close(self, org_id: OrgId) -> None:
        if self._circuits.succeed(org_id):
            telemetry.info("circuit_closed", org_id=org_id)

    def _probes(self) -> int:
        return sum(1 for org_id in self._sent if self._circuits.of(org_id).failures)


def _reason(error: MemtraceError) -> str:
    return f"{error.code}: {error.message}"
