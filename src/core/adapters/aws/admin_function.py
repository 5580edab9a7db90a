"""Invoking the admin function of a deployment, found by its stack or named itself."""

import json
from collections.abc import Callable
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from core.model.errors import NotFound, Unavailable

OUTPUT: Final = "AdminFunctionName"
"""The output of a stack that names its admin function."""
_PATIENCE: Final = 900
"""Seconds: as long as a function may run."""
_CONNECTING: Final = 10


def invoker(*, stack: str, function: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Invokes the function once a call, and never again by itself: it may have done its work.

    Its calls raise NotFound without such a stack, and Unavailable when the function gave no answer.
    """
    config = Config(connect_timeout=_CONNECTING, read_timeout=_PATIENCE, retries={"total_max_attempts": 1})

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        try:
            name = function or _function_of(boto3.client("cloudformation"), stack)
            done = boto3.client("lambda", config=config).invoke(
                FunctionName=name, InvocationType="RequestResponse", Payload=json.dumps(event).encode()
            )
            return _answered(done.get("FunctionError"), done["Payload"].read())
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(
                f"the deployment could not be reached: {error}",
                hint="check AWS_REGION, the credentials and the right to invoke the function",
            ) from None

    return invoke


def _function_of(cloudformation: Any, stack: str) -> str:
    """The name of the stack's admin function."""
    for found in cloudformation.describe_stacks(StackName=stack)["Stacks"]:
        for output in found.get("Outputs", ()):
            if output["OutputKey"] == OUTPUT:
                return str(output["OutputValue"])
    raise NotFound(f"the stack {stack} has no output {OUTPUT}", hint="name the function with --function")


def _answered(failed: str | None, payload: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(payload)
    except ValueError:
        answer = None
    if failed or not isinstance(answer, dict):
        kind = answer.get("errorType", "") if isinstance(answer, dict) else ""
        raise Unavailable(
            f"the admin function failed{f' ({kind})' if kind else ''}",
            hint="what it was asked to do may have been done; its log says more",
        )
    return answer
