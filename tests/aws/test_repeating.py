"""When a call is made again, and with which time."""

import asyncio
from typing import Any

import pytest

from core.adapters.aws.api import AwsError
from core.adapters.aws.repeating import is_passing, repeated


def cancelled(*codes: str) -> AwsError:
    reasons = [{"Code": code} if code else {} for code in codes]
    return AwsError("TransactionCanceledException", "", 400, {"CancellationReasons": reasons})


@pytest.mark.parametrize(
    "error",
    [
        AwsError("", "nothing came"),
        AwsError("ThrottlingException", "", 400),
        AwsError("KmsThrottled", "", 400),
        AwsError("KMS.ThrottlingException", "", 400),
        AwsError("Whatever", "", 500),
        AwsError("503", "", 503),
        AwsError("Whatever", "", 429),
        AwsError("TransactionInProgressException", "", 400),
        cancelled("None", "TransactionConflict"),
        cancelled("ThrottlingError", "ProvisionedThroughputExceeded", ""),
    ],
)
def test_these_pass(error: AwsError) -> None:
    assert is_passing(error)


@pytest.mark.parametrize(
    "error",
    [
        AwsError("ConditionalCheckFailedException", "", 400),
        AwsError("NoCredentials", ""),
        AwsError("TransactionCanceledException", "", 400),
        AwsError("IdempotentParameterMismatchException", "", 400),
        cancelled("None", "None"),
        cancelled("ConditionalCheckFailed", "TransactionConflict"),
        ValueError("a defect"),
    ],
)
def test_these_last(error: Exception) -> None:
    assert not is_passing(error)


class Once:
    """Attempts that end as a test says; notes the time each had and whether its connection was new."""

    def __init__(self, *ends: AwsError | dict[str, Any]) -> None:
        self._ends = list(ends)
        self.given: list[tuple[float, bool]] = []

    async def __call__(self, limit: float, fresh: bool) -> dict[str, Any]:
        self.given.append((limit, fresh))
        end = self._ends.pop(0) if len(self._ends) > 1 else self._ends[0]
        if isinstance(end, AwsError):
            raise end
        return end


LOST = AwsError("", "lost")
THROTTLED = AwsError("ThrottlingException", "slower", 400)


async def test_the_first_attempt_leaves_time_for_another() -> None:
    once = Once({})
    await repeated(once, 10)
    assert once.given == [(6.0, False)]


async def test_where_aws_waits_an_attempt_has_all_the_time() -> None:
    once = Once({})
    await repeated(once, 10, waits=True)
    assert once.given == [(10.0, False)]


async def test_a_repeat_has_what_is_left() -> None:
    once = Once(LOST, {})
    await repeated(once, 10)
    assert 9 < once.given[1][0] <= 10


async def test_only_what_was_not_answered_needs_a_new_connection() -> None:
    once = Once(THROTTLED, LOST, THROTTLED, {"done": True})
    assert await repeated(once, 10) == {"done": True}
    assert [fresh for _, fresh in once.given] == [False, False, True, False]


async def test_attempts_are_bounded_however_long_the_time() -> None:
    once = Once(THROTTLED)
    with pytest.raises(AwsError, match="slower"):
        await repeated(once, 0.2)
    assert 1 < len(once.given) <= 12


async def test_an_error_of_ours_goes_on_at_once() -> None:
    async def defect(limit: float, fresh: bool) -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await repeated(defect, 10)


async def test_no_time_at_all_is_no_answer() -> None:
    async def silent(limit: float, fresh: bool) -> dict[str, Any]:
        return await asyncio.Event().wait() and {}

    with pytest.raises(AwsError) as caught:
        await repeated(silent, 0)
    assert caught.value.code == ""
