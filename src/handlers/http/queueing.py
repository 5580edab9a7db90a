"""Tells a queue that stands from one that passes. Pure."""

from typing import Final

_PATIENCE: Final = 1.0
"""Seconds for which every request must have waited too long: a pause of the process is no overload."""


class QueueWatch:
    """Judges by how long each request waited before it was looked at, as CoDel does.

    A queue that is emptied now and then is none: it stands only when nobody was served quickly
    for a second.
    """

    def __init__(self, target: float) -> None:
        self._target = target
        self._since: float | None = None
        self._last = 0.0
        self._longest = 0.0

    def is_overdue(self, waited: float, now: float) -> bool:
        """Whether this one waited too long, as all did lately."""
        if waited > self._longest:
            self._longest = waited
        if waited < self._target:
            self._since = None
            return False
        if self._since is None or now - self._last > _PATIENCE:
            self._since = now
        self._last = now
        return now - self._since >= _PATIENCE

    def longest(self) -> float:
        """The longest wait since this was last asked."""
        longest, self._longest = self._longest, 0.0
        return longest
