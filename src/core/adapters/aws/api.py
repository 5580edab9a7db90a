"""AWS as the adapters see it: a call, its parameters and its answer as the JSON protocols have them.

Two ways implement it and pass the same tests: `light.py`, whose import a cold start can afford,
and `boto.py` for long-lived processes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Service = Literal["dynamodb", "sqs", "secretsmanager"]


@dataclass(slots=True)
class AwsError(Exception):
    """The service refused a call, or gave no answer. Never leaves the adapters."""

    code: str
    """Its own name of the error, without a namespace: `ThrottlingException`. Empty: no answer came."""
    text: str
    status: int = 0
    """Of HTTP; 0: no answer came, and the call may have been carried out."""
    body: Mapping[str, Any] | None = None
    """The whole answer: a cancelled transaction says there why."""

    def __str__(self) -> str:
        return f"{self.code or 'no answer'}: {self.text}"


class AwsApi(Protocol):
    """Calls AWS. Binary values are `bytes` in parameters and answers, numbers of DynamoDB are texts."""

    async def call(
        self, service: Service, operation: str, parameters: Mapping[str, Any], timeout: float
    ) -> dict[str, Any]:
        """One operation (`PutItem`), ended within `timeout` seconds. Raises AwsError.

        Throttling and faults of the service are repeated with jitter within that time, and so is
        a call that got no answer: whatever is called must bear being carried out twice.
        """
        ...

    async def close(self) -> None:
        """Ends every connection; may be called twice."""
        ...
