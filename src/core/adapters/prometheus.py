"""Metrics in Prometheus form, in a registry of this process's own.

Every series is looked up once, at the start, so that counting costs less than a microsecond.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from core.telemetry import MetricName, Refusal

Process = Literal["server", "flusher"]

_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: what it is, what its label is called, and whose it is."""

    kind: type[Counter] | type[Gauge] | type[Histogram]
    help: str
    owners: tuple[Process, ...] = ("server",)
    label: str = ""
    labels: tuple[str, ...] = ("",)
    buckets: Sequence[float] = _FAST


_BOTH: Final[tuple[Process, ...]] = ("server", "flusher")
_FLUSHER: Final[tuple[Process, ...]] = ("flusher",)

FAMILIES: Final[dict[MetricName, Family]] = {
    "memtrace_writes_total": Family(
        Counter, "Memories that clients wrote.", label="outcome", labels=("created", "duplicate")
    ),
    "memtrace_queries_total": Family(
        Counter,
        "Reads of memories.",
        label="kind",
        labels=("list", "search", "get", "context", "stats"),
    ),
    "memtrace_requests_total": Family(
        Counter, "HTTP requests answered.", label="status", labels=("2xx", "3xx", "4xx", "5xx")
    ),
    "memtrace_refused_total": Family(
        Counter,
        "Requests refused because too much was asked.",
        label="reason",
        labels=get_args(Refusal),
    ),
    "memtrace_loop_lag_seconds": Family(
        Gauge, "Longest that a request waited before it was looked at, since the last look."
    ),
    "memtrace_request_seconds": Family(
        Histogram, "Time to answer a request.", label="kind", labels=("read", "write", "other")
    ),
    "memtrace_buffer_size": Family(Gauge, "Memories in the journal that are not settled."),
    "memtrace_buffer_bytes": Family(Gauge, "Bytes of the memories in the journal."),
    "memtrace_oldest_owed_seconds": Family(Gauge, "Age of the oldest memory owed to a store."),
    "memtrace_dead_letters": Family(Gauge, "Memories that no store would take."),
    "memtrace_arc_latency_seconds": Family(
        Histogram,
        "Time that an event store took for one call.",
        _BOTH,
        label="call",
        labels=("append", "search", "identities", "tally", "earliest", "check"),
    ),
    "memtrace_commit_seconds": Family(Histogram, "Time of one group commit of the journal."),
    "memtrace_commit_rows": Family(Histogram, "Memories in one group commit.", buckets=_SIZES),
    "memtrace_key_checks_total": Family(
        Counter, "API keys checked.", label="outcome", labels=("cached", "verified", "refused")
    ),
    "memtrace_queue_sends_total": Family(
        Counter, "Messages given to the queue.", label="outcome", labels=("sent", "failed")
    ),
    "memtrace_flushed_total": Family(Counter, "Memories delivered to a store.", _FLUSHER),
    "memtrace_flushes_total": Family(
        Counter,
        "Batches sent to a store.",
        _FLUSHER,
        label="outcome",
        labels=("delivered", "postponed", "rejected"),
    ),
    "memtrace_settled_total": Family(Counter, "Memories that a store was seen to serve.", _FLUSHER),
    "memtrace_redelivered_total": Family(Counter, "Memories delivered again.", _FLUSHER),
    "memtrace_open_circuits": Family(Gauge, "Orgs whose store is not being sent anything.", _FLUSHER),
    "memtrace_merged_files_total": Family(Counter, "Small files merged away.", _FLUSHER),
    "memtrace_removed_memories_total": Family(
        Counter, "Deleted memories removed from their stores.", _FLUSHER
    ),
}


class PrometheusMetrics:
    """Implements `Metrics` for one process; threads may share it.

    Where both processes have a family, its series say whose they are, so that the two texts
    can be put together.
    """

    def __init__(self, process: Process) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._process = process
        self._made: dict[MetricName, Counter | Gauge | Histogram] = {}
        self._change: dict[tuple[MetricName, str], Callable[[float], None]] = {}
        for name, family in FAMILIES.items():
            if process in family.owners:
                for label in family.labels:
                    self._bind(name, label)
        if process == "server":
            ProcessCollector(registry=self._registry)

    def count(self, name: MetricName, amount: float = 1, label: str = "") -> None:
        (self._change.get((name, label)) or self._bind(name, label))(amount)

    def observe(self, name: MetricName, value: float, label: str = "") -> None:
        (self._change.get((name, label)) or self._bind(name, label))(value)

    def gauge(self, name: MetricName, value: float) -> None:
        (self._change.get((name, "")) or self._bind(name, ""))(value)

    def render(self) -> bytes:
        """All series in the text format 0.0.4."""
        return generate_latest(self._registry)

    def _bind(self, name: MetricName, label: str) -> Callable[[float], None]:
        """The call that changes one series; makes it when nobody has needed it yet."""
        family = FAMILIES[name]
        made = self._made.get(name) or self._made.setdefault(name, self._make(name, family))
        values = [label] if family.label else []
        values += [self._process] if len(family.owners) > 1 else []
        series = made.labels(*values) if values else made
        change = self._change[name, label] = _changer(series)
        return change

    def _make(self, name: MetricName, family: Family) -> Counter | Gauge | Histogram:
        labels = [family.label] if family.label else []
        labels += ["process"] if len(family.owners) > 1 else []
        if family.kind is Histogram:
            return Histogram(name, family.help, labels, registry=self._registry, buckets=family.buckets)
        return family.kind(name, family.help, labels, registry=self._registry)


def _changer(series: Counter | Gauge | Histogram) -> Callable[[float], None]:
    if isinstance(series, Counter):
        return series.inc
    return series.set if isinstance(series, Gauge) else series.observe
