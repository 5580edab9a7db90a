"""The way to AWS, and what is built on it: opened by whoever works there, and by nobody else."""

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from core.model.errors import ConfigurationError
from core.ports import Clock, DeadMessages, Queue, Sender
from core.settings import Settings
from core.telemetry import Metrics

if TYPE_CHECKING:
    from core.adapters.aws.api import AwsApi


_CREDENTIALS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)
"""Variables by which Lambda, ECS and EKS tell a process whose it is."""


@contextlib.asynccontextmanager
async def opening_aws(
    settings: Settings, clock: Clock, *, light: bool | None
) -> AsyncIterator["AwsApi | None"]:
    """None where nothing of the settings is in AWS.

    `light` is for what runs in AWS: what is imported and what a call costs is small, and a call ends
    when it is given up. Otherwise boto3, which knows all the ways to credentials; without it raises
    ConfigurationError. None: light, where the environment has credentials for it.
    """
    is_used = settings.metadata.backend == "dynamodb" or settings.queue.url or settings.master_secret
    if not is_used:
        yield None
        return
    if light is None:
        light = any(name in os.environ for name in _CREDENTIALS)
    api = _light(clock) if light else _boto()
    try:
        yield api
    finally:
        await api.close()


def _light(clock: Clock) -> "AwsApi":
    from core.adapters.aws.light import LightAws

    return LightAws(environ=os.environ, clock=clock)


def _boto() -> "AwsApi":
    try:
        from core.adapters.aws.boto import BotoAws
    except ImportError:
        raise ConfigurationError(
            "DynamoDB, SQS and Secrets Manager need boto3 here", hint="install `memtrace-server[aws]`"
        ) from None
    return BotoAws(environ=os.environ)


def sender_of(settings: Settings, api: "AwsApi | None", metrics: Metrics) -> Sender | None:
    """The queue's end for whoever writes; None where the flusher follows the journal itself."""
    if api is None or not settings.queue.url:
        return None
    from core.adapters.sqs.sender import SqsSender

    return SqsSender(api=api, url=settings.queue.url, timeout=settings.queue.send_timeout, metrics=metrics)


def queue_opener(
    settings: Settings,
    api: "AwsApi | None",
    clock: Clock,
    metrics: Metrics,
    follow_journal: Callable[[], Queue],
) -> Callable[[], Queue]:
    """What opens the flusher's end of the queue."""
    if api is None or not settings.queue.url:
        return follow_journal
    from core.adapters.sqs.queue import SqsQueue

    return lambda: SqsQueue(
        api=api,
        url=settings.queue.url,
        visibility=settings.queue.visibility,
        clock=clock,
        metrics=metrics,
    )


def dead_messages_of(settings: Settings, api: "AwsApi | None") -> DeadMessages | None:
    """None where there is no queue for messages that nobody can read."""
    queue = settings.queue
    if api is None or not queue.url or not queue.dead_letter_url:
        return None
    from core.adapters.sqs.dead import SqsDeadMessages

    return SqsDeadMessages(api=api, url=queue.dead_letter_url, queue_url=queue.url)
