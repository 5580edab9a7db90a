"""How SQS says no: an error's name, the older name beside it, and the words. Pure."""

from dataclasses import dataclass
from typing import Final

_OLDER: Final = {
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}


@dataclass(slots=True)
class Refusal(Exception):
    """A call, or one entry of a batch, that is not carried out."""

    name: str
    text: str
    status: int = 400

    @property
    def code(self) -> str:
        """As clients of the older protocol know it, which boto3 still shows."""
        return _OLDER.get(self.name, self.name)

    @property
    def is_senders(self) -> bool:
        return self.status < 500


def invalid(text: str) -> Refusal:
    """A parameter's value is wrong."""
    return Refusal("InvalidParameterValue", text)


def missing(parameter: str) -> Refusal:
    return Refusal("MissingParameter", f"The request must contain the parameter {parameter}.")


def no_such_queue() -> Refusal:
    return Refusal("QueueDoesNotExist", "The specified queue does not exist.")


def bad_handle(handle: str) -> Refusal:
    return Refusal("ReceiptHandleIsInvalid", f'The input receipt handle "{handle[:80]}" is not a valid one.')


def unavailable() -> Refusal:
    """Something that is SQS's own fault."""
    return Refusal("ServiceUnavailable", "made to fail", 503)
