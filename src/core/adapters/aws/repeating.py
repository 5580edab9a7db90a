"""When a call to AWS is made again: one rule for both transports, within the time of the caller."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_random_exponential,
)

from core.adapters.aws.api import AwsError

Once = Callable[[float, bool], Awaitable[dict[str, Any]]]
"""One attempt: the seconds it has, and whether it must use a new connection."""

_MOST_ATTEMPTS: Final = 12
_FIRST_SHARE: Final = 0.6
"""Of the time, for one attempt: what got no answer leaves time for another."""
_THROTTLED: Final = frozenset(
    (
        "InternalServerError",
        "KMS.ThrottlingException",  # SQS, of a queue's key; the one name with boto3, the other without
        "KmsThrottled",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",  # as a reason of a cancelled transaction
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ServiceUnavailable",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingError",  # as a reason of a cancelled transaction
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflict",  # as a reason of a cancelled transaction
        "TransactionConflictException",
        "TransactionInProgressException",
    )
)
_pause: Final = wait_random_exponential(multiplier=0.05, max=2)


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed a moment later."""
    if not isinstance(error, AwsError):
        return False
    if error.code == "TransactionCanceledException":
        return _was_cancelled_in_passing(error)
    return not error.code or error.code in _THROTTLED or error.status >= 500 or error.status == 429


def _was_cancelled_in_passing(error: AwsError) -> bool:
    """Only by throttling or by others' transactions: no condition of it failed."""
    reasons = {str(one.get("Code", "None")) for one in (error.body or {}).get("CancellationReasons", ())}
    reasons.discard("None")
    return bool(reasons) and reasons <= _THROTTLED


async def repeated(once: Once, timeout: float, *, waits: bool = False) -> dict[str, Any]:
    """The answer of the first attempt that gets one; ends within `timeout` seconds. Raises AwsError.

    A call that was not answered goes out again at once, once, on a new connection: the old one may
    have died while this process was frozen. `waits`: it is AWS that waits, so one attempt may take
    all the time.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + timeout
    share = 1.0 if waits else _FIRST_SHARE
    failed: AwsError | None = None

    async def attempt() -> dict[str, Any]:
        nonlocal failed
        left = ends - loop.time()
        limit = left if failed is not None else timeout * share
        try:
            async with asyncio.timeout(limit):
                return await once(limit, failed is not None and not failed.code)
        except TimeoutError:
            # What AWS said before says more than that there was no time for another answer.
            failed = failed or AwsError("", f"no answer within {limit:g} seconds")
            raise failed from None
        except AwsError as error:
            failed = error
            raise

    retrying = AsyncRetrying(
        retry=retry_if_exception(is_passing),
        wait=_wait,
        stop=stop_before_delay(timeout) | stop_after_attempt(_MOST_ATTEMPTS),
        reraise=True,
    )
    return await retrying(attempt)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1 and isinstance(error, AwsError) and not error.code:
        return 0.0
    return _pause(state)
