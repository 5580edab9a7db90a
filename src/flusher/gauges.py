"""The numbers that stand for a state: of this process, and, where it has the lease, of the journal."""

from typing import Final

from core.telemetry import MetricName
from flusher.circuit import Circuits
from flusher.consumer import Consumer
from flusher.ports import MICROS, FlusherLimits, FlusherPorts

_OF_JOURNAL: Final[tuple[MetricName, ...]] = (
    "memtrace_buffer_size",
    "memtrace_buffer_bytes",
    "memtrace_oldest_owed_seconds",
    "memtrace_dead_letters",
)


class RoadGauges:
    def __init__(
        self, ports: FlusherPorts, limits: FlusherLimits, consumer: Consumer, circuits: Circuits
    ) -> None:
        self._ports = ports
        self._limits = limits
        self._consumer = consumer
        self._circuits = circuits
        self._tell_at = ports.clock.monotonic() + limits.tell_every

    def step(self) -> None:
        """Says what is held, and has all metrics told where that is due."""
        self._ports.metrics.gauge("memtrace_held_bytes", self._consumer.held)
        self._ports.metrics.gauge("memtrace_open_circuits", len(self._circuits))
        now = self._ports.clock.monotonic()
        if now >= self._tell_at:
            self._tell_at = now + self._limits.tell_every
            self._ports.report()

    def clear(self) -> None:
        """Nothing is held any more."""
        self._ports.metrics.gauge("memtrace_held_bytes", 0)
        self._ports.metrics.gauge("memtrace_open_circuits", 0)


class JournalGauges:
    """Of the journal, from the lease's holder; where there is a server beside the flusher, it says them."""

    def __init__(self, ports: FlusherPorts, limits: FlusherLimits) -> None:
        self._ports = ports
        self._limits = limits
        self._at = ports.clock.monotonic()

    async def step(self) -> None:
        """Reads them now and then."""
        now = self._ports.clock.monotonic()
        if now < self._at:
            return
        self._at = now + self._limits.gauge_every
        total, gauge = await self._ports.ledger.total(), self._ports.metrics.gauge
        age = 0 if total.oldest is None else max(0, self._ports.clock.micros() - total.oldest)
        gauge("memtrace_buffer_size", total.owed + total.delivered + total.dead)
        gauge("memtrace_buffer_bytes", total.bytes)
        gauge("memtrace_oldest_owed_seconds", age / MICROS)
        gauge("memtrace_dead_letters", total.dead)

    def clear(self) -> None:
        """Somebody else says them from now on."""
        for name in _OF_JOURNAL:
            self._ports.metrics.gauge(name, 0)
