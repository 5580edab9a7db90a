"""What is to go wrong, on demand: kept until a call comes that it is meant for. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, get_args

Kind = Literal[
    "slow",  # answered after `seconds`; carried out then
    "slow_after",  # carried out at once, answered after `seconds`
    "reset",  # the connection is reset, nothing is done
    "reset_after",  # done; reset instead of an answer
    "garbage",  # done; 200 with bytes that are no answer
    "status",  # nothing is done; `status` and `error`
    "throttle",  # nothing is done; RequestThrottled
    "partial",  # batches: every second entry fails, `ours` as its SenderFault
    "duplicate",  # ReceiveMessage: what it gives, the next one gives again
    "stale",  # ReceiveMessage: its receipts are old already
    "empty",  # ReceiveMessage: nothing is found, though there is something
    "delay",  # SendMessage(Batch): visible after `seconds`
    "undead",  # DeleteMessage(Batch): answered, but not deleted
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
CONNECTION: Final = ("slow", "slow_after", "reset", "reset_after", "garbage")


@dataclass(frozen=True, slots=True)
class Fault:
    """For the next `times` calls whose operation begins so; -1 for all that come."""

    kind: Kind
    operation: str = ""
    times: int = 1
    seconds: float = 3600.0
    status: int = 500
    error: str = "InternalFailure"
    ours: bool = False


@dataclass(slots=True)
class Faults:
    """What was asked for and has not happened yet."""

    waiting: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        self.waiting.append(fault)

    def clear(self) -> None:
        self.waiting.clear()

    def take(self, operation: str, *, connection: bool) -> Fault | None:
        """The first fault of this sort meant for the call; one of its times is over then."""
        for i, fault in enumerate(self.waiting):
            if (fault.kind in CONNECTION) is connection and operation.startswith(fault.operation):
                if fault.times == 1:
                    del self.waiting[i]
                elif fault.times > 1:
                    self.waiting[i] = replace(fault, times=fault.times - 1)
                return fault
        return None


def spared(ids: Sequence[str]) -> set[str]:
    """Of the entries of a batch, those that a partial failure leaves alone."""
    return set(ids[1::2])
