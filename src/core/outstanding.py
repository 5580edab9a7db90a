"""What an org's journal still owes its store, and what died on the way: for the org's own eyes."""

from collections.abc import Callable
from dataclasses import dataclass

from core.health import Health, StoreState
from core.model.memory import MemoryFilter, Micros, OrgId, Span
from core.ports import Backlog, Clock, DeadLetter, DeadLetters, JournalReader, Ledger

_NOTHING = Span(0, 0)
_MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Standing:
    """One org's journal at a moment, and how its store was seen last."""

    backlog: Backlog
    oldest_seconds: float | None
    """The age of the oldest owed memory."""
    store: StoreState | None
    """None without a binding."""


class Outstanding:
    """Reads only, and only of the org that is asked for. Raises DatabaseError, and nothing else."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        dead_letters: Callable[[], DeadLetters],
        journal: JournalReader,
        health: Health,
        clock: Clock,
    ) -> None:
        """`dead_letters` is called when they are first asked for, which is rare."""
        self._ledger = ledger
        self._dead_letters = dead_letters
        self._journal = journal
        self._health = health
        self._clock = clock

    async def standing(self, org_id: OrgId) -> Standing:
        """Numbers that may be a second old, on some journals near the truth only."""
        backlog = await self._ledger.backlog(org_id)
        store = next((one for one in await self._health.stores() if one.org_id == org_id), None)
        return Standing(backlog, self._age(backlog.oldest), store)

    async def dead(self, org_id: OrgId, limit: int) -> list[DeadLetter]:
        """The newest first; never one that was deleted before this was asked."""
        letters = await self._dead_letters().list_dead(org_id, limit)
        if not letters:
            return []
        # Looked up afterwards: what a deletion covers may still lie there until the flusher comes to it.
        graves = (await self._journal.tail(org_id, MemoryFilter(), _NOTHING, "desc", 1)).graves
        return [letter for letter in letters if not graves.hides(letter.memory)]

    def _age(self, oldest: Micros | None) -> float | None:
        return None if oldest is None else max(0.0, (self._clock.micros() - oldest) / _MICROS)
