"""Doing again what somebody else was quicker with: read, decide, write on condition."""

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from core.adapters.dynamodb.client import Cancelled, ConditionFailed
from core.model.errors import MetadataBusy

_ATTEMPTS = 8


def persisting() -> AsyncRetrying:
    """Some attempts, with pauses, at what raises ConditionFailed or Cancelled; then MetadataBusy."""
    return AsyncRetrying(
        retry=retry_if_exception_type((ConditionFailed, Cancelled)),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.02, max=0.5),
        retry_error_callback=_give_up,
    )


def _give_up(_: object) -> None:
    raise MetadataBusy()
