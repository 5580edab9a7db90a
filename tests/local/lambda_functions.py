"""Handlers for the stand-in of Lambda."""

import os
import signal
import sys
from typing import Any

_calls = 0


def handler(event: Any, context: Any) -> Any:
    """Does what the event asks for."""
    global _calls
    _calls += 1
    match event:
        case {"raise": str(words)}:
            raise ValueError(words)
        case {"exit": int(status)}:
            os._exit(status)
        case {"kill": True}:
            os.kill(os.getpid(), signal.SIGKILL)
        case {"hang": True}:
            signal.pause()
        case {"large": int(size)}:
            return "x" * size
    return {
        "pid": os.getpid(),
        "calls": _calls,
        "remaining": context.get_remaining_time_in_millis(),
        "request_id": context.aws_request_id,
        "trace": os.environ.get("_X_AMZN_TRACE_ID", ""),
        "region": os.environ["AWS_REGION"],
        "event": event,
    }


def printing(event: Any, context: Any) -> None:
    """Says something."""
    sys.stdout.write("printed by the handler\n")
