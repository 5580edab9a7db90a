"""What a deployment in AWS costs a month: how often a write calls which service, times list prices.

The counts are those of the code, and a test compares them with calls really made. Traffic between
networks, an Arc of one's own and free tiers are not in here. Pure.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

MetadataKind = Literal["dynamodb", "sqlite-efs"]

KIB: Final = 1_024
MEMORIES_A_TRANSACTION: Final = 50
"""Two items each, of the hundred that one transaction takes."""
PUTS_A_MEMORY: Final = 2
"""In transactions: its claim and its row."""
UPDATES_A_MEMORY: Final = 2
"""Of the row when it is delivered, of the claim when it is settled."""
DELETES_A_MEMORY: Final = 1
"""Of the row when it is settled."""
LEDGER_UPDATES: Final = 3
"""For what is delivered and settled together: requests of one org within ten seconds share them."""
MESSAGES_A_BATCH: Final = 10
_SQS_CHUNK: Final = 64 * KIB
_HOURS: Final = 730
_SECONDS: Final = _HOURS * 3_600
_MILLION: Final = 1_000_000
_GIB: Final = 1_024 * 1_024 * KIB

PRICED_ON: Final = "2025-11"
REGION: Final = "us-east-1"
PRICES: Final[Mapping[str, float]] = {
    "api_request": 3.50 / _MILLION,
    "lambda_request": 0.20 / _MILLION,
    "lambda_gb_second": 0.0000133334,
    "snapshot_gb_second": 0.0000015046,
    "dynamodb_write_unit": 0.625 / _MILLION,
    "dynamodb_read_unit": 0.125 / _MILLION,
    "dynamodb_gb_month": 0.25,
    "sqs_request": 0.40 / _MILLION,
    "fargate_vcpu_hour": 0.03238,
    "fargate_gb_hour": 0.00356,
    "public_ipv4_hour": 0.005,
    "log_gb": 0.50,
    "metric_month": 0.30,
    "alarm_month": 0.10,
    "dashboard_month": 3.00,
    "secret_month": 0.40,
    "efs_gb_month": 0.30,
    "endpoint_hour": 0.01,
}
"""Dollars a unit, on demand, arm64, as listed for `REGION` on `PRICED_ON`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a month brings."""

    writes: float
    """Memories."""
    batch: int = 10
    """Memories of one request."""
    reads: float = 0.0
    """Requests that read."""
    memory_bytes: int = 700
    """Of one memory, with all its fields."""
    tail_memories: int = 200
    """Not settled yet, when an org is read: about two minutes of its writes."""
    shards: int = 4
    metadata: MetadataKind = "dynamodb"
    lambda_mb: int = 1_024
    write_ms: float = 40.0
    """Billed for a request that writes one transaction; each further one takes `transaction_ms`."""
    transaction_ms: float = 12.0
    read_ms: float = 60.0
    flushers: int = 1
    flusher_vcpu: float = 0.25
    flusher_gb: float = 1.0
    zones: int = 2
    """Availability zones with interface endpoints, for `sqlite-efs`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One position of the bill."""

    service: str
    what: str
    units: float
    dollars: float


@dataclass(frozen=True, slots=True)
class WriteCalls:
    """What writing one request and settling its memories costs in calls and units."""

    transactions: int
    write_units: float
    """DynamoDB's, for all of its memories, until they are settled."""
    messages: int
    queue_requests: float
    """SendMessage, and a tenth of a ReceiveMessage and of a DeleteMessage for each message."""


def write_calls(batch: int, memory_bytes: int) -> WriteCalls:
    """One request of so many memories of so many bytes each.

    The row counts by its size when it is put, updated when delivered, and deleted when settled; the
    claim when it is put and updated when settled. What a transaction writes counts twice.
    """
    transactions = math.ceil(batch / MEMORIES_A_TRANSACTION)
    row = math.ceil((memory_bytes + _ROW_OVERHEAD) / KIB)
    a_memory = 2 * (1 + row) + row + row + 1
    size = batch * memory_bytes
    messages = math.ceil(batch / max(1, _MESSAGE_BYTES // memory_bytes))
    sent = max(1, math.ceil(size * _PACKED / _SQS_CHUNK))
    received = 2 * max(messages / MESSAGES_A_BATCH, sent / MESSAGES_A_BATCH)
    return WriteCalls(transactions, a_memory * batch + LEDGER_UPDATES, messages, sent + received)


_ROW_OVERHEAD: Final = 200
"""Bytes of a row beside the memory: its keys, state and times."""
_MESSAGE_BYTES: Final = 700 * KIB
"""Memories in one message of 1 MiB, when they do not compress at all."""
_PACKED: Final = 0.6
"""Of its size that a memory of prose takes in a message."""


def read_units(load: Load) -> float:
    """DynamoDB's units for one read: its org's partitions, ledger and deletions, all consistent."""
    tail = load.tail_memories * (load.memory_bytes + _ROW_OVERHEAD)
    return max(load.shards, math.ceil(tail / (4 * KIB))) + 2


def bill(load: Load, prices: Mapping[str, float] = PRICES) -> list[Line]:
    """The month's positions, the largest parts of a deployment that stands idle included."""
    made = [Line(s, w, u, u * prices[p]) for s, w, u, p in _positions(load)]
    return [line for line in made if line.units]


def total(lines: list[Line]) -> float:
    """Dollars a month."""
    return sum(line.dollars for line in lines)


def _positions(load: Load) -> Iterator[tuple[str, str, float, str]]:
    requests = math.ceil(load.writes / load.batch)
    calls = write_calls(load.batch, load.memory_bytes)
    busy = requests * (load.write_ms + (calls.transactions - 1) * load.transaction_ms)
    busy += load.reads * load.read_ms
    yield "API Gateway", "requests", requests + load.reads, "api_request"
    yield "Lambda", "requests", requests + load.reads, "lambda_request"
    yield "Lambda", "GB-seconds", busy / 1_000 * load.lambda_mb / 1_024, "lambda_gb_second"
    yield "SQS", "requests", requests * calls.queue_requests + _EMPTY_POLLS * load.flushers, "sqs_request"
    if load.metadata == "dynamodb":
        yield from _dynamodb(load, requests, calls)
    else:
        yield from _efs(load)
    yield "Fargate", "vCPU-hours", load.flushers * load.flusher_vcpu * _HOURS, "fargate_vcpu_hour"
    yield "Fargate", "GB-hours", load.flushers * load.flusher_gb * _HOURS, "fargate_gb_hour"
    yield "Fargate", "address-hours", load.flushers * _HOURS, "public_ipv4_hour"
    logged = (requests + load.reads) * _LOG_BYTES / _GIB
    yield "CloudWatch", "GB of logs", logged, "log_gb"
    yield "CloudWatch", "metrics", _METRICS, "metric_month"
    yield "CloudWatch", "alarms", _ALARMS, "alarm_month"
    yield "CloudWatch", "dashboards", 1, "dashboard_month"
    yield "Secrets Manager", "secrets", 1, "secret_month"


def _dynamodb(load: Load, requests: float, calls: WriteCalls) -> Iterator[tuple[str, str, float, str]]:
    yield "Lambda", "GB-seconds of a snapshot", _SECONDS * load.lambda_mb / 1_024, "snapshot_gb_second"
    yield "DynamoDB", "write units", requests * calls.write_units, "dynamodb_write_unit"
    looked = load.reads * read_units(load) + _SECONDS * _LOOKS * load.flushers
    yield "DynamoDB", "read units", looked, "dynamodb_read_unit"
    kept = load.writes / 30 * 2 * _CLAIM_BYTES / _GIB
    yield "DynamoDB", "GB of claims", kept, "dynamodb_gb_month"


def _efs(load: Load) -> Iterator[tuple[str, str, float, str]]:
    kept = load.writes / 30 * 2 * _CLAIM_BYTES / _GIB
    yield "EFS", "GB", max(kept, 0.1), "efs_gb_month"
    yield "VPC", "endpoint-hours", _ENDPOINTS * load.zones * _HOURS, "endpoint_hour"


_EMPTY_POLLS: Final = _SECONDS / 20
_LOOKS: Final = 2.0
"""Read units a second of a flusher that finds nothing to do: lease, ledger, deletions."""
_LOG_BYTES: Final = 900
"""An access log line and one line of metrics a request."""
_METRICS: Final = 60
"""Names by labels, and those of Container Insights."""
_ALARMS: Final = 14
"""Two of them scale the flusher."""
_CLAIM_BYTES: Final = 250
_ENDPOINTS: Final = 2
"""SQS and Secrets Manager."""
