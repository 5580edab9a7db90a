"""A vault whose keys are kept elsewhere and change there: read at the start, and again in time.

It runs no task: whoever opens something renews it first. That suits a function which is frozen
between requests as well as a process that lives for months.
"""

import asyncio
from typing import Final

from core.model.errors import MasterKeyError
from core.ports import Clock, MasterKeys
from core.telemetry import info, warning
from core.vault import Vault, parse_master_key

_AGAIN: Final = 30.0
"""Seconds between two readings, when the last one failed or something opens with no key."""
PREVIOUS: Final = "MEMTRACE_MASTER_KEY_PREVIOUS"


class KeptVault(Vault):
    """Its keys are at most `max_age` seconds old while their place can be read; `reading_vault` makes it.

    While it cannot, those at hand serve. What opens with none of them is tried with newer ones, so
    that a key changed elsewhere, and rows sealed with it, are no reason to wait.
    """

    __slots__ = ("_clock", "_given", "_keys", "_lock", "_max_age", "_read_at", "_source", "_tried_at")

    def __init__(
        self, keys: tuple[bytes, ...], *, source: MasterKeys, given: "GivenKeys", clock: Clock, max_age: float
    ) -> None:
        super().__init__(*keys)
        self._keys = keys
        self._source = source
        self._given = given
        self._clock = clock
        self._max_age = max_age
        self._read_at = clock.monotonic()
        # What opens in vain first is a reason at once: the reading may have been kept in a snapshot.
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def renew(self, *, in_vain: bool) -> bool:
        """Raises nothing: a reading that fails is logged. One reads, and who opened in vain waits for it."""
        if not in_vain and (self._lock.locked() or not self._is_old()):
            return False
        before = self._keys
        async with self._lock:
            if self._keys is not before:
                return True
            now = self._clock.monotonic()
            if now - self._tried_at < _AGAIN or not (in_vain or self._is_old()):
                return False
            self._tried_at = now
            return await self._read(now)

    def _is_old(self) -> bool:
        return self._clock.monotonic() - self._read_at >= self._max_age

    async def _read(self, now: float) -> bool:
        try:
            keys = await _keys_of(self._source, self._given)
        except MasterKeyError as error:
            warning("master_key_unread", reason=error.message)
            return False
        self._read_at = now
        if keys == self._keys:
            return False
        self._keys = keys
        self.use(*keys)
        info("master_key_changed", previous=len(keys) - 1)
        return True


class GivenKeys:
    """What the process's own settings say of master keys beside their place. Shown to nobody."""

    __slots__ = ("current", "previous")

    def __init__(self, *, current: str, previous: str) -> None:
        """Texts, empty where they are not set. Raises MasterKeyError for what are no keys."""
        self.current = parse_master_key(current) if current else None
        self.previous = (parse_master_key(previous, PREVIOUS),) if previous else ()


def plain_vault(given: GivenKeys) -> Vault:
    """A vault of what the settings hold alone. Raises MasterKeyError where that is nothing."""
    current = given.current or parse_master_key("")
    return Vault(current, *(key for key in given.previous if key != current))


async def reading_vault(*, source: MasterKeys, given: GivenKeys, clock: Clock, max_age: float) -> KeptVault:
    """A vault with the keys that are kept there now. Raises MasterKeyError without them."""
    keys = await _keys_of(source, given)
    return KeptVault(keys, source=source, given=given, clock=clock, max_age=max_age)


async def _keys_of(source: MasterKeys, given: GivenKeys) -> tuple[bytes, ...]:
    """The current key first, none twice."""
    texts = await source.read()
    current = parse_master_key(texts.current, source.name)
    if given.current is not None and given.current != current:
        raise MasterKeyError(
            f"MEMTRACE_MASTER_KEY and {source.name} hold different keys",
            hint="unset MEMTRACE_MASTER_KEY and MEMTRACE_MASTER_KEY_FILE, or MEMTRACE_MASTER_KEY_SECRET_ARN",
        )
    previous = [key for text in texts.previous if (key := _usable(text, source.name)) is not None]
    return tuple(dict.fromkeys((current, *previous, *given.previous)))


def _usable(text: str, name: str) -> bytes | None:
    """What stood there before may be no key: the first one is put in the place of something else."""
    try:
        return parse_master_key(text, f"the previous version of {name}")
    except MasterKeyError as error:
        warning("master_key_previous_unusable", reason=error.message)
        return None
