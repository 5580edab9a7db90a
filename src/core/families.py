"""Every metric, as those that export it need to know it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from core.telemetry import MetricName, Refusal

Process = Literal["server", "flusher"]

_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
_BATCHES: Final = (1, 10, 100, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: what it is, what its label is called, and whose it is."""

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    owners: tuple[Process, ...] = ("server",)
    label: str = ""
    labels: tuple[str, ...] = ("",)
    buckets: Sequence[float] = _FAST


_BOTH: Final[tuple[Process, ...]] = ("server", "flusher")
_FLUSHER: Final[tuple[Process, ...]] = ("flusher",)

FAMILIES: Final[dict[MetricName, Family]] = {
    "memtrace_writes_total": Family(
        "counter", "Memories that clients wrote.", label="outcome", labels=("created", "duplicate")
    ),
    "memtrace_queries_total": Family(
        "counter",
        "Reads of memories.",
        label="kind",
        labels=("list", "search", "get", "context", "stats"),
    ),
    "memtrace_requests_total": Family(
        "counter", "HTTP requests answered.", label="status", labels=("2xx", "3xx", "4xx", "5xx")
    ),
    "memtrace_refused_total": Family(
        "counter",
        "Requests refused because too much was asked.",
        label="reason",
        labels=get_args(Refusal),
    ),
    "memtrace_loop_lag_seconds": Family(
        "gauge", "Longest that a request waited before it was looked at, since the last look."
    ),
    "memtrace_request_seconds": Family(
        "histogram", "Time to answer a request.", label="kind", labels=("read", "write", "other")
    ),
    "memtrace_buffer_size": Family("gauge", "Memories in the journal that are not settled."),
    "memtrace_buffer_bytes": Family("gauge", "Bytes of the memories in the journal."),
    "memtrace_oldest_owed_seconds": Family("gauge", "Age of the oldest memory owed to a store."),
    "memtrace_dead_letters": Family("gauge", "Memories that no store would take."),
    "memtrace_arc_latency_seconds": Family(
        "histogram",
        "Time that an event store took for one call.",
        _BOTH,
        label="call",
        labels=("append", "search", "identities", "tally", "earliest", "check"),
    ),
    "memtrace_commit_seconds": Family("histogram", "Time of one group commit of the journal."),
    "memtrace_commit_rows": Family("histogram", "Memories in one group commit.", buckets=_SIZES),
    "memtrace_key_checks_total": Family(
        "counter", "API keys checked.", label="outcome", labels=("cached", "verified", "refused")
    ),
    "memtrace_queue_sends_total": Family(
        "counter", "Messages given to the queue.", label="outcome", labels=("sent", "failed")
    ),
    "memtrace_queue_receives_total": Family(
        "counter", "Times the queue was asked.", _FLUSHER, label="outcome", labels=("answered", "failed")
    ),
    "memtrace_flushed_total": Family("counter", "Memories delivered to a store.", _FLUSHER),
    "memtrace_flushes_total": Family(
        "counter",
        "Batches sent to a store.",
        _FLUSHER,
        label="outcome",
        labels=("delivered", "postponed", "rejected"),
    ),
    "memtrace_stale_total": Family(
        "counter", "Memories that a queue gave and the journal owed no longer.", _FLUSHER
    ),
    "memtrace_batch_memories": Family(
        "histogram", "Memories in one delivered batch.", _FLUSHER, buckets=_BATCHES
    ),
    "memtrace_held_bytes": Family("gauge", "Bytes of memories held in memory.", _FLUSHER),
    "memtrace_settled_total": Family("counter", "Memories that a store was seen to serve.", _FLUSHER),
    "memtrace_redelivered_total": Family("counter", "Memories delivered again.", _FLUSHER),
    "memtrace_open_circuits": Family("gauge", "Orgs whose store is not being sent anything.", _FLUSHER),
    "memtrace_merged_files_total": Family("counter", "Small files merged away.", _FLUSHER),
    "memtrace_removed_memories_total": Family(
        "counter", "Deleted memories removed from their stores.", _FLUSHER
    ),
}
