"""What all calls of SQS have in common: batches, and what is wrong with entries of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from core.adapters.aws.api import AwsError

T = TypeVar("T")
MOST_ENTRIES: Final = 10
"""Of one batch call, and messages of one receive."""
_REASON_LENGTH: Final = 300


@dataclass(frozen=True, slots=True)
class Refused:
    """One entry that a batch call did not carry out."""

    index: int
    is_ours: bool
    """Repeating is useless: what was asked is wrong, not the service."""
    reason: str


def portions(values: Sequence[T], size: int = MOST_ENTRIES) -> Iterator[Sequence[T]]:
    """In pieces that one call takes."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def entries(each: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Entries of a batch, named by their place in it."""
    return [{"Id": str(index), **entry} for index, entry in enumerate(each)]


def refused(answer: Mapping[str, Any], count: int) -> list[Refused]:
    """What was not carried out of a batch of so many; entries that the answer says nothing about too."""
    told = {_index(entry, count) for entry in answer.get("Successful", ())}
    failed = []
    for entry in answer.get("Failed", ()):
        if (index := _index(entry, count)) is not None:
            told.add(index)
            failed.append(Refused(index, bool(entry.get("SenderFault")), str(entry.get("Code", ""))))
    return failed + [Refused(i, False, "not answered") for i in range(count) if i not in told]


def reason_of(error: AwsError | TimeoutError) -> str:
    """For a line of the log."""
    return (str(error) or "no answer in time")[:_REASON_LENGTH]


def _index(entry: Mapping[str, Any], count: int) -> int | None:
    name = str(entry.get("Id", ""))
    return int(name) if name.isdecimal() and int(name) < count else None
