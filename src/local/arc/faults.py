"""What is to go wrong, on demand: kept until a request comes that it is meant for. Pure."""

from dataclasses import dataclass, field, replace
from typing import Final, Literal

Kind = Literal[
    "slow",  # answered after `seconds`, or never where the client goes first
    "status",  # answered with `status` and `error`; nothing is done
    "garbage",  # 200 with bytes that are no answer; it was done
    "truncated",  # done; half of the answer, then the connection closes
    "reset",  # the connection is reset, nothing is done
    "slow_after",  # done at once, answered as late as `slow`
    "reset_after",  # done; reset instead of an answer
    "answered_twice",  # done once, the answer is sent twice on the connection
    "done_twice",  # as a router does that repeats what it forwards: done twice, answered once
    "cut_rows",  # JSON queries: `rows` of the rows, the document whole and `success` true
]
KINDS: Final[tuple[Kind, ...]] = (
    "slow",
    "slow_after",
    "status",
    "garbage",
    "truncated",
    "reset",
    "reset_after",
    "answered_twice",
    "done_twice",
    "cut_rows",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """For the next `times` requests whose path begins so; -1 for all that come."""

    kind: Kind
    path: str = "/api/v1/"
    times: int = 1
    status: int = 500
    error: str = "made to fail"
    retry_after: int | None = None
    seconds: float = 3600.0
    rows: int = 0


@dataclass(slots=True)
class Faults:
    """What was asked for and has not happened yet."""

    waiting: list[Fault] = field(default_factory=list)
    flushes: int = 0
    """So many of the next files fail to be written, and their rows are lost."""
    rewrites: int = 0
    """So many of the next files that a deletion touches fail to be rewritten."""

    def add(self, fault: Fault) -> None:
        self.waiting.append(fault)

    def clear(self) -> None:
        self.waiting.clear()
        self.flushes = self.rewrites = 0

    def take(self, path: str) -> Fault | None:
        """The first fault meant for this request; one of its times is over then."""
        for i, fault in enumerate(self.waiting):
            if path.startswith(fault.path):
                if fault.times == 1:
                    del self.waiting[i]
                elif fault.times > 1:
                    self.waiting[i] = replace(fault, times=fault.times - 1)
                return fault
        return None

    def take_flush(self) -> bool:
        self.flushes, due = max(self.flushes - 1, 0), self.flushes > 0
        return due

    def take_rewrite(self) -> bool:
        self.rewrites, due = max(self.rewrites - 1, 0), self.rewrites > 0
        return due
