"""The settings of a deployment in AWS: where metadata and journal are, and which queue leads to the flusher.

Region, endpoints and credentials come as they do for every AWS tool, from AWS_REGION,
AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_SQS and the like.
"""

from dataclasses import dataclass
from typing import Final, Literal

from core.model.errors import ConfigurationError
from core.settings_field import check_ranges, setting

_HOUR: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataSettings:
    backend: Literal["sqlite", "dynamodb"] = setting(
        "sqlite", "what keeps metadata and journal: the file of `auth.db_path`, or a DynamoDB table"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamodbSettings:
    table: str = setting("memtrace", "the name of the DynamoDB table")
    shards: int = setting(
        4,
        "partitions that the journal of an org is spread over, from its first memory on;"
        " each takes about 250 memories a second",
        low=1,
        high=64,
    )
    timeout: float = setting(
        5.0,
        "how long one call may take, repeats of throttled ones included; then 503",
        unit="seconds",
        low=0.1,
        high=60,
    )

    def __post_init__(self) -> None:
        check_ranges("dynamodb", self)
        if not self.table:
            raise ConfigurationError("dynamodb.table must name a table", keys=("dynamodb.table",))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSettings:
    url: str = setting(
        "", "the SQS queue from the edge to the flusher; empty: the flusher follows the journal itself"
    )
    dead_letter_url: str = setting("", "the SQS queue of messages that nobody could read")
    send_timeout: float = setting(
        2.0,
        "how long sending may take; what was not sent is owed by the journal, where the flusher finds it",
        unit="seconds",
        low=0.1,
        high=20,
    )
    visibility: float = setting(
        180.0,
        "how long a received message is hidden from other flushers; extended while it is held",
        unit="seconds",
        low=30,
        high=12 * _HOUR,
    )

    def __post_init__(self) -> None:
        check_ranges("queue", self)
        for name in ("url", "dead_letter_url"):
            given = getattr(self, name)
            if given and "://" not in given:
                raise ConfigurationError(
                    f"queue.{name} must be the URL of a queue, not {given[:80]!r}", keys=(f"queue.{name}",)
                )
