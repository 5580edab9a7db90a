"""Removes deleted memories from an Arc by its delete door, with the binding's admin key.

The door rewrites files and does not reach what the Arc still holds in memory, so that is flushed
first. It also takes every row for which the predicate is NULL: this one never is. And it refuses
words wherever they stand, in names too: so names go as digests.
"""

from collections.abc import Sequence
from typing import Final

from core.adapters.arc.doors import ArcDoors
from core.adapters.events.covering import DIGEST, covered_by_digest
from core.adapters.events.literal import literal
from core.model.deletion import Grave
from core.model.errors import StoreDenied
from core.model.memory import Micros, Span
from core.model.tenant import Binding
from core.ports import Removal, Removed

_ROUNDS: Final = 3
_NARROWEST: Final[Micros] = 1_000_000
_TIMES: Final = 400
"""Of one question, for which there are 10,000 bytes."""


class ArcRemover:
    """Implements `EventRemover`. Every step may be repeated; what was done until an error stays done."""

    def __init__(self, *, doors: ArcDoors, timeout: float) -> None:
        self._doors = doors
        self._timeout = timeout

    async def remove(self, binding: Binding, removal: Removal) -> Removed:
        """Flushes, deletes, and looks again: `is_gone` when a dry run counts none any more.

        Raises StoreDenied where the binding has no admin key, or the Arc does not delete.
        """
        if not binding.admin_key:
            raise StoreDenied(
                "the binding has no admin key, so nothing can be removed from its Arc",
                hint=f"give it one: `memtrace org set-admin-key {binding.org_id}`",
            )
        await self._doors.flush(binding, self._timeout)
        found = await self._found(binding, removal)
        gone = 0
        for _ in range(_ROUNDS):
            if not await self._delete(binding, removal, dry_run=True):
                return Removed(gone, True, found)
            gone += await self._delete(binding, removal, dry_run=False)
        return Removed(gone, False, found)

    async def running_since(self, binding: Binding) -> Micros | None:
        """When this Arc was started; an Arc with a log replays it then."""
        return await self._doors.running_since(binding, self._timeout)

    async def _found(self, binding: Binding, removal: Removal) -> tuple[Grave, ...]:
        """Those of the graves that the Arc shows a row for."""
        wanted, found = set(removal.graves), set[Grave]()
        times = sorted({time for time, _ in wanted})
        for start in range(0, len(times), _TIMES):
            text = _at(binding, times[start : start + _TIMES])
            rows = await self._doors.query(binding, text, self._timeout) or []
            found.update((time, bytes.fromhex(digest)) for time, digest in rows)
        return tuple(grave for grave in removal.graves if grave in found)

    async def _delete(self, binding: Binding, removal: Removal, *, dry_run: bool) -> int:
        """How many rows are covered, or were removed. More than the Arc takes at once go by parts."""
        predicate = covered_by_digest(binding.org_id, removal)
        count = await self._doors.delete(binding, predicate, self._timeout, dry_run=dry_run)
        if count is not None:
            return count
        return sum([await self._delete(binding, part, dry_run=dry_run) for part in _halves(removal)])


def _at(binding: Binding, times: Sequence[Micros]) -> str:
    """Asks what the org has at these times."""
    # Quoted, so that the Arc looks into every file, and first, as everywhere.
    return (
        f'SELECT DISTINCT epoch_us(time) AS t, {DIGEST} AS k FROM "{binding.measurement}"'
        f" WHERE \"time\" >= '1970-01-01T00:00:00Z' AND org_id = {literal(binding.org_id)}"
        f" AND epoch_us(time) IN ({', '.join(map(str, times))})"
    )


def _halves(removal: Removal) -> tuple[Removal, Removal]:
    """The same in two spans of time. Raises StoreDenied when it cannot be cut any more."""
    since, until = removal.span.since, removal.span.until
    if until - since <= _NARROWEST:
        raise StoreDenied("one second holds more memories than the Arc removes at once")
    middle = (since + until) // 2
    return (
        Removal(Span(since, middle), removal.exclusions, removal.graves),
        Removal(Span(middle, until), removal.exclusions, removal.graves),
    )
