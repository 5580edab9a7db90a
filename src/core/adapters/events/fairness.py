"""A queue whose owners take turns, so that nobody waits behind all that another one asked for."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Each owner's items come out in order, one an owner at a time. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, deque[T]] = {}
        """In the order in which the owners have their turns; only those that wait."""

    def put(self, owner: str, item: T) -> None:
        with self._lock:
            self._waiting.setdefault(owner, deque()).append(item)

    def take(self) -> T:
        """The next item of the owner whose turn it is. Raises LookupError when there is none."""
        with self._lock:
            if not self._waiting:
                raise LookupError("nothing waits")
            owner = next(iter(self._waiting))
            items = self._waiting.pop(owner)
            item = items.popleft()
            if items:
                self._waiting[owner] = items
            return item

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._waiting.values()))
