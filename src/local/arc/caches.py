"""Answers kept for a while on a given clock, none longer, and not too many. Pure but for the clock."""

from typing import Final, Generic, TypeVar

from core.ports import Clock

V = TypeVar("V")
MOST: Final = 10_000


class Cache(Generic[V]):
    """Keeps a value for `seconds`, counted from `put`; being asked for does not prolong it."""

    def __init__(self, clock: Clock, seconds: float, most: int = MOST) -> None:
        self._clock = clock
        self._seconds = seconds
        self._most = most
        self._entries: dict[str, tuple[float, V]] = {}
        self._full_until = 0.0
        """Before this, looking for something that has expired finds nothing."""

    def get(self, key: str) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock.monotonic() > entry[0]:
            del self._entries[key]
            return None
        return entry[1]

    def put(self, key: str, value: V) -> None:
        """A full cache drops what has expired; where nothing has, it keeps nothing new."""
        now = self._clock.monotonic()
        if key not in self._entries and len(self._entries) >= self._most:
            self._drop_expired(now)
            if len(self._entries) >= self._most:
                return
        self._entries[key] = (now + self._seconds, value)

    def _drop_expired(self, now: float) -> None:
        if now > self._full_until:
            self._entries = {k: e for k, e in self._entries.items() if now <= e[0]}
            self._full_until = min((e[0] for e in self._entries.values()), default=0.0)

    def clear(self) -> None:
        self._entries.clear()
        self._full_until = 0.0
