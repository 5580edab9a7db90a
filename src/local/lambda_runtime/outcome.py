"""How an invocation ends, in the words of Lambda. Pure."""

import json
from dataclasses import dataclass
from typing import Final

MOST_RESULT_BYTES: Final = 6_291_556
"""Of a function's result."""
MOST_EVENT_BYTES: Final = 6 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the caller of a function gets: its result or, `failed`, an error in Lambda's shape."""

    payload: bytes
    failed: bool = False


class Throttled(Exception):
    """As many sandboxes work as may."""


class EventTooLarge(Exception):
    """The event is larger than Lambda takes."""


def failure(kind: str, message: str) -> Outcome:
    """A failure that Lambda itself tells."""
    return Outcome(json.dumps({"errorType": kind, "errorMessage": message}).encode(), failed=True)


def timed_out(request_id: str, seconds: float) -> Outcome:
    return failure(
        "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    )


def exited(request_id: str, status: int | None) -> Outcome:
    told = f"signal: {-status}" if status is not None and status < 0 else f"exit status {status}"
    return failure("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {told}")


def too_large(size: int) -> Outcome:
    most = f"maximum allowed payload size ({MOST_RESULT_BYTES} bytes)"
    return failure("Function.ResponseSizeTooLarge", f"Response payload size ({size} bytes) exceeded {most}.")
