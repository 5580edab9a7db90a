"""Logs and metrics: the closed sets of their names, and the one way to emit them.

Never content, keys or ciphertext. One line per request or batch, none per memory.
"""

from collections.abc import Sequence
from typing import Final, Literal, Protocol

from core.frugal import structlog

EventName = Literal[
    "request_served",  # one HTTP request was answered
    "request_failed",  # one HTTP request ended in an error of our own
    "server_started",
    "server_stopping",
    "server_stopped",
    "flusher_started",
    "flusher_stopped",
    "flusher_died",  # the child process ended by itself and is started again
    "stand_in_died",  # likewise what `memtrace dev --aws` runs in the place of a service of AWS
    "flusher_stepped_aside",  # the lease went to somebody else
    "flusher_joined",  # a flusher takes from a queue that others share
    "flusher_standing_by",  # another process holds the lease
    "batch_delivered",
    "batch_postponed",  # the store cannot take it now; the journal owes it
    "batch_bisected",  # the store refuses something in it for good
    "memory_died",  # a dead letter was made
    "rows_stale",  # what a queue gave late: the journal owes it no longer
    "rows_settled",
    "rows_owed_again",  # delivered, but never shown by the store
    "circuit_opened",
    "circuit_closed",
    "claims_expired",
    "files_merged",
    "memories_removed",  # deleted memories left their store
    "retention_moved",  # memories older than an org's retention were deleted
    "removal_postponed",  # the store cannot remove them now; they stay hidden
    "checkpoint_failed",
    "step_failed",  # a background step met an error; it is tried again
    "database_copied",  # as it was, before it is brought up to date
    "database_upgraded",  # migrations were applied to a database with content
    "org_bootstrapped",
    "arc_block_adopted",  # the binding of an original's [arc] block was taken over
    "arc_block_ignored",  # it was not, because some organization is bound
    "claims_seeded",  # what a store holds of the dedup window is claimed
    "seeding_postponed",  # a store could not be read for that; it is tried again
    "queue_send_failed",  # memories did not reach the queue; the journal owes them
    "queue_receive_failed",  # nothing comes from the queue now; it is asked again
    "message_unreadable",  # a message is none of ours; it goes to the dead-letter queue
    "key_unsealable",  # a stored Arc key does not open with this master key
    "edge_started",  # a sandbox of Lambda is ready
    "edge_start_failed",  # it is not; the next invocation tries again
    "event_ignored",  # an invocation that is no request, and none of those that are expected
    "work_left_behind",  # something still ran when the reply was due, and did not end when told to
    "master_key_changed",  # it is another one now where it is kept
    "master_key_unread",  # it could not be read again; those at hand serve
    "master_key_previous_unusable",  # what was kept before the master key is no key
    "library_message",  # a warning or error that a library logged
]
MetricName = Literal[
    "memtrace_writes_total",  # counter, by outcome: created, duplicate
    "memtrace_queries_total",  # counter, by kind: list, search, get, context, stats
    "memtrace_requests_total",  # counter, by status class: 2xx, 3xx, 4xx, 5xx
    "memtrace_refused_total",  # counter, by reason: see Refusal
    "memtrace_loop_lag_seconds",  # gauge: the longest that a request waited to be looked at
    "memtrace_request_seconds",  # histogram, by kind of route: read, write, other
    "memtrace_buffer_size",  # gauge: unsettled memories in the journal
    "memtrace_buffer_bytes",  # gauge: their bytes
    "memtrace_oldest_owed_seconds",  # gauge: age of the oldest owed memory
    "memtrace_dead_letters",  # gauge
    "memtrace_arc_latency_seconds",  # histogram, by call: append, search, identities, tally, earliest, check
    "memtrace_commit_seconds",  # histogram: one group commit of the journal
    "memtrace_commit_rows",  # histogram: memories in one group commit
    "memtrace_key_checks_total",  # counter, by outcome: cached, verified, refused
    "memtrace_queue_sends_total",  # counter, by outcome: sent, failed (messages)
    "memtrace_queue_receives_total",  # counter, by outcome: answered, failed (calls; flusher)
    "memtrace_flushed_total",  # counter: memories delivered (flusher)
    "memtrace_flushes_total",  # counter, by outcome: delivered, postponed, rejected (flusher)
    "memtrace_stale_total",  # counter: memories that a queue gave and the journal owed no longer (flusher)
    "memtrace_batch_memories",  # histogram: memories in one delivered batch (flusher)
    "memtrace_held_bytes",  # gauge: bytes of memories held in memory (flusher)
    "memtrace_settled_total",  # counter: memories settled (flusher)
    "memtrace_redelivered_total",  # counter: memories delivered again (flusher)
    "memtrace_open_circuits",  # gauge (flusher)
    "memtrace_merged_files_total",  # counter: small files merged away (flusher)
    "memtrace_removed_memories_total",  # counter: deleted memories removed from stores (flusher)
]

Refusal = Literal[
    "rate",  # a key or an org asks for more than its rate
    "places",  # as many requests as may be worked on at once
    "org_share",  # one org holds its share of the places or of the bytes
    "bytes",  # as many bytes of bodies, or of answers not taken yet, as may be held at once
    "queue",  # requests wait too long before they are looked at
    "connections",  # too many connections
    "deadline",  # not answered in time
    "stopping",
]
"""Why a request was refused before its handler could judge it."""


class Metrics(Protocol):
    """Where numbers go. Labels are outcomes, never orgs, agents or sessions."""

    def count(self, name: MetricName, amount: float = 1, label: str = "") -> None: ...

    def observe(self, name: MetricName, value: float, label: str = "") -> None: ...

    def gauge(self, name: MetricName, value: float) -> None: ...


class MetricsExporter(Metrics, Protocol):
    """Numbers that can be shown."""

    def render(self) -> bytes:
        """Those that this process can speak for, in Prometheus' text form."""
        ...


class NoMetrics:
    """For tests and one-shot commands."""

    def count(self, name: MetricName, amount: float = 1, label: str = "") -> None: ...

    def observe(self, name: MetricName, value: float, label: str = "") -> None: ...

    def gauge(self, name: MetricName, value: float) -> None: ...


_logger: Final = structlog.get_logger("memtrace")


def info(event: EventName, **fields: object) -> None:
    _logger.info(event, **fields)


def warning(event: EventName, **fields: object) -> None:
    _logger.warning(event, **fields)


def error(event: EventName, **fields: object) -> None:
    _logger.error(event, **fields)


def debug(event: EventName, **fields: object) -> None:
    _logger.debug(event, **fields)


def names() -> Sequence[str]:
    """All event names, for the documentation and its test."""
    return EventName.__args__  # type: ignore[attr-defined, no-any-return]
