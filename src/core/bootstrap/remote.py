"""The way to a deployment in AWS, for commands that are carried out there."""

from collections.abc import Callable
from typing import Any

from core.model.errors import ConfigurationError


def open_invoker(*, stack: str, function: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Brings an event to the admin function and its answer back. Raises ConfigurationError without boto3."""
    try:
        from core.adapters.aws.admin_function import invoker
    except ImportError:
        raise ConfigurationError(
            "--stack and --function need boto3", hint="install `memtrace-server[aws]`"
        ) from None
    return invoker(stack=stack, function=function)
